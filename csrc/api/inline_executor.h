/*
** api/inline_executor: executors without threads.
**
** A task of such an executor runs at its submit, on the thread and in the state of who submits it.
** It goes through a message and back all the same, so it sees copies, and its errors are those of a
** worker's. Its globals are a table of their own, the *place*'s, which reads those of the state
** where it has none. A place stands for a worker: it is opened at the first task, with the
** initializer, and closed with the finalizer. A task that submits to its own executor has the next
** place for that, as a worker has another state.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_INLINE_EXECUTOR_H
#define TI_API_INLINE_EXECUTOR_H

#include "api/executor.h"

TI_INTERNAL_BEGIN

/* As tide_submit, for an executor with run_inline; the future is done. [-(nargs+1), +0, e] */
tide_future *ti_inline_executor_submit(tide_executor *ex, lua_State *L, int nargs,
                                       const tide_taskopts *o);
/* Whether a task of ex runs in L. [-0, +0, -] */
bool ti_inline_executor_running(lua_State *L, const tide_executor *ex);
/* Whether an executor's task, initializer or finalizer runs in L; then the task's name, NULL for
** the others. [-0, +0, -] */
bool ti_inline_executor_name(lua_State *L, const char **name);
/* Whether one runs in L, as above; then its executor and where the task's number is kept
** (ti_worker_state_task_id), NULL for the others. And the index of its place, for a task. [-0, +0,
** -] */
bool ti_inline_executor_id(lua_State *L, tide_executor **ex, uint64_t **id);
int ti_inline_executor_index(lua_State *L);
/* Whether one runs in L, as above; then the generator of a task that is seeded, or NULL. [-0, +0,
** -] */
bool ti_inline_executor_random(lua_State *L, struct ti_lua_random **rng);
/* Closes the places of ex in L. [-0, +0, m] */
void ti_inline_executor_close(lua_State *L, tide_executor *ex);

TI_INTERNAL_END

#endif
