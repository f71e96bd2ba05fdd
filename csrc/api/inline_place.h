/*
** api/inline_place: what stands for a worker in an executor without threads.
**
** Such an executor has a place in each state that submits to it. A place has globals of its own;
** for a name that it lacks it reads the state's global. The initializer runs when the place is
** opened, at its first task, and the finalizer when it is closed. A task that submits to its own
** executor uses the next place, just as a worker uses a nested worker.
**
** A place is entered while its initializer, a task or its finalizer runs. The state's globals are
** those of the place then, and so are the codec state's notes of what came with messages.
**
** Only the state's own thread uses its places. On the stack a place is a table.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_INLINE_PLACE_H
#define TI_API_INLINE_PLACE_H

#include "api/inline_run.h"

TI_INTERNAL_BEGIN

/* How many stack slots an entered place takes. */
enum { TI_INLINE_PLACE_SLOTS = 6 };

/* Makes the table of places, before the first of the functions below. [-0, +0, m] */
void ti_inline_place_prepare(lua_State *L);

/* Pushes the place for the next task of r's executor, and opens it if it is new. Returns TIDE_OK;
** or TIDE_EERROR with an error on top, which fails only this task; TIDE_EBROKEN if it broke the
** executor; TIDE_ENOMEM. After one of these the caller resets the stack. [-0, +(1|?), -] */
int ti_inline_place_open_next(lua_State *L, struct ti_inline_run *r);

/* Begins the run r in the place at idx, and enters the place. [-0, +TI_INLINE_PLACE_SLOTS, -] */
void ti_inline_place_enter(lua_State *L, struct ti_inline_run *r, int idx);
/* Ends it. What _enter pushed is on top. [-TI_INLINE_PLACE_SLOTS, +0, -] */
void ti_inline_place_leave(lua_State *L, const struct ti_inline_run *r);

/* Counts a task that ran in the place of ex at idx. Closes the place after max_tasks_per_worker of
** them. Errors of the finalizer are warnings. [-0, +0, m] */
void ti_inline_place_end_task(lua_State *L, tide_executor *ex, int idx);

/* Closes all places of ex in L. Errors of finalizers are warnings. [-0, +0, m] */
void ti_inline_place_close(lua_State *L, tide_executor *ex);

TI_INTERNAL_END

#endif
