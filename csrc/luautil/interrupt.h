/*
** luautil/interrupt: ending the task that a state runs, from outside or at its memory limit.
**
** Before a request no hook is set and no timer runs. When a task is requested to stop
** (stop_token.h) a signal handler on its thread sets a count hook on the running coroutine, and the
** hook raises. lua.c does the same for Ctrl-C. The worker's coroutine library (worker_coroutine.c)
** notes which coroutine runs, for the handler. Code that catches the error and continues is stopped
** again. The phases:
**
**   REQUESTED    the hook raises at the next instruction -> CAUGHT
**   OVER_LIMIT   at a memory limit: Lua raises "not enough memory" first; then as CAUGHT -> CAUGHT
**   CAUGHT       the hook raises after INTERRUPT_GRACE instructions, in which handlers can tidy up
**                -> FINAL
**   FINAL        the hook raises at each instruction
**
** A task cannot evade this. Its debug.sethook does nothing once it was requested to end
** (worker_debug.c). A hook that C code removes is set again by the next signal, for FINAL.
** Coroutines count their instructions separately, but after some hooks each further one has fewer.
**
** Lua calls no hook in finalizers, in hooks, and in message handlers of an error that a hook
** raised. Each coroutine has a flag for that. find_flag finds its place by comparing a coroutine
** before, inside and after a hook, and the signal handler sets the flag to 1. If the place is not
** found, code there cannot be stopped. A protected call that fails sets the flag back, so in phase
** FINAL the worker's pcall raises again (ti_interrupt_again).
**
** Threads: the worker's own, which shares the fields marked H with its signal handler.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_LUAUTIL_INTERRUPT_H
#define TI_LUAUTIL_INTERRUPT_H

#include <lua.h>

#include "sched/stop_token.h"

TI_INTERNAL_BEGIN

enum ti_interrupt_phase {
  INTERRUPT_REQUESTED,
  INTERRUPT_OVER_LIMIT,
  INTERRUPT_CAUGHT,
  INTERRUPT_FINAL
};

struct ti_interrupt {
  struct ti_stop_token *stop; /* I: the worker's */
  lua_State *_Atomic running; /* A, H: the coroutine that runs; NULL: no task runs */
  lua_State *main;            /* I */
  unsigned flag;              /* I: the place of the flag in a lua_State; 0: unknown */
  atomic_int phase;           /* A, H: enum ti_interrupt_phase */
  atomic_int
      /* A, H: signals that may still find a finalizer running and are ignored */
      finalizer_signals;
  lua_State *volatile hooked;       /* H: the coroutine whose hook was set last */
  volatile int nhooks;              /* H: hooks set in this phase */
  atomic_bool stopped_in_finalizer; /* A, H */
};

/* Prepares a new state, before any object with a finalizer exists. h must outlive the state.
** [-0, +0, m] */
void ti_interrupt_open(struct ti_interrupt *h, lua_State *L, struct ti_stop_token *stop);
/* Returns that of a state, or NULL. [-0, +0, -] */
struct ti_interrupt *ti_interrupt_of(lua_State *L);

/* Begins a section in which Lua code of others runs: from now on it can be stopped. */
void ti_interrupt_begin(struct ti_interrupt *h);
/* Ends the section: a signal does nothing from now on. Hooks may still be set. */
void ti_interrupt_end(struct ti_interrupt *h);

/* Collects all garbage of a state whose task was stopped, files and sockets among it. Finalizers
** may take some 50 ms together; those that still run then are stopped as a task is. No hook is set
** afterwards. */
void ti_interrupt_collect(struct ti_interrupt *h);

/* Requests the running task to end since it needs more memory than its limit (memory_limit.h).
** Returns whether it was not requested before. On the worker's thread, also from its allocator:
** calls nothing in Lua that allocates. */
bool ti_interrupt_exceeded(struct ti_interrupt *h);

/* Raises the error of a task that was requested to end; does nothing otherwise. For waits.
** [-0, +0, e] */
void ti_interrupt_check(lua_State *L);

/* Raises the error again if L's task is in phase FINAL, after a protected call that failed.
** [-0, +0, e] */
void ti_interrupt_again(lua_State *L);

/* Returns the message for a kind. */
const char *ti_interrupt_words(int kind);

/* Notes that `co` runs from now on. Returns what `leave` needs. */
lua_State *ti_interrupt_enter(struct ti_interrupt *h, lua_State *co);
void ti_interrupt_leave(struct ti_interrupt *h, lua_State *before);

TI_INTERNAL_END

#endif
