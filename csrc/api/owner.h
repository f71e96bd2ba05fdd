/*
** api/owner: what belongs to one lua_State that submits and waits.
**
** Its mailbox, and the executors it adopted. The userdata in the registry is the sentinel:
** made before anything else of ours, finalised after everything else (Lua finalises in
** reverse order), it shuts those executors down and joins their threads. So no thread
** outlives the state, nor the module that the state is about to unload. A worker's state leaves the
** joining to the worker's executor (child_executor.h).
**
** Only the state's own thread touches an owner, but for the mailbox (floor 1).
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_OWNER_H
#define TI_API_OWNER_H

#include "api/executor.h"
#include "sched/waiter.h"
#include "platform/clock.h"
#include "platform/thread.h"

TI_INTERNAL_BEGIN

/* What threads of a state's executors see of it: whether a hook waits to be run that was set while
** the state waits (Ctrl-C in lua.c). Then they take no more tasks, so that what the script does
** about it comes first. Lives as long as their threads, which are joined before the state is gone.
** Of states that are no worker's. */
struct ti_owner_hold {
  lua_State *main;        /* I */
  atomic_bool waiting;    /* A: the state sleeps, and has seen `hook` */
  _Atomic(lua_Hook) hook; /* A */
  _Atomic(ti_time)
      until; /* A: a hook is run, or has raised: tasks are held back until then; 0: not */
};
#define HOLD_TIME 1.0 /* seconds that a script has to cancel, or to go on */

struct ti_owner {
  struct ti_waiter box;
  struct ti_owner_hold hold;
  bool open;                        /* box is usable: not yet finalised */
  struct tide_executor **executors; /* adopted; a pool reference held for each */
  size_t n, cap;
  size_t groups; /* alive, made with this state */
  struct ti_warnings
      *warnings; /* held: of its executors' workers, for this state; NULL: none yet */
  /* Once there are warnings: */
  lua_State *main;         /* the state's main thread */
  struct ti_thread thread; /* that the state is used on, as far as is known */
  struct ti_owner *next;   /* lock of owner.c: in the list of those with warnings */
  bool told;               /* lock of owner.c: the program exits, and it was seen to */
};

/* In a child that was forked: it was the parent's. */
static inline bool ti_owner_forked(const struct ti_owner *o) {
  return ti_fork_guard_forked(&o->box.fork_guard);
}

/* L's owner, made on first use, in a child that was forked anew. NULL in a state that is closing
** and has finalised its own, and in a finalizer if there is none yet. [-0, +0, e] */
struct ti_owner *ti_owner_of(lua_State *L);
/* The same, but none is made: NULL. L may be NULL. [-0, +0, -] */
struct ti_owner *ti_owner_known(lua_State *L);
/* Adopts ex. [-0, +0, e] */
void ti_owner_adopt(lua_State *L, struct tide_executor *ex);

/* Gives out the warnings of tasks that wait for L, by its warn function. LUA_OK, or another status
** with what that raised on top. [-0, +(0|1), -] */
int ti_owner_warn(lua_State *L);
/* Whether threads take no more tasks for now. Any thread. */
bool ti_owner_hold_on(const struct ti_owner_hold *hold);

/* A wait that looks at hooks: remembers the hook at its start. */
struct ti_owner_hookwatch {
  lua_State *L; /* NULL: no looking */
  bool worker;  /* L is a worker's: its task may be asked to stop */
  lua_Hook main_hook;
  struct ti_owner_hold *hold; /* NULL: nobody is held back */
  bool outer;                 /* its `waiting` before: a hook's own code may wait */
  bool
      /* tasks were held back when it began, and are to be until it ends, and HOLD_TIME more */
      renew;
};
/* o: L's owner, or NULL. `ending`: the script is about to end, and does not go on: what is held
** back stays so. */
void ti_owner_hook_start(struct ti_owner_hookwatch *h, lua_State *L, struct ti_owner *o,
                         bool ending);
void ti_owner_hook_end(struct ti_owner_hookwatch *h);
/* When to wake up next: `deadline`, or a slice from now. */
ti_time ti_owner_hook_slice(const struct ti_owner_hookwatch *h, ti_time deadline);
/* Runs a hook that was set since. LUA_OK, or another status with the error on top.
** [-0, +(0|1), -] */
int ti_owner_hook_run(struct ti_owner_hookwatch *h);

TI_INTERNAL_END

#endif
