/*
** vm/worker_coroutine: the coroutine library of a worker.
**
** resume, wrap and close do what Lua's own do, and note which coroutine runs meanwhile, so that a
** task can be stopped inside it (interrupt.h). Coroutines that C code resumes by itself are not
** noted: a task is stopped there only when they yield or end.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_VM_WORKER_COROUTINE_H
#define TI_VM_WORKER_COROUTINE_H

#include <lua.h>

#include "luautil/interrupt.h"

TI_INTERNAL_BEGIN

/* Replaces these functions in the global `coroutine`, if there is such a table. [-0, +0, m] */
void ti_worker_coroutine_open(lua_State *L, struct ti_interrupt *h);

TI_INTERNAL_END

#endif
