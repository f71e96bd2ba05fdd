/*
** tidepool, floor 3: owner, what belongs to one lua_State that submits and waits.
**
** Its mailbox, and the executors it adopted. The userdata in the registry is the sentinel:
** made before anything else of ours, finalised after everything else (Lua finalises in
** reverse order), it shuts those executors down and joins their threads. So no thread
** outlives the state, nor the module that the state is about to unload. A worker's state leaves the
** joining to the worker's executor (orphan.h).
**
** Only the state's own thread touches an owner, but for the mailbox (floor 1).
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_OWNER_H
#define TIDE_OWNER_H

#include "executor.h"
#include "mailbox.h"

TIDE_INTERNAL_BEGIN

/* What threads of a state's executors see of it: whether a hook waits to be run that was set while the state
** waits (Ctrl-C in lua.c). Then they take no more tasks, so that what the script does about it comes first. Lives
** as long as their threads, which are joined before the state is gone. Of states that are no worker's. */
struct hold {
  lua_State *main;        /* I */
  atomic_bool waiting;    /* A: the state sleeps, and has seen `hook` */
  _Atomic(lua_Hook) hook; /* A */
  _Atomic(sys_time)
      until; /* A: a hook is run, or has raised: tasks are held back until then; 0: not */
};
#define HOLD_TIME 1.0 /* seconds that a script has to cancel, or to go on */

struct owner {
  struct mailbox box;
  struct hold hold;
  bool open;                        /* box is usable: not yet finalised */
  struct tide_executor **executors; /* adopted; a pool reference held for each */
  size_t n, cap;
  size_t groups;             /* alive, made with this state */
  struct warnings *warnings; /* held: of its executors' workers, for this state; NULL: none yet */
  /* Once there are warnings: */
  lua_State *main;          /* the state's main thread */
  struct sys_thread thread; /* that the state is used on, as far as is known */
  struct owner *next;       /* lock of owner.c: in the list of those with warnings */
  bool told;                /* lock of owner.c: the program exits, and it was seen to */
};

/* In a child that was forked: it was the parent's. */
static inline bool tide_owner_lost(const struct owner *o) { return tide_mark_lost(&o->box.mark); }

/* L's owner, made on first use, in a child that was forked anew. NULL in a state that is closing and has finalised its own, and in
** a finalizer if there is none yet. [-0, +0, e] */
struct owner *tide_owner_of(lua_State *L);
/* The same, but none is made: NULL. L may be NULL. [-0, +0, -] */
struct owner *tide_owner_known(lua_State *L);
/* Adopts ex. [-0, +0, e] */
void tide_owner_adopt(lua_State *L, struct tide_executor *ex);

/* Gives out the warnings of tasks that wait for L, by its warn function. LUA_OK, or another status with what that raised
** on top. [-0, +(0|1), -] */
int tide_owner_warn(lua_State *L);
/* Whether threads take no more tasks for now. Any thread. */
bool tide_hold_on(const struct hold *hold);

/* A wait that looks at hooks: remembers the hook at its start. */
struct hookwatch {
  lua_State *L; /* NULL: no looking */
  bool worker;  /* L is a worker's: its task may be asked to stop */
  lua_Hook main_hook;
  struct hold *hold; /* NULL: nobody is held back */
  bool outer;        /* its `waiting` before: a hook's own code may wait */
  bool
      renew; /* tasks were held back when it began, and are to be until it ends, and HOLD_TIME more */
};
/* o: L's owner, or NULL. `ending`: the script is about to end, and does not go on: what is held back stays so. */
void tide_hook_start(struct hookwatch *h, lua_State *L, struct owner *o, bool ending);
void tide_hook_end(struct hookwatch *h);
/* When to wake up next: `deadline`, or a slice from now. */
sys_time tide_hook_slice(const struct hookwatch *h, sys_time deadline);
/* Runs a hook that was set since. LUA_OK, or another status with the error on top.
** [-0, +(0|1), -] */
int tide_hook_run(struct hookwatch *h);

TIDE_INTERNAL_END

#endif
