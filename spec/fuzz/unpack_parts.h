/*
** unpack_parts.h: the parts that a message of the unpack target may have.
**
** SPDX-License-Identifier: MIT
*/
#ifndef UNPACK_PARTS_H
#define UNPACK_PARTS_H

#include "util/message.h"

/* Adds a part of this kind (any number is one) to m. */
void parts_add(struct ti_message *m, unsigned kind);
/* Returns the kind that is most like a part: of its type and, for code, with as many upvalues. */
unsigned parts_kind(const struct ti_message_part *part);

#endif
