/*
** util/message: bytes, and the objects that travel beside them.
**
** What cannot be written as bytes (code, futures, host objects, C functions) is a part: an object
** with a reference of its own, named in the bytes by its index. Bytes alone can therefore never
** forge a pointer. Parts are released with the message. One thread writes a message, then hands it
** over; once shared it is read-only.
**
** A small message (a call of a known function, a few numbers) lies wholly in its struct, without an
** allocation. A message is therefore moved with ti_message_move, never by assignment.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_UTIL_MESSAGE_H
#define TI_UTIL_MESSAGE_H

#include "util/buffer.h"

TI_INTERNAL_BEGIN

struct ti_message_part {
  const void *type; /* its type, compared by address */
  void *object;     /* a reference is held if `rele` is not NULL */
  void (*rele)(void *object);
};

#define MESSAGE_SMALL 24 /* bytes */
#define MESSAGE_FIRST 2  /* parts: a function's code and one object */

struct ti_message {
  struct ti_buffer bytes; /* begins in `small` */
  struct ti_message_part first[MESSAGE_FIRST];
  struct ti_message_part *more; /* the parts after them: owned; NULL while capmore is 0 */
  uint32_t nparts, capmore;
  unsigned char small[MESSAGE_SMALL];
};

void ti_message_init(struct ti_message *m, const struct ti_alloc *mem);
/* Releases the parts and makes the message empty. May be called again. */
void ti_message_fini(struct ti_message *m);
/* Moves `from` to `to`, which is overwritten. `from` is empty afterwards. */
void ti_message_move(struct ti_message *to, struct ti_message *from);

/* Returns part i, which must exist. */
static inline const struct ti_message_part *ti_message_part(const struct ti_message *m, size_t i) {
  return i < MESSAGE_FIRST ? &m->first[i] : &m->more[i - MESSAGE_FIRST];
}

/* Takes the reference in `object` and stores the part's index. On failure it releases the
** reference, marks the message failed and returns false. */
bool ti_message_add_part(struct ti_message *m, const void *type, void *object, void (*rele)(void *),
                         size_t *index);
/* Removes what was written since m had `len` bytes and `nparts` parts; the parts are released. */
void ti_message_rewind(struct ti_message *m, size_t len, size_t nparts);

TI_INTERNAL_END

#endif
