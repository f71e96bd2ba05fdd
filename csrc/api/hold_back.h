/*
** api/hold_back: holding back queued tasks while a hook is about to run in the state that waits.
**
** A signal handler, such as that of lua.c for Ctrl-C, sets a hook on a state that waits. Until the
** hook has run, the pool threads of the state's executors take no more tasks, so the script can
** cancel them first. This also holds for a short time after the hook raised an error.
**
** One lives in each owner of a state that is no worker's. Its executors' threads read it. They are
** joined before the state closes.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_HOLD_BACK_H
#define TI_API_HOLD_BACK_H

#include <lua.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "platform/clock.h"
#include "platform/compiler.h"

TI_INTERNAL_BEGIN

struct ti_hold_back {
  lua_State *main;        /* I: the state's main thread */
  atomic_bool waiting;    /* A: the state waits, and `hook` is set */
  _Atomic(lua_Hook) hook; /* A: the main thread's hook when the wait began */
  _Atomic(ti_time) until; /* A: tasks are held back until then; 0: they are not */
};

void ti_hold_back_init(struct ti_hold_back *h, lua_State *main);

/* Returns whether pool threads take no tasks now. Any thread; takes no lock and calls nothing that
** does. */
bool ti_hold_back_active(const struct ti_hold_back *h);

/* Holds tasks back until that time; 0: no longer. h may be NULL. Other threads see it a little
** later, which does no harm. */
void ti_hold_back_until(struct ti_hold_back *h, ti_time until);

TI_INTERNAL_END

#endif
