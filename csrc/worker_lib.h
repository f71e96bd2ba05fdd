/*
** tidepool, floor 2: worker_lib, what Lua's libraries do differently in a worker.
**
** print writes each line with one write; os.exit raises; os.execute leaves the process' signals
** alone.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_WORKER_LIB_H
#define TIDE_WORKER_LIB_H

#include <lua.h>

#include "internal.h"

TIDE_INTERNAL_BEGIN

/* Replaces them in L. [-0, +0, m] */
void tide_worker_lib_open(lua_State *L);

TIDE_INTERNAL_END

#endif
