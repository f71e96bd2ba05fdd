/*
** tidepool, floor 3: seeding, where the random numbers of tasks begin.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_SEEDING_H
#define TIDE_SEEDING_H

#include "executor.h"

TIDE_INTERNAL_BEGIN

/* A number that was taken from a counter; from none if that is NULL. */
struct numbered {
  uint64_t *counter;
  uint64_t number;
};

/* Stores where a task begins that L (NULL: a thread without one) submits to ex with `o` (NULL: nothing
** special); false: anywhere. Never blocks. Any thread. [-0, +0, -] */
bool tide_seeding_of(tide_executor *ex, lua_State *L, const tide_taskopts *o, struct seeding *out,
                     struct numbered *n);
/* The submit failed: gives the number back. */
void tide_seeding_undo(const struct numbered *n);

TIDE_INTERNAL_END

#endif
