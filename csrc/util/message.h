/*
** util/message: bytes plus the objects that travel beside them.
**
** What cannot be written as bytes (code, futures, host objects, C functions) is
** a part: an object with a reference of its own, named in the bytes by its
** index. So bytes alone can never forge a pointer. Parts are released with the
** message. Written by one thread, then handed over; read-only once shared.
**
** A small message (a call of a known function, a few numbers) lies wholly in its struct: no block
** is allocated for it. So a message is moved with ti_message_move, never by assignment.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_UTIL_MESSAGE_H
#define TI_UTIL_MESSAGE_H

#include "util/buffer.h"

TI_INTERNAL_BEGIN

struct ti_message_part {
  const void *type; /* who may use it: compared by address */
  void *object;     /* a reference is held if rele is not NULL */
  void (*rele)(void *object);
};

#define MESSAGE_SMALL 24 /* bytes */
#define MESSAGE_FIRST 2  /* parts: a function's code and one object */

struct ti_message {
  struct ti_buffer bytes; /* begins in `small` */
  struct ti_message_part first[MESSAGE_FIRST];
  struct ti_message_part *more; /* those after them: owned; NULL while capmore is 0 */
  uint32_t nparts, capmore;
  unsigned char small[MESSAGE_SMALL];
};

void ti_message_init(struct ti_message *m, const struct ti_alloc *mem);
void ti_message_fini(
    struct ti_message *m); /* releases the parts; legal more than once, then empty */
/* Moves all of `from` to `to`, which is overwritten; `from` is empty afterwards. */
void ti_message_move(struct ti_message *to, struct ti_message *from);

/* Part i, which exists. */
static inline const struct ti_message_part *ti_message_part(const struct ti_message *m, size_t i) {
  return i < MESSAGE_FIRST ? &m->first[i] : &m->more[i - MESSAGE_FIRST];
}

/* Takes the reference in `object` and stores the part's index. On failure the
** reference is given back, false, and the message is marked failed. */
bool ti_message_add_part(struct ti_message *m, const void *type, void *object, void (*rele)(void *),
                         size_t *index);
/* Takes back what was written since m had `len` bytes and `nparts` parts, which are released. */
void ti_message_rewind(struct ti_message *m, size_t len, size_t nparts);

TI_INTERNAL_END

#endif
