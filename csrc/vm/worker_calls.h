/*
** vm/worker_calls: the calls that a worker begins and ends with.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_VM_WORKER_CALLS_H
#define TI_VM_WORKER_CALLS_H

#include <lua.h>

#include "util/message.h"
#include "luautil/lua_random.h"

TI_INTERNAL_BEGIN

/* Messages with an initializer or nil, a finalizer or nil, and the initializer's arguments. Each
** may be NULL. */
struct ti_worker_calls {
  const struct ti_message *both;  /* or the initializer alone */
  const struct ti_message *final; /* the finalizer alone */
  /* where the initializer's random numbers begin; NULL: anywhere */
  const struct ti_seeding *seeding;
};

/* Unpacks both, calls the initializer, and pushes the finalizer or nil. *what describes the current
** step, for the message if it raises. [-0, +1, e] */
void ti_worker_calls_run(lua_State *L, const struct ti_worker_calls *o,
                         struct ti_lua_random *random, const char **what);
/* Protected: (the step that failed as a light userdata of a C string, error value) -> a text of
** both. */
int ti_worker_calls_why(lua_State *L);

TI_INTERNAL_END

#endif
