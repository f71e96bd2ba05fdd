/*
** tidepool, floor 2: worker_lib, what Lua's libraries do differently in a worker.
**
** print writes each line with one write; os.exit raises; warn is as in other states.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_WORKER_LIB_H
#define TIDE_WORKER_LIB_H

#include <lua.h>

#include <stdbool.h>

#include "internal.h"

TIDE_INTERNAL_BEGIN

struct worker_warn {
  bool on;   /* as warn("@on") and warn("@off") say */
  bool open; /* a message has begun whose other parts are still to come */
};

/* A lua_WarnFunction that does what the one of luaL_newstate does; `warn` is a worker_warn. */
void tide_worker_warn(void *warn, const char *message, int more);

/* Replaces them in L. [-0, +0, m] */
void tide_worker_lib_open(lua_State *L);

TIDE_INTERNAL_END

#endif
