/*
** api/task_seed: where the random numbers of tasks begin.
**
** A task is numbered when it is submitted, in the order of the submits, by a counter: the
** executor's, a view's (tide_taskopts) or, inside a seeded task, that task's. So the number depends
** neither on workers nor on timing, as long as the order of the submits does not.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_TASK_SEED_H
#define TI_API_TASK_SEED_H

#include "api/executor.h"

TI_INTERNAL_BEGIN

/* A number taken from a counter. */
struct ti_numbered {
  uint64_t *counter; /* NULL: none was taken */
  uint64_t number;
};

/* Stores in *out where the random numbers of a task begin that L submits to ex, and in *n the
** number taken for it. L and o may be NULL. Returns false if the task is not seeded. Any thread;
** never blocks. [-0, +0, -] */
bool ti_task_seed_of(tide_executor *ex, lua_State *L, const tide_taskopts *o,
                     struct ti_seeding *out, struct ti_numbered *n);

/* The submit failed: returns the number to its counter. If another thread took the next one
** meanwhile, the number stays unused. */
void ti_task_seed_undo(const struct ti_numbered *n);

TI_INTERNAL_END

#endif
