/*
** api/task_wait: waits inside tasks.
**
** A task that waits occupies a pool thread. What it waits for may need that thread, so it must wait
** by these functions only. They tell the pool what the thread does meanwhile.
**
** A wait for one task, without a limit of time, runs that task on this thread if the task is queued
** in the same executor (sched/pool_nested.h). If another worker runs it already, the thread sleeps:
** that task continues by itself, or is blocked, too. In all other waits the thread is blocked while
** it sleeps: it does not count as a worker (ti_pool_block_begin). A ring of tasks that wait for
** each other without a limit of time is found when the last of them begins to wait.
**
** At max_threads no other thread takes the place of a blocked one. If all threads of the executor
** wait, each runs on itself what it waits for, if that is queued. This holds for waits with a limit
** of time, and for the first of several tasks, too. If no C stack is left for it, and all wait
** without a limit of time for tasks of this executor, one of them gets TIDE_EDEADLOCK.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_TASK_WAIT_H
#define TI_API_TASK_WAIT_H

#include "api/executor.h"
#include "sched/pool_nested.h"

TI_INTERNAL_BEGIN

/* The task that runs in a state. */
struct ti_task_wait {
  struct ti_pool *pool; /* its executor's; NULL: no task runs, and the functions do nothing */
  struct ti_stop_token *stop;
};

/* Returns the task that runs in L, which may be NULL. [-0, +0, -] */
struct ti_task_wait ti_task_wait_of(lua_State *L);

/* Begins a wait for t without a limit of time. Returns TIDE_OK, with what _end needs in *how; t may
** be done by then. Returns TIDE_EDEADLOCK if the wait would never end; TIDE_ENOMEM or TIDE_ETHREAD
** if no thread could be started for what is queued and no other one can serve it. After an error
** there is nothing to end. */
int ti_task_wait_begin(const struct ti_task_wait *w, struct ti_task *t, enum ti_pool_block *how);
void ti_task_wait_end(const struct ti_task_wait *w, enum ti_pool_block how);

/* The same for any other wait. */
int ti_task_wait_block_begin(const struct ti_task_wait *w, enum ti_pool_block *how);
void ti_task_wait_block_end(const struct ti_task_wait *w, enum ti_pool_block how);

/* Returns whether the next two functions have something to do. It is called before each sleep
** between a _begin and its _end. Takes no lock. */
bool ti_task_wait_at_max_threads(const struct ti_task_wait *w);

/* If all other threads wait, runs t on this one, or, if t is NULL, the next task in the queue of
** the executor. Returns whether it did; then the thread is no longer blocked (*how is BLOCK_NONE).
** To continue to wait, the caller calls ti_task_wait_block_begin again. */
bool ti_task_wait_help(const struct ti_task_wait *w, struct ti_task *t, enum ti_pool_block *how);

/* For waits without a limit of time, for tasks of the task's own executor. Called each time the
** caller has found that the wait is not over. Returns TIDE_EDEADLOCK if no wait of the executor
** will ever end; that takes at least two calls. Else TIDE_OK. */
int ti_task_wait_agree(const struct ti_task_wait *w);

TI_INTERNAL_END

#endif
