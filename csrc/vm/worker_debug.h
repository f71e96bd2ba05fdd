/*
** vm/worker_debug: a worker's hooks, collector settings and protected calls.
**
** debug.sethook and collectgarbage do what Lua's own do, and note what a task changes. When it has
** ended, everything is as it was after open_state and the initializer. What C code changes by
** lua_sethook or lua_gc itself is not noted, except the main coroutine's hook and a stopped
** collector. pcall, xpcall and load raise again in a task that was stopped for good (interrupt.h).
**
** Threads: the worker's own.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_VM_WORKER_DEBUG_H
#define TI_VM_WORKER_DEBUG_H

#include <lua.h>

#include "luautil/interrupt.h"

TI_INTERNAL_BEGIN

struct ti_worker_debug {
  struct ti_interrupt *interrupt;              /* I */
  lua_CFunction sethook, collectgarbage, load; /* I: Lua's own; NULL: none */
  bool opened;                                 /* what is set from now on ends with its task */
  bool hooked;                                 /* the task called debug.sethook */
  bool collector;                              /* the task changed the collector's settings */
  bool running;                                /* the collector ran when the state was opened */
  bool generational_sizes, step_size;          /* the task gave these */
  int mode, pause, stepmul;                    /* as before the task; mode -1: not changed */
  int minor, major, step;                      /* as after the state was opened */
};

/* Replaces these functions in L. d must outlive L. [-0, +0, m] */
void ti_worker_debug_open(lua_State *L, struct ti_worker_debug *d, struct ti_interrupt *h);
/* Notes that the state is open: what a task sets from now on ends with it. [-0, +0, -] */
void ti_worker_debug_opened(lua_State *L, struct ti_worker_debug *d);
/* Restores what the last task changed. Returns false if there was no memory for that.
** [-0, +0, -] */
bool ti_worker_debug_reset(lua_State *L, struct ti_worker_debug *d);

TI_INTERNAL_END

#endif
