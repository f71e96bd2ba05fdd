/*
** api/owner: what belongs to one lua_State that submits and waits.
**
** SPDX-License-Identifier: MIT
*/
#include "api/owner.h"

#include <lauxlib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "luautil/error.h"
#include "luautil/interrupt.h"
#include "api/inline_executor.h"
#include "api/child_executor.h"
#include "codec/codec_state.h"
#include "platform/byte_lock.h"
#include "platform/clock.h"
#include "platform/mutex.h"
#include "platform/signal.h"
#include "platform/thread.h"

static const char registry_key = 0;

static lua_State *main_state(lua_State *L) {
  lua_State *main;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return main;
}

/* An adopted executor that nobody can use or see any more. */
static bool is_spent(struct tide_executor *ex) {
  struct ti_pool_stats st;
  ti_child_executor_trim(ex); /* one may have a handle of it */
  if (atomic_load_explicit(&ex->handles, memory_order_acquire) > 0) return false;
  ti_pool_stats(ex->pool, &st);
  return st.tasks == 0 && ti_child_executor_wait(ex, 0) == TIDE_OK;
}

/* Lets go of spent executors, so that a script may make any number of them. */
static void reap(struct ti_owner *o) {
  size_t kept = 0;
  for (size_t i = 0; i < o->n; i++) {
    if (is_spent(o->executors[i]))
      ti_pool_release(o->executors[i]->pool); /* frees it */
    else
      o->executors[kept++] = o->executors[i];
  }
  o->n = kept;
}

/* Tasks of ex and its orphans that were asked to end, and cannot be reached by any signal,
** while nothing else runs. */
static size_t unreachable(tide_executor *ex) {
  struct ti_pool_stats st;
  tide_executor *orphan;
  size_t last = 0, n = ti_pool_cancel_unreachable(ex->pool);
  ti_pool_stats(ex->pool, &st);
  if (st.running > n) return 0;
  while ((orphan = ti_child_executor_next(ex, &last)) != NULL) {
    n += unreachable(orphan);
    ti_pool_release(orphan->pool);
  }
  return n;
}

/* How long an end waits for tasks that cannot be reached, but may ask whether they shall end. */
#define PATIENCE ((ti_time)2 * 1000 * 1000 * 1000)

/* An end that takes long: says for what. */
static void tell_of_tasks(lua_State *L, tide_executor *ex) {
  char names[256], text[512];
  int n = tide_executor_running(ex, names, sizeof names);
  if (n == 0) return;
  snprintf(text, sizeof text,
           "tidepool: the script ends, and waits for %d running task%s of %s (%s); those of an "
           "executor with daemon = true are interrupted, as by shutdown { interrupt = true }",
           n, n == 1 ? "" : "s", tide_executor_name(ex), names);
  lua_warning(L, text, 0);
}

/* Waits for the end of ex, which is closed. False: it was to be interrupted, and will never
** end, as the program has all signals by which its tasks could be stopped. Its threads go on,
** and need all that is theirs. */
static bool await_end(lua_State *L, tide_executor *ex) {
  ti_time since = 0;
  bool interrupted;
  size_t n = 0;
  if (ti_inline_executor_running(L, ex))
    return true; /* a task on this very thread, which closes the state: os.exit */
  ti_mutex_lock(&ex->lock);
  interrupted = (ex->closed & TIDE_SHUTDOWN_INTERRUPT) != 0;
  ti_mutex_unlock(&ex->lock);
  if (ti_child_executor_wait(ex, ti_clock_deadline(TI_PATIENCE)) != TIDE_ETIMEOUT) return true;
  tell_of_tasks(L, ex);
  while (n == 0 || ti_clock_now() - since < PATIENCE || !ti_signal_stay_loaded()) {
    ti_time deadline = interrupted ? ti_clock_deadline(TI_SLICE) : TI_CLOCK_NEVER;
    if (ti_child_executor_wait(ex, deadline) != TIDE_ETIMEOUT) return true;
    n = unreachable(ex);
    if (n == 0 || since == 0) since = ti_clock_now();
  }
  lua_pushfstring(
      L,
      "tidepool: %d task(s) of %s cannot be stopped, as the program has taken all signals for "
      "that: they are left running",
      (int)n, tide_executor_name(ex));
  lua_warning(L, lua_tostring(L, -1), 0);
  lua_pop(L, 1);
  return false;
}

/* ----------------------------------------------------------------- warnings -- */

/* Protected: (text): a host's warn function may raise. */
static int warn(lua_State *L) {
  lua_warning(L, (const char *)lua_touserdata(L, 1), 0);
  return 0;
}

