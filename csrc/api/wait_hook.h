/*
** api/wait_hook: what a state does now and then while it waits.
**
** A wait with a lua_State sleeps in slices. Between two of them it gives out warnings, stops if the
** task that waits is requested to, and runs a hook that was set since the wait began. A hook set by
** a signal handler (Ctrl-C in lua.c) would otherwise run only when the wait is over.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_WAIT_HOOK_H
#define TI_API_WAIT_HOOK_H

#include "api/owner.h"

TI_INTERNAL_BEGIN

/* One wait, in the frame of the function that waits. */
struct ti_wait_hook {
  lua_State *L;                   /* NULL: nothing is done */
  bool worker;                    /* L is a worker's state, whose task may be requested to stop */
  lua_Hook main_hook;             /* the main thread's, already run or set before the wait */
  struct ti_hold_back *hold_back; /* the owner's; NULL: none, or it ended */
  bool outer;                     /* its `waiting` before: code of a hook may wait, too */
  bool renew;                     /* tasks are held back until the wait ends, and a little longer */
};

/* Begins a wait. L and its owner `o` may be NULL. `ending`: the script is about to end; tasks that
** are held back stay so. */
void ti_wait_hook_start(struct ti_wait_hook *h, lua_State *L, struct ti_owner *o, bool ending);
/* Ends it. May be called twice. */
void ti_wait_hook_end(struct ti_wait_hook *h);

/* Returns when to wake up next: at the deadline, or after a slice. */
ti_time ti_wait_hook_slice(const struct ti_wait_hook *h, ti_time deadline);

/* Does what is due. Returns LUA_OK, or another status with the error on top. [-0, +(0|1), -] */
int ti_wait_hook_run(struct ti_wait_hook *h);

TI_INTERNAL_END

#endif
