/*
** luautil/interrupt: ending the task that a state runs, from outside or at its memory limit.
**
** Nothing is armed while a task runs undisturbed. When it is asked to stop (stop_token.h), a signal
** handler on its own thread sets a count hook on the coroutine that runs, as lua.c does for Ctrl-C,
** and the hook raises. So that the handler knows this coroutine, the worker's coroutine library
** (worker_coroutine.c) notes it. Code that catches the error and carries on is stopped again
** (`phase`):
**
**   ASKED: at the next instruction -> CAUGHT: after INTERRUPT_GRACE instructions, in which handlers
**   can tidy up -> FINAL: from then on at every instruction
**   OVERDRAWN, at a memory limit: Lua raises "not enough memory" first; then as CAUGHT -> CAUGHT
**
** A task cannot get out of this. Its debug.sethook does nothing once it was asked to end
** (worker_debug.c). A hook that C code takes away is set again by the next signal, for FINAL.
** Coroutines count for themselves, but after some they have less and less.
**
** Lua calls no hook in finalizers, in hooks, and in the message handlers of an error that a hook
** raised. It keeps that as a flag in each coroutine, which `find` finds by looking at what changes
** around a hook; the handler sets it to 1. Where it is not found, these cannot be stopped. A
** protected call that fails sets the flag back, so in phase FINAL the worker's pcall raises again
** (ti_interrupt_again).
**
** Worker only, but for `stop`.
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
  lua_State *_Atomic running; /* A: the coroutine that runs; the handler's. NULL: no task does */
  lua_State *main;            /* I */
  unsigned flag;              /* I: where in a lua_State the flag is; 0: unknown */
  atomic_int phase;           /* A: enum ti_interrupt_phase; the handler's too */
  atomic_int
      finalizer_signals; /* A: signals that may still find a finalizer running; the handler's too */
  lua_State *volatile hooked;       /* the coroutine whose hook was set last; the handler's too */
  volatile int nhooks;              /* how many hooks were set in this phase; the handler's too */
  atomic_bool stopped_in_finalizer; /* A: stopped in one; the handler's too */
};

/* For a new state, before anything with a finalizer is in it. h must outlive it. [-0, +0, m] */
void ti_interrupt_open(struct ti_interrupt *h, lua_State *L, struct ti_stop_token *stop);
/* That of a state, or NULL. [-0, +0, -] */
struct ti_interrupt *ti_interrupt_of(lua_State *L);

/* Around all in which Lua code of others runs: from now on `L` runs, and can be stopped. */
void ti_interrupt_begin(struct ti_interrupt *h);
/* Nothing runs any more: a signal does nothing. Hooks may be armed still. */
void ti_interrupt_end(struct ti_interrupt *h);

/* Collects all garbage of a state whose task was stopped: its files and sockets. Finalizers may
** take some 50 ms together; those that still run then are stopped like a task. No hook is set
** afterwards. */
void ti_interrupt_collect(struct ti_interrupt *h);

/* The task that runs needs more memory than its limit (memory_limit.h): asks it to end. Returns
** whether it was not asked before. On the worker's own thread, also from its allocator: calls
** nothing in Lua that allocates. */
bool ti_interrupt_exceeded(struct ti_interrupt *h);

/* Raises the error of a task that was asked to end; nothing if it was not: for waits. [-0, +0,
** e] */
void ti_interrupt_check(lua_State *L);

/* Raises the error again if L's task is in phase FINAL, for protected calls that failed. [-0,
** +0, e] */
void ti_interrupt_again(lua_State *L);

/* The words for a kind. */
const char *ti_interrupt_words(int kind);

/* co runs from now on; the answer is for `leave`. */
lua_State *ti_interrupt_enter(struct ti_interrupt *h, lua_State *co);
void ti_interrupt_leave(struct ti_interrupt *h, lua_State *before);

TI_INTERNAL_END

#endif
