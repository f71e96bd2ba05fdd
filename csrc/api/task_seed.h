/*
** api/task_seed: where the random numbers of tasks begin.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_TASK_SEED_H
#define TI_API_TASK_SEED_H

#include "api/executor.h"

TI_INTERNAL_BEGIN

/* A number that was taken from a counter; from none if that is NULL. */
struct ti_numbered {
  uint64_t *counter;
  uint64_t number;
};

/* Stores where a task begins that L (NULL: a thread without one) submits to ex with `o` (NULL:
** nothing special); false: anywhere. Never blocks. Any thread. [-0, +0, -] */
bool ti_task_seed_of(tide_executor *ex, lua_State *L, const tide_taskopts *o,
                     struct ti_seeding *out, struct ti_numbered *n);
/* The submit failed: gives the number back. */
void ti_task_seed_undo(const struct ti_numbered *n);

TI_INTERNAL_END

#endif
