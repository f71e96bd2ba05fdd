/*
** api/wait_hook: what a state does now and then while it waits.
**
** SPDX-License-Identifier: MIT
*/
#include "api/wait_hook.h"

#include <string.h>

#include "luautil/interrupt.h"

/* Seconds between two checks, and inside a task, which may be requested to stop. */
#define SLICE 0.1
#define WORKER_SLICE 0.02
/* Seconds for which a script can cancel tasks, or continue, after a hook ran. */
#define HOLD_TIME 1.0

void ti_wait_hook_start(struct ti_wait_hook *h, lua_State *L, struct ti_owner *o, bool ending) {
  ti_time until;
  h->L = L;
  h->worker = L != NULL && ti_worker_state_user(L) != NULL;
  h->main_hook = L != NULL ? lua_gethook(ti_owner_main_thread(L)) : NULL;
  h->hold_back = o != NULL && !h->worker ? &o->hold_back : NULL;
  if (h->hold_back == NULL) return;
  until = atomic_load_explicit(&h->hold_back->until, memory_order_relaxed);
  h->renew = ending && until != 0 && ti_clock_now() < until;
  if (!ending && until != 0) ti_hold_back_until(h->hold_back, 0);
  h->outer = atomic_load_explicit(&h->hold_back->waiting, memory_order_relaxed);
  atomic_store_explicit(&h->hold_back->hook, h->main_hook, memory_order_relaxed);
  atomic_store_explicit(&h->hold_back->waiting, true, memory_order_release);
}

void ti_wait_hook_end(struct ti_wait_hook *h) {
  if (h->hold_back != NULL)
    atomic_store_explicit(&h->hold_back->waiting, h->outer, memory_order_release);
  h->hold_back = NULL;
}

/* Returns whether the code that L's thread runs is requested to stop. */
static bool stop_requested(lua_State *L) {
  const struct ti_interrupt *interrupt = ti_interrupt_of(L);
  return interrupt != NULL && ti_stop_token_requested(interrupt->stop) != TIDE_OK;
}

ti_time ti_wait_hook_slice(const struct ti_wait_hook *h, ti_time deadline) {
  ti_time slice;
  if (h->L == NULL) return deadline;
  /* A task that catches the error and waits again must not sleep each time. */
  if (h->worker && stop_requested(h->L)) return 0;
  if (h->hold_back != NULL && h->renew)
    ti_hold_back_until(h->hold_back, ti_clock_deadline(HOLD_TIME));
  slice = ti_clock_deadline(h->worker ? WORKER_SLICE : SLICE);
  return slice < deadline ? slice : deadline;
}

/* lua.c's Ctrl-C sets a hook on the main thread of the state, to run at that thread's next step. If
** a coroutine waits, the main thread takes no step. */
static int call_main_hook(lua_State *L) {
  lua_Hook hook = lua_gethook(ti_owner_main_thread(L));
  lua_Debug ar;
  memset(&ar, 0, sizeof ar);
  ar.event = LUA_HOOKCOUNT;
  if (hook != NULL && lua_getstack(L, 0, &ar)) hook(L, &ar);
  return 0;
}

static int nothing(lua_State *L) {
  (void)L;
  return 0;
}

static int check_stop(lua_State *L) {
  ti_interrupt_check(L);
  return 0;
}

int ti_wait_hook_run(struct ti_wait_hook *h) {
  lua_State *L = h->L;
  lua_Hook hook;
  int status;
  if (L == NULL) return LUA_OK;
  if (ti_warnings_any()) {
    status = ti_owner_warn(L);
    if (status != LUA_OK) return status;
  }
  if (h->worker) {
    lua_pushcfunction(L, check_stop);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) return LUA_ERRRUN;
  }
  hook = lua_gethook(ti_owner_main_thread(L));
  if (hook == h->main_hook || hook == NULL) return LUA_OK;
  /* Any call runs a hook of the thread that makes it. */
  lua_pushcfunction(L, lua_gethook(L) == hook ? nothing : call_main_hook);
  /* Before the call, as the hook may remove itself, and threads would take tasks again. */
  ti_hold_back_until(h->hold_back, ti_clock_deadline(HOLD_TIME));
  status = lua_pcall(L, 0, 0, 0);
  if (status != LUA_OK) { /* the script has some time to cancel */
    ti_hold_back_until(h->hold_back, ti_clock_deadline(HOLD_TIME));
  } else { /* a hook that only observes, such as a profiler's: the queue continues */
    h->main_hook = lua_gethook(ti_owner_main_thread(L));
    if (h->hold_back != NULL)
      atomic_store_explicit(&h->hold_back->hook, h->main_hook, memory_order_relaxed);
    ti_hold_back_until(h->hold_back, 0);
  }
  return status;
}
