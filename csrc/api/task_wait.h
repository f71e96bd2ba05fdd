/*
** api/task_wait: waits of a task for other tasks.
**
** A wait for one task, as long as it takes, has the thread run it if it is queued in the same
** executor (pool_nested.c); one that another worker runs already is slept for: it goes on by
** itself, or is away too. In all other waits (a limit of time, the first of several, another
** executor, a full queue) what ends them may need a worker of this executor: meanwhile the thread
** does not count as one (ti_pool_block_begin). A ring of tasks that wait for each other as long as
** it takes is found when it closes.
**
** With max_threads no other thread comes. If then all threads of the executor wait, each runs in
** its place what it waits for, as far as that is queued: in waits with a limit of time, and for the
** first of several, too. If that cannot be, as no C stack is left, and all wait as long as it takes
** for tasks of this executor, one of them gets TIDE_EDEADLOCK.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_TASK_WAIT_H
#define TI_API_TASK_WAIT_H

#include "api/executor.h"

TI_INTERNAL_BEGIN

/* The task that runs in a state. */
struct ti_task_wait {
  struct ti_pool *pool; /* NULL: none does, and the functions below do nothing */
  struct ti_stop_token *stop;
};

/* L may be NULL. [-0, +0, -] */
struct ti_task_wait ti_task_wait_of(lua_State *L);

/* Before a sleep for t, with no limit of time: TIDE_OK, and *how is for `end`; t may be done
** already. Or TIDE_EDEADLOCK: it would never end; TIDE_ENOMEM, TIDE_ETHREAD: no thread could be
** started for what is queued, and no other one can serve it. */
int ti_task_wait_begin(const struct ti_task_wait *w, struct ti_task *t, enum ti_pool_block *how);
void ti_task_wait_end(const struct ti_task_wait *w, enum ti_pool_block how);

/* Around any other sleep. Returns as above. After TIDE_EDEADLOCK there is no sleep, and no
** `back`. */
int ti_task_wait_block_begin(const struct ti_task_wait *w, enum ti_pool_block *how);
void ti_task_wait_block_end(const struct ti_task_wait *w, enum ti_pool_block how);

/* Whether the functions below have something to do, before a sleep and now and then between `away`
** or `begin` and their ends. Takes no lock. */
bool ti_task_wait_crowded(const struct ti_task_wait *w);
/* True if t has been run on this thread, as all others wait; or, if t is NULL, what was next in the
** queue of the task's executor. Then *how is BLOCK_NONE; to go on waiting, call `away` once
** more. */
bool ti_task_wait_help(const struct ti_task_wait *w, struct ti_task *t, enum ti_pool_block *how);
/* For waits without a limit of time, for tasks of the task's own executor. TIDE_EDEADLOCK: it never
** ends. To be called when it is known that the wait is not over; two calls at least decide. */
int ti_task_wait_agree(const struct ti_task_wait *w);

TI_INTERNAL_END

#endif
