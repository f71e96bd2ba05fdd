/*
** api/owner_warnings: giving out, in a state, the warnings of its executors' workers.
**
** Workers queue their warnings (sched/warnings.h). The state's own thread gives them to the state's
** warn function: while it waits, when it closes, and when the program ends by exit().
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_OWNER_WARNINGS_H
#define TI_API_OWNER_WARNINGS_H

#include <lua.h>
#include <stdbool.h>

#include "platform/fork_guard.h"
#include "platform/thread.h"
#include "sched/warnings.h"

TI_INTERNAL_BEGIN

/* Part of an owner. All zeros: there is no queue yet, and nothing to close. */
struct ti_owner_warnings {
  struct ti_warnings *queue; /* held; NULL: none yet */
  /* Once there is a queue: */
  lua_State *main;                   /* the state's main thread */
  struct ti_thread thread;           /* that opened it; taken for the state's own thread at exit */
  const struct ti_fork_guard *guard; /* the owner's */
  struct ti_owner_warnings *next;    /* exit_lock: in the list of all that have a queue */
  bool given_at_exit;                /* exit_lock: the program exits, and these were given out */
};

/* Makes the queue if there is none. Returns false if out of memory. */
bool ti_owner_warnings_open(struct ti_owner_warnings *w, lua_State *main,
                            const struct ti_fork_guard *guard);

/* Gives out what is queued now, but not what comes meanwhile. Returns LUA_OK, or another status
** with the error of the warn function on top. Needs 4 free stack slots. [-0, +(0|1), -] */
int ti_owner_warnings_give(lua_State *L, const struct ti_owner_warnings *w);

/* Gives out what is left when no worker can add more, and releases the queue. [-0, +0, -] */
void ti_owner_warnings_close(lua_State *L, struct ti_owner_warnings *w);

/* In a forked child: makes exit() pass over these. */
void ti_owner_warnings_forget(struct ti_owner_warnings *w);

TI_INTERNAL_END

#endif
