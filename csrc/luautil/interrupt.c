/*
** luautil/interrupt: ending the task that a state runs, from outside or at its memory limit.
**
** SPDX-License-Identifier: MIT
*/
#include "luautil/interrupt.h"

#include <lauxlib.h>
#include <string.h>

#include "luautil/error.h"
#include "sched/watchdog.h"

#define INTERRUPT_GRACE 10000
/* So many hooks get INTERRUPT_GRACE each; later ones, which a task sets off while it tidies up, get
** less and less. */
#define INTERRUPT_FULL 8
/* So many signals, 5 ms apart, may find a finalizer running before it is stopped: after the error
** was raised, and in the collection at the end. */
#define INTERRUPT_FINALIZER_SIGNALS 10

static const char registry_key = 0, find_key = 0;

struct ti_interrupt *ti_interrupt_of(lua_State *L) {
  struct ti_interrupt **box;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
  box = (struct ti_interrupt **)lua_touserdata(L, -1);
  lua_pop(L, 1);
  return box != NULL ? *box : NULL;
}

/* ------------------------------------------------------------------- the hook -- */

static void hook(lua_State *L, lua_Debug *ar);

/* Returns the place of L's flag; it is 0 while L calls no hooks. */
TI_IN_HANDLER static volatile unsigned char *flag_of(const struct ti_interrupt *h, lua_State *L) {
  return (volatile unsigned char *)(void *)L + h->flag;
}

static enum ti_interrupt_phase phase_of(const struct ti_interrupt *h) {
  return (enum ti_interrupt_phase)atomic_load_explicit(&h->phase, memory_order_relaxed);
}

static void set_phase(struct ti_interrupt *h, enum ti_interrupt_phase phase) {
  atomic_store_explicit(&h->phase, (int)phase, memory_order_relaxed);
  h->nhooks = 0;
  h->hooked = NULL;
  if (phase != INTERRUPT_FINAL)
    atomic_store_explicit(&h->finalizer_signals,
                          phase == INTERRUPT_REQUESTED ? 0 : INTERRUPT_FINALIZER_SIGNALS,
                          memory_order_relaxed);
}

/* Sets the hook of L. Also called in the handler, where lua_sethook is allowed. */
TI_IN_HANDLER static void set_hook(struct ti_interrupt *h, lua_State *L) {
  int phase = atomic_load_explicit(&h->phase, memory_order_relaxed), count = 1;
  if (phase == INTERRUPT_CAUGHT || phase == INTERRUPT_OVER_LIMIT) {
    int n = ++h->nhooks;
    count = INTERRUPT_GRACE / (1 + n / INTERRUPT_FULL);
    if (count < 1) count = 1;
  }
  lua_sethook(L, hook, LUA_MASKCOUNT, count);
  h->hooked = L;
}

/* lua_gc returns -1 in finalizers and nowhere else */
TI_IN_HANDLER static bool in_finalizer(lua_State *L) { return lua_gc(L, LUA_GCISRUNNING) < 0; }

const char *ti_interrupt_words(int kind) {
  switch (kind) {
    case TIDE_ETIMELIMIT: return "the task ran longer than its time limit";
    case TIDE_EMEMORYLIMIT: return "the task needs more memory than its limit";
    default: return "the task was interrupted";
  }
}

