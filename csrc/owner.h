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

struct owner {
  struct mailbox box;
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
/* Adopts ex. [-0, +0, e] */
void tide_owner_adopt(lua_State *L, struct tide_executor *ex);

/* Gives out the warnings of tasks that wait for L, by its warn function. LUA_OK, or another status with what that raised
** on top. [-0, +(0|1), -] */
int tide_owner_warn(lua_State *L);

/* A wait that looks at hooks: remembers the hook at its start. */
struct hookwatch {
  lua_State *L; /* NULL: no looking */
  bool worker;  /* L is a worker's: its task may be asked to stop */
  lua_Hook main_hook;
};
void tide_hook_start(struct hookwatch *h, lua_State *L);
/* When to wake up next: `deadline`, or a slice from now. */
sys_time tide_hook_slice(const struct hookwatch *h, sys_time deadline);
/* Runs a hook that was set since. LUA_OK, or another status with the error on top.
** [-0, +(0|1), -] */
int tide_hook_run(const struct hookwatch *h);

TIDE_INTERNAL_END

#endif