static int say(lua_State *L, char *text) {
  lua_pushcfunction(L, warn);
  lua_pushlightuserdata(L, text);
  return lua_pcall(L, 1, 0, 0);
}

/* Gives out what is queued now; what comes meanwhile is for the next time. LUA_OK, or another
** status with the error on top. [-0, +(0|1), -], with 4 free slots */
static int give_out(lua_State *L, struct ti_warnings *w) {
  struct ti_warning *one;
  size_t queued, left_out, more = SIZE_MAX;
  int status = LUA_OK;
  while (status == LUA_OK && more > 0 && (one = ti_warnings_take(w, &queued, &left_out)) != NULL) {
    more = more == SIZE_MAX ? queued : more - 1;
    status = say(L, one->text);
    ti_warnings_free(one);
  }
  if (status == LUA_OK && more == SIZE_MAX && left_out > 0) {
    char text[128];
    snprintf(text, sizeof text,
             "tidepool: %llu more warnings of tasks were left out: too many waited",
             (unsigned long long)left_out);
    status = say(L, text);
  }
  return status;
}

int ti_owner_warn(lua_State *L) {
  struct ti_owner *o = NULL;
  if (!ti_warnings_any() || !lua_checkstack(L, 4)) return LUA_OK;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key) == LUA_TUSERDATA)
    o = (struct ti_owner *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (o == NULL || !o->open || o->warnings == NULL || ti_owner_forked(o)) return LUA_OK;
  return give_out(L, o->warnings);
}

void tide_warnings(lua_State *L) {
  if (ti_owner_warn(L) != LUA_OK) lua_error(L);
}

/* The owners with warnings. The lock is a leaf, held for a few instructions. */
static struct ti_byte_lock exit_lock;
static struct ti_owner *exit_owners; /* exit_lock */
static bool exit_registered;         /* exit_lock */

/* The next one of this thread that was not seen to, or NULL. No other thread closes its state. */
static struct ti_owner *next_untold(void) {
  struct ti_owner *o;
  ti_byte_lock_lock(&exit_lock);
  for (o = exit_owners; o != NULL && (o->told || !ti_thread_is_self(&o->thread));) o = o->next;
  if (o != NULL) o->told = true;
  ti_byte_lock_unlock(&exit_lock);
  return o;
}

/* The program ends by exit(), perhaps without closing its states, as os.exit does: what is queued
** for those of this thread is given out now. Nothing is called in Lua but their warn functions. */
static void at_exit(void) {
  struct ti_owner *o;
  while ((o = next_untold()) != NULL) {
    struct ti_warning *one;
    size_t queued, left_out;
    if (ti_owner_forked(o)) continue;
    while ((one = ti_warnings_take(o->warnings, &queued, &left_out)) != NULL) {
      lua_warning(o->main, one->text, 0);
      ti_warnings_free(one);
    }
  }
}

/* o has a queue now. */
static void enlist(struct ti_owner *o, lua_State *main) {
  bool first;
  o->main = main;
  o->thread = ti_thread_self();
  ti_byte_lock_lock(&exit_lock);
  o->next = exit_owners;
  exit_owners = o;
  first = !exit_registered;
  exit_registered = true;
  ti_byte_lock_unlock(&exit_lock);
  /* The handler must not go before the program ends. Without memory for it an exit says nothing. */
  if (first && ti_signal_stay_loaded()) (void)atexit(at_exit);
}

static void delist(struct ti_owner *o) {
  struct ti_owner **p;
  ti_byte_lock_lock(&exit_lock);
  for (p = &exit_owners; *p != NULL && *p != o;) p = &(*p)->next;
  if (*p != NULL) *p = o->next;
  ti_byte_lock_unlock(&exit_lock);
}

/* The sentinel's finaliser. */
static int owner_gc(lua_State *L) {
  struct ti_owner *o = (struct ti_owner *)lua_touserdata(L, 1);
  tide_executor *home = tide_current_executor(L); /* whose worker closes this state; or NULL */
  if (!o->open) return 0;
  o->open = false;
  if (ti_owner_forked(o)) { /* those threads are not here, nor is what they left usable */
    if (o->warnings != NULL) delist(o);
    return 0;
  }
  for (size_t i = 0; i < o->n; i++) {
    atomic_store_explicit(&o->executors[i]->hold, NULL, memory_order_relaxed);
    ti_executor_close(o->executors[i], o->executors[i]->daemon ? TIDE_SHUTDOWN_INTERRUPT : 0);
  }
  if (home != NULL && ti_pool_forked(home->pool)) home = NULL; /* nobody waits for that here */
  for (size_t i = 0; i < o->n; i++) {
    if (home != NULL) {
      ti_child_executor_give(home, o->executors[i]);
    } else {
      if (await_end(L, o->executors[i])) ti_pool_release(o->executors[i]->pool);
    }
  }
  if (o->warnings != NULL) { /* no worker is left */
    delist(o);
    ti_warnings_close(o->warnings);
    if (lua_checkstack(L, 4) && give_out(L, o->warnings) != LUA_OK) lua_pop(L, 1);
    ti_warnings_release(o->warnings);
    o->warnings = NULL;
  }
  ti_alloc_free(&ti_alloc_default, o->executors, o->cap * sizeof *o->executors);
  o->executors = NULL;
  o->n = o->cap = 0;
  ti_fork_guard_fini(&o->box.fork_guard);
  ti_waiter_fini(&o->box);
  return 0;
}