static void hook(lua_State *L, lua_Debug *ar) {
  struct ti_interrupt *h = ti_interrupt_of(L);
  int kind = ti_stop_token_requested(h->stop);
  (void)ar;
  if (kind == TIDE_OK) { /* the hook of an earlier task, on a coroutine that it left behind */
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  set_phase(h, phase_of(h) < INTERRUPT_CAUGHT ? INTERRUPT_CAUGHT : INTERRUPT_FINAL);
  if (in_finalizer(L)) atomic_store_explicit(&h->finalizer_signals, 0, memory_order_relaxed);
  set_hook(h, L);
  /* The state will be closed, so finalizers that did not run yet can wait for that, too. Inside one
  ** this call does nothing. */
  if (atomic_load_explicit(&h->stopped_in_finalizer, memory_order_relaxed)) {
    lua_gc(L, LUA_GCSTOP);
    ti_stop_token_start_ticks(h->stop->target); /* each that follows needs a signal of its own */
  }
  if (h->flag != 0) *flag_of(h, L) = 1; /* so that a message handler can be stopped */
  ti_error_raise(L, kind, "%s", ti_interrupt_words(kind));
}

void ti_interrupt_check(lua_State *L) {
  const struct ti_interrupt *h = ti_interrupt_of(L);
  int kind = h != NULL ? ti_stop_token_requested(h->stop) : TIDE_OK;
  if (kind != TIDE_OK) ti_error_raise(L, kind, "%s", ti_interrupt_words(kind));
}

/* Returns whether L runs a finalizer that still has time. */
static bool has_time(const struct ti_interrupt *h, lua_State *L) {
  return atomic_load_explicit(&h->finalizer_signals, memory_order_relaxed) > 0 && in_finalizer(L);
}

void ti_interrupt_again(lua_State *L) {
  const struct ti_interrupt *h = ti_interrupt_of(L);
  if (h != NULL && phase_of(h) == INTERRUPT_FINAL && !has_time(h, L)) ti_interrupt_check(L);
}

/* Stops the running coroutine of a task that was requested to end. Also called in the handler. */
TI_IN_HANDLER static void stop_running(struct ti_interrupt *h) {
  lua_State *L = atomic_load_explicit(&h->running, memory_order_relaxed);
  volatile unsigned char *flag;
  bool finalizer;
  if (L == NULL) return;
  finalizer = in_finalizer(L);
  if (finalizer) {
    int left = atomic_load_explicit(&h->finalizer_signals, memory_order_relaxed);
    if (left > 0) {
      atomic_store_explicit(&h->finalizer_signals, left - 1, memory_order_relaxed);
      return;
    }
  }
  if (lua_gethook(L) != hook) {
    /* The hook was set, and C code of the task removed it. */
    if (h->hooked == L &&
        atomic_load_explicit(&h->phase, memory_order_relaxed) != INTERRUPT_REQUESTED)
      atomic_store_explicit(&h->phase, INTERRUPT_FINAL, memory_order_relaxed);
    set_hook(h, L);
  }
  if (h->flag == 0) return;
  flag = flag_of(h, L);
  if (*flag != 0) return; /* 0: in a finalizer, a hook of the task's own, or a message handler */
  *flag = 1;
  if (finalizer) atomic_store_explicit(&h->stopped_in_finalizer, true, memory_order_relaxed);
}

/* In a signal handler, on the worker's own thread. */
TI_IN_HANDLER static void on_signal(void *ud) { stop_running((struct ti_interrupt *)ud); }

/* Sets the hook of L, which is about to run, if the task was requested to end. A hook that counts
** already continues to; one that a new coroutine has from its creator is set anew. */
static void set_hook_if_requested(struct ti_interrupt *h, lua_State *L, bool fresh) {
  if (ti_stop_token_requested(h->stop) == TIDE_OK) return;
  if (has_time(h, L)) return;
  if (fresh || phase_of(h) == INTERRUPT_FINAL || lua_gethook(L) != hook) set_hook(h, L);
}

static void switch_to(struct ti_interrupt *h, lua_State *co, bool fresh) {
  atomic_store_explicit(&h->running, co, memory_order_relaxed);
  /* If the request came before, the handler found another coroutine. If it comes later, it finds
  ** this one. */
  set_hook_if_requested(h, co, fresh);
}

lua_State *ti_interrupt_enter(struct ti_interrupt *h, lua_State *co) {
  lua_State *before = atomic_load_explicit(&h->running, memory_order_relaxed);
  if (before != NULL) switch_to(h, co, lua_status(co) == LUA_OK);
  return before;
}

void ti_interrupt_leave(struct ti_interrupt *h, lua_State *before) {
  if (before != NULL) switch_to(h, before, false);
}

void ti_interrupt_begin(struct ti_interrupt *h) {
  bool requested =
      /* requested before it begins: the state is being closed */
      ti_stop_token_requested(h->stop) != TIDE_OK;
  /* CAUGHT gives it time to tidy up, as for code that was stopped once */
  set_phase(h, requested ? INTERRUPT_CAUGHT : INTERRUPT_REQUESTED);
  atomic_store_explicit(&h->running, h->main, memory_order_relaxed);
  /* If the request came meanwhile, the handler found no coroutine. If it comes later, it finds this
  ** one. */
  if (ti_stop_token_requested(h->stop) != TIDE_OK) set_hook(h, h->main);
}

void ti_interrupt_end(struct ti_interrupt *h) {
  atomic_store_explicit(&h->running, NULL, memory_order_relaxed);
}

void ti_interrupt_collect(struct ti_interrupt *h) {
  lua_State *L = h->main;
  ti_stop_token_stop_ticks(h->stop->target); /* so that signals are 5 ms apart */
  /* coroutines that finalizers make would inherit it */
  lua_sethook(L, NULL, 0, 0);
  set_phase(h, INTERRUPT_CAUGHT);
  lua_gc(L, LUA_GCCOLLECT);
}

/* ------------------------------------------------------------------- the flag -- */

/* The flag is one of the byte fields behind a lua_State's link in the collector's list. All of
** these have a value from the start. */
enum { FIRST = sizeof(void *), LAST = FIRST + 5 };

struct find {
  unsigned char inside[LAST + 1];
};

static void inside_hook(lua_State *L, lua_Debug *ar) {
  struct find *f;
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &find_key);
  f = (struct find *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  memcpy(f->inside, L, sizeof f->inside);
}

static int nothing(lua_State *L) {
  (void)L;
  return 0;
}

/* Returns the place of the flag, the one byte that is 1 outside hooks and 0 inside; 0 if not found.
** [-0, +0, m] */
static unsigned find_flag(lua_State *L) {
  unsigned char before[LAST + 1], after[LAST + 1];
  struct find f;
  unsigned found = 0;
  lua_Hook host = lua_gethook(L);
  int mask = lua_gethookmask(L), count = lua_gethookcount(L);
  memset(&f, 0xff, sizeof f);
  lua_pushlightuserdata(L, &f);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &find_key);
  memcpy(before, L, sizeof before);
  lua_sethook(L, inside_hook, LUA_MASKCALL, 0);
  lua_pushcfunction(L, nothing);
  lua_call(L, 0, 0);
  lua_sethook(L, host, mask, count);
  memcpy(after, L, sizeof after);
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &find_key);
  for (unsigned i = FIRST; i <= LAST; i++) {
    if (before[i] != 1 || f.inside[i] != 0 || after[i] != 1) continue;
    if (found != 0) return 0;
    found = i;
  }
  return found;
}

