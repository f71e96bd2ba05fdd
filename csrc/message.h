/*
** tidepool, floor 0: message, bytes plus the objects that travel beside them.
**
** What cannot be written as bytes (code, futures, host objects, C functions) is
** a part: an object with a reference of its own, named in the bytes by its
** index. So bytes alone can never forge a pointer. Parts are released with the
** message. Written by one thread, then handed over; read-only once shared.
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

struct message {
  struct bytes bytes;
  struct part *parts;
  size_t nparts, capparts;
};

void tide_message_init(struct message *m, const struct mem *mem);
void tide_message_fini(struct message *m); /* releases the parts; legal more than once */

/* Takes the reference in `object` and stores the part's index. On failure the
** reference is given back, false, and the message is marked failed. */
bool tide_message_addpart(struct message *m, const void *type, void *object, void (*rele)(void *),
                          size_t *index);

TIDE_INTERNAL_END

#endif
