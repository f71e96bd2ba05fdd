/*
** tidepool, floor 2: worker_co, the coroutine library of a worker.
**
** resume, wrap and close do what Lua's own do, and note which coroutine runs meanwhile, so that a
** task can be stopped inside it (halt.h). Coroutines that C code resumes by itself are not noted: a task
** is stopped there only when they yield or end.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_WORKER_CO_H
#define TIDE_WORKER_CO_H

#include <lua.h>

#include "halt.h"

TIDE_INTERNAL_BEGIN

/* Replaces these functions in the global `coroutine`, if there is such a table. [-0, +0, m] */
void tide_worker_co_open(lua_State *L, struct halt *h);

TIDE_INTERNAL_END

#endif