/* The finalizer of the first object that had one, so the last to run when the state closes. From
** now on memory is freed alone, and a signal must not access the state. */
static int closed(lua_State *L) {
  struct ti_interrupt **box = (struct ti_interrupt **)lua_touserdata(L, 1);
  ti_interrupt_end(*box);
  return 0;
}

void ti_interrupt_open(struct ti_interrupt *h, lua_State *L, struct ti_stop_token *stop) {
  struct ti_interrupt **box;
  h->stop = stop;
  h->main = L;
  atomic_init(&h->running, NULL);
  atomic_init(&h->phase, INTERRUPT_REQUESTED);
  atomic_init(&h->finalizer_signals, 0);
  h->hooked = NULL;
  h->nhooks = 0;
  atomic_init(&h->stopped_in_finalizer, false);
  h->flag = stop->target->signals != NULL ? find_flag(L) : 0;
  box = (struct ti_interrupt **)lua_newuserdatauv(L, sizeof *box, 0);
  *box = h;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, closed);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
  ti_stop_token_set_hook(stop, on_signal, h);
}

bool ti_interrupt_exceeded(struct ti_interrupt *h) {
  bool first = ti_stop_token_request(h->stop, TIDE_EMEMORYLIMIT);
  if (first) {
    set_phase(h, INTERRUPT_OVER_LIMIT); /* to-be-closed variables and handlers have time */
    ti_watchdog_follow(h->stop);
  }
  stop_running(h);
  return first;
}