struct ti_owner *ti_owner_known(lua_State *L) {
  struct ti_owner *o;
  if (L == NULL) return NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
  o = (struct ti_owner *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  return o != NULL && o->open && !ti_owner_forked(o) ? o : NULL;
}

struct ti_owner *ti_owner_of(lua_State *L) {
  struct ti_owner *o;
  int err;
  luaL_checkstack(L, 4, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key) == LUA_TUSERDATA) {
    o = (struct ti_owner *)lua_touserdata(L, -1);
    if (!o->open || !ti_owner_forked(o)) {
      lua_pop(L, 1);
      return o->open ? o : NULL;
    }
    /* a child gets one of its own; groups of before still look at the old one */
    lua_rawsetp(L, LUA_REGISTRYINDEX, o);
  } else {
    lua_pop(L, 1);
  }
  /* Inside a finalizer, where lua_gc answers -1: that of a closing state perhaps, which will
  ** not finalise what is made now. */
  if (lua_gc(L, LUA_GCISRUNNING) < 0) return NULL;
  /* finalised after this one: when no task is left, nothing that the state lent them is either */
  ti_codec_state_get(L);
  lua_pop(L, 1);
  o = (struct ti_owner *)lua_newuserdatauv(L, sizeof *o, 0);
  memset(o, 0, sizeof *o);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, owner_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  err = ti_waiter_init(&o->box);
  if (err != 0) {
    char why[128];
    luaL_error(L, "cannot make a mailbox: %s", strerror_r(err, why, sizeof why));
  }
  ti_fork_guard_init(&o->box.fork_guard);
  o->hold.main = main_state(L);
  atomic_init(&o->hold.waiting, false);
  atomic_init(&o->hold.hook, NULL);
  atomic_init(&o->hold.until, 0);
  o->open = true;
  lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
  return o;
}

void ti_owner_adopt(lua_State *L, struct tide_executor *ex) {
  struct ti_owner *o = ti_owner_of(L);
  struct tide_executor *home = tide_current_executor(L);
  if (o == NULL) {
    luaL_error(L, "the state is closing, or a finalizer makes its first executor");
  } else if (ex == home) {
    ti_error_raise(L, TIDE_EDEADLOCK, "a task cannot adopt its own executor");
  } else {
    reap(o);
    if (o->n == o->cap) {
      size_t cap = o->cap > 0 ? o->cap * 2 : 4;
      struct tide_executor **p = (struct tide_executor **)ti_alloc_resize(
          &ti_alloc_default, o->executors, o->cap * sizeof(void *), cap * sizeof(void *));
      if (p == NULL) luaL_error(L, "not enough memory");
      o->executors = p;
      o->cap = cap;
    }
    if (home == NULL && o->warnings == NULL) {
      o->warnings = ti_warnings_new();
      if (o->warnings == NULL) luaL_error(L, "not enough memory");
      enlist(o, main_state(L));
    }
    /* acq_rel: pairs with the acquire of who drops the last handle */
    if (atomic_exchange_explicit(&ex->adopted, true, memory_order_acq_rel)) return;
    ti_pool_hold(ex->pool);
    o->executors[o->n++] = ex;
    ti_mutex_lock(&ex->lock);
    if (home == NULL)
      ex->warnings = ti_warnings_hold(o->warnings);
    else
      ex->home = home;
    ti_mutex_unlock(&ex->lock);
    if (ti_worker_state_user(L) == NULL)
      atomic_store_explicit(&ex->hold, &o->hold, memory_order_release);
  }
}

/* What is alive of ex and its orphans. */
static void count(tide_executor *ex, tide_live *out) {
  struct ti_pool_stats st;
  tide_executor *o;
  size_t last = 0;
  ti_pool_stats(ex->pool, &st);
  out->executors++;
  out->tasks += st.tasks;
  out->threads += st.threads;
  out->states += atomic_load_explicit(&ex->states, memory_order_relaxed);
  while ((o = ti_child_executor_next(ex, &last)) != NULL) {
    count(o, out);
    ti_pool_release(o->pool);
  }
}

