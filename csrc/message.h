/*
** tidepool, floor 0: message, bytes plus the objects that travel beside them.
**
** What cannot be written as bytes (code, futures, host objects, C functions) is
** a part: an object with a reference of its own, named in the bytes by its
** index. So bytes alone can never forge a pointer. Parts are released with the
** message. Written by one thread, then handed over; read-only once shared.
**
** A small message (a call of a known function, a few numbers) lies wholly in its struct: no block
** is allocated for it. So a message is moved with tide_message_move, never by assignment.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_MESSAGE_H
#define TIDE_MESSAGE_H

#include "bytes.h"

TIDE_INTERNAL_BEGIN

struct part {
  const void *type; /* who may use it: compared by address */
  void *object;     /* a reference is held if rele is not NULL */
  void (*rele)(void *object);
};

#define MESSAGE_SMALL 24 /* bytes */
#define MESSAGE_FIRST 2  /* parts: a function's code and one object */

struct message {
  struct bytes bytes; /* begins in `small` */
  struct part first[MESSAGE_FIRST];
  struct part *more; /* those after them: owned; NULL while capmore is 0 */
  uint32_t nparts, capmore;
  unsigned char small[MESSAGE_SMALL];
};

void tide_message_init(struct message *m, const struct mem *mem);
void tide_message_fini(
    struct message *m); /* releases the parts; legal more than once, then empty */
/* Moves all of `from` to `to`, which is overwritten; `from` is empty afterwards. */
void tide_message_move(struct message *to, struct message *from);

/* Part i, which exists. */
static inline const struct part *tide_message_part(const struct message *m, size_t i) {
  return i < MESSAGE_FIRST ? &m->first[i] : &m->more[i - MESSAGE_FIRST];
}

/* Takes the reference in `object` and stores the part's index. On failure the
** reference is given back, false, and the message is marked failed. */
bool tide_message_addpart(struct message *m, const void *type, void *object, void (*rele)(void *),
                          size_t *index);
/* Takes back what was written since m had `len` bytes and `nparts` parts, which are released. */
void tide_message_rewind(struct message *m, size_t len, size_t nparts);

TIDE_INTERNAL_END

#endif
