/*
** api/owner: what belongs to one lua_State that submits and waits.
**
** An owner has the waiter on which the state sleeps, and the executors that the state adopted. It
** is a userdata in the registry, the sentinel. It is made before anything else of the library but
** the codec state, and Lua finalises userdata in reverse order. So the sentinel's finalizer shuts
** those executors down and joins their threads when futures, groups and handles are gone. No thread
** outlives the state, nor the module that the state is about to unload.
**
** Only the state's own thread uses an owner. The waiter and `hold_back` are shared with other
** threads.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_OWNER_H
#define TI_API_OWNER_H

#include "api/adopted.h"
#include "api/executor.h"
#include "api/hold_back.h"
#include "api/owner_warnings.h"
#include "sched/waiter.h"

TI_INTERNAL_BEGIN

struct ti_owner {
  struct ti_waiter waiter;
  struct ti_hold_back hold_back;
  struct ti_adopted adopted;
  struct ti_owner_warnings warnings;
  size_t groups; /* alive, made with this state */
  bool open;     /* not yet finalised: the waiter can be used */
};

/* Returns L's owner. Makes it on first use, and anew in a forked child. Returns NULL in a state
** that closes and has finalised its owner, and in a finalizer if there is none yet. [-0, +0, e] */
struct ti_owner *ti_owner_of(lua_State *L);

/* Returns L's owner, or NULL if there is none that can be used. L may be NULL. [-0, +0, -] */
struct ti_owner *ti_owner_known(lua_State *L);

/* Returns the main thread of L's state. [-0, +0, -] */
lua_State *ti_owner_main_thread(lua_State *L);

/* Gives out the warnings that are queued for L. Returns LUA_OK, or another status with the error of
** the warn function on top. [-0, +(0|1), -] */
int ti_owner_warn(lua_State *L);

TI_INTERNAL_END

#endif