void tide_live_counts(lua_State *L, tide_live *out) {
  struct ti_owner *o = ti_owner_of(L);
  memset(out, 0, sizeof *out);
  if (o == NULL) return;
  reap(o);
  out->groups = o->groups;
  for (size_t i = 0; i < o->n; i++) count(o->executors[i], out);
}

/* -------------------------------------------------------------------- hooks -- */

bool ti_owner_hold_on(const struct ti_owner_hold *hold) {
  ti_time until;
  if (atomic_load_explicit(&hold->waiting, memory_order_acquire)) {
    /* one word, which Lua expects to be changed by a signal handler at any time */
    lua_Hook hook = lua_gethook(hold->main);
    if (hook != NULL && hook != atomic_load_explicit(&hold->hook, memory_order_relaxed))
      return true;
  }
  until = atomic_load_explicit(&hold->until, memory_order_relaxed);
  return until != 0 && ti_clock_now() < until;
}

/* Relaxed: what a thread sees a moment later it does a moment later. */
static void hold_until(struct ti_owner_hold *hold, ti_time until) {
  if (hold != NULL) atomic_store_explicit(&hold->until, until, memory_order_relaxed);
}

void ti_owner_hook_start(struct ti_owner_hookwatch *h, lua_State *L, struct ti_owner *o,
                         bool ending) {
  ti_time until;
  h->L = L;
  h->worker = L != NULL && ti_worker_state_user(L) != NULL;
  h->main_hook = L != NULL ? lua_gethook(main_state(L)) : NULL;
  h->hold = o != NULL && !h->worker ? &o->hold : NULL;
  if (h->hold == NULL) return;
  until = atomic_load_explicit(&h->hold->until, memory_order_relaxed);
  h->renew = ending && until != 0 && ti_clock_now() < until;
  if (!ending && until != 0) hold_until(h->hold, 0);
  h->outer = atomic_load_explicit(&h->hold->waiting, memory_order_relaxed);
  atomic_store_explicit(&h->hold->hook, h->main_hook, memory_order_relaxed);
  atomic_store_explicit(&h->hold->waiting, true, memory_order_release);
}

void ti_owner_hook_end(struct ti_owner_hookwatch *h) {
  if (h->hold != NULL) atomic_store_explicit(&h->hold->waiting, h->outer, memory_order_release);
  h->hold = NULL;
}

/* What L's thread runs was asked to stop. */
static bool asked(lua_State *L) {
  const struct ti_interrupt *halt = ti_interrupt_of(L);
  return halt != NULL && ti_stop_token_requested(halt->stop) != TIDE_OK;
}

ti_time ti_owner_hook_slice(const struct ti_owner_hookwatch *h, ti_time deadline) {
  ti_time slice;
  if (h->L == NULL) return deadline;
  /* a task that catches the error and waits again shall not sleep each time */
  if (h->worker && asked(h->L)) return 0;
  if (h->hold != NULL && h->renew) hold_until(h->hold, ti_clock_deadline(HOLD_TIME));
  slice = ti_clock_deadline(h->worker ? TI_WORKER_SLICE : TI_SLICE);
  return slice < deadline ? slice : deadline;
}

/* lua.c's Ctrl-C sets a hook on the main thread of the state, which Lua runs at that thread's
** next step. When a coroutine is what waits, it would never take one: run it here. */
static int call_main_hook(lua_State *L) {
  lua_Hook hook = lua_gethook(main_state(L));
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

int ti_owner_hook_run(struct ti_owner_hookwatch *h) {
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
  hook = lua_gethook(main_state(L));
  if (hook == h->main_hook || hook == NULL) return LUA_OK;
  /* a call is a step: it runs a hook of this very thread */
  lua_pushcfunction(L, lua_gethook(L) == hook ? nothing : call_main_hook);
  /* before it runs, as it may take itself away; if it raises, the script has some time to cancel */
  hold_until(h->hold, ti_clock_deadline(HOLD_TIME));
  status = lua_pcall(L, 0, 0, 0);
  if (status != LUA_OK) {
    hold_until(h->hold, ti_clock_deadline(HOLD_TIME));
  } else { /* one that looks on: what is queued goes on */
    h->main_hook = lua_gethook(main_state(L));
    if (h->hold != NULL) atomic_store_explicit(&h->hold->hook, h->main_hook, memory_order_relaxed);
    hold_until(h->hold, 0);
  }
  return status;
}
