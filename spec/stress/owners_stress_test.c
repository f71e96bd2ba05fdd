/* link: tidepool */
/*
** owners_stress_test.c: owners in many threads do anything at any time to each other's executors
** and futures.
**
** Some threads have a Lua state and run spec/support/owners.lua. After a number of turns the state
** closes, whatever runs, and a new one is made. Other threads have no state and use the C API. They
** share executors that this program owns, futures, and promises that hold values of scripts. Each
** future and each executor has a number. `allowed` has the ways in which it may end after what was
** done to it so far, and each outcome is checked against that.
**
** TIDE_SEED repeats a run as far as threads allow, TIDE_STRESS multiplies the turns.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>
#include <unistd.h>

#include "platform/clock.h"
#include "platform/mutex.h"
#include "platform/thread.h"
#include "include/tidepool.h"
#include "check.h"

enum { OWNERS = 3, STATELESS = 2, EXECUTORS = 3, PLACES = 24, IDS = 1 << 22 };

#if defined(__SANITIZE_THREAD__)
enum { SCALE = 12, SLOW = 3 }; /* fewer turns; longer limits of time */
#elif defined(__SANITIZE_ADDRESS__)
enum { SCALE = 4, SLOW = 2 };
#else
enum { SCALE = 1, SLOW = 1 };
#endif

/* ---------------------------------------------------------------- the model -- */

/* The bits are TIDE_E...: 1 << kind. */
static atomic_uint allowed[IDS];
static atomic_uint last_id;
static atomic_long operations;

static unsigned new_id(unsigned bits) {
  unsigned id = (atomic_fetch_add(&last_id, 1) + 1) % IDS;
  atomic_store(&allowed[id], bits);
  return id;
}

/* To be called before the thing is done that may end it so. */
static void allow(unsigned id, unsigned bits) { atomic_fetch_or(&allowed[id], bits); }

enum {
  CANCELLED = 1 << TIDE_ECANCELLED,
  INTERRUPTED = 1 << TIDE_EINTERRUPTED,
  SHUTDOWN = 1 << TIDE_ESHUTDOWN,
  STOPPED = CANCELLED | INTERRUPTED
};

/* ----------------------------------------------------- what the owners share -- */

struct shared_executor {
  tide_executor *ex; /* a user's reference */
  unsigned id;
};

struct shared_future {
  tide_future *f;
  unsigned id, ex; /* its numbers, or 0 */
  lua_Integer value;
};

static struct ti_mutex lock; /* guards what follows */
static struct shared_executor shared_executors[EXECUTORS];
static struct shared_future shared_futures[PLACES];
static tide_future *shared_values[PLACES];

/* Returns a shared executor with a reference of the caller's. */
static struct shared_executor hold_executor(size_t i) {
  struct shared_executor w;
  ti_mutex_lock(&lock);
  w = shared_executors[i];
  tide_executor_hold(w.ex);
  ti_mutex_unlock(&lock);
  return w;
}

static struct shared_future swap_future(size_t i, struct shared_future p) {
  struct shared_future before;
  ti_mutex_lock(&lock);
  before = shared_futures[i];
  shared_futures[i] = p;
  ti_mutex_unlock(&lock);
  return before;
}

static tide_future *swap_value(size_t i, tide_future *f) {
  tide_future *before;
  ti_mutex_lock(&lock);
  before = shared_values[i];
  shared_values[i] = f;
  ti_mutex_unlock(&lock);
  return before;
}

static void *plain_alloc(void *ud, void *p, size_t osize, size_t nsize) {
  (void)ud;
  (void)osize;
  if (nsize > 0) return realloc(p, nsize);
  free(p);
  return NULL;
}

static struct shared_executor new_executor(uint64_t *r) {
  struct shared_executor w;
  unsigned bits = 0;
  tide_config cfg;
  tide_config_init(&cfg);
  cfg.max_workers = 1 + (int)check_random(r, 4);
  cfg.max_tasks_per_worker = check_random(r, 3) == 0 ? 1 + check_random(r, 4) : 0;
  cfg.idle_timeout = check_random(r, 3) == 0 ? 1e-4 * (double)check_random(r, 4) : -1;
  if (check_random(r, 3) == 0) {
    cfg.max_queue = 1 + check_random(r, 6);
    cfg.on_full = check_random(r, 2) == 0 ? TIDE_ONFULL_BLOCK : TIDE_ONFULL_ERROR;
  }
  if (cfg.on_full == TIDE_ONFULL_ERROR) bits |= 1 << TIDE_EFULL;
  if (check_random(r, 6) == 0) {
    cfg.time_limit = 0.002 * SLOW;
    bits |= 1 << TIDE_ETIMELIMIT;
  }
  if (check_random(r, 6) == 0) {
    cfg.memory_limit = (size_t)8 << 20;
    bits |= 1 << TIDE_EMEMORYLIMIT;
  }
  if (check_random(r, 6) == 0) cfg.isolation = TIDE_ISOLATION_TASK;
  if (check_random(r, 4) == 0) cfg.spin_time = 0;
  if (check_random(r, 3) == 0) cfg.alloc = plain_alloc;
  CHECK(tide_executor_new(&w.ex, &cfg) == TIDE_OK);
  w.id = new_id(bits);
  return w;
}

/* Ends a shared executor, in any way. Others may use it still. Takes its reference. */
static void retire(struct shared_executor w, uint64_t *r) {
  static const int ways[] = {0, TIDE_SHUTDOWN_CANCEL, TIDE_SHUTDOWN_INTERRUPT,
                             TIDE_SHUTDOWN_CANCEL | TIDE_SHUTDOWN_INTERRUPT};
  int flags = ways[check_random(r, 4)];
  tide_stats st;
  allow(w.id, SHUTDOWN | (flags & TIDE_SHUTDOWN_INTERRUPT ? STOPPED : 0) |
                  (flags & TIDE_SHUTDOWN_CANCEL ? CANCELLED : 0));
  if (check_random(r, 2) == 0) tide_executor_shutdown(w.ex, NULL, flags, 0);
  if (check_random(r, 2) == 0)
    tide_executor_shutdown(w.ex, NULL, flags, 1e-4 * (double)check_random(r, 10));
  CHECK(tide_executor_shutdown(w.ex, NULL, flags, TIDE_FOREVER) == TIDE_OK);
  tide_executor_stats(w.ex, &st);
  CHECK(st.submitted == st.finished + st.cancelled && st.failed <= st.finished);
  CHECK(st.queued == 0 && st.running == 0 && st.workers == 0);
  tide_executor_rele(w.ex);
}

/* ------------------------------------------------------------ without a state -- */

static int sum(lua_State *L) {
  lua_Integer n = 0;
  for (int i = lua_gettop(L); i > 0; i--) n += luaL_checkinteger(L, i);
  lua_pushinteger(L, n);
  return 1;
}

/* Checks the outcome of a future that is done. */
static void judge(const struct shared_future *p) {
  tide_value v;
  size_t n = 0;
  int outcome = tide_future_values(p->f, &v, 1, &n);
  unsigned legal = atomic_load(&allowed[p->id]) | atomic_load(&allowed[p->ex]);
  if (outcome == TIDE_OK) {
    CHECK(n == 1 && v.type == TIDE_TINTEGER && v.u.integer == p->value);
  } else if ((legal >> outcome & 1) == 0) {
    printf("a future ended with %s\n",
           tide_kindname(outcome) ? tide_kindname(outcome) : "an error");
    CHECK(!"a legal outcome");
  }
}

static void submit_shared(uint64_t *r, const struct shared_executor *w) {
  struct shared_future p;
  tide_value args[2];
  tide_taskopts o;
  unsigned bits = 0;
  int code;
  tide_taskopts_init(&o);
  o.priority = (int)check_random(r, 5) - 2;
  o.nowait = check_random(r, 2) == 0;
  o.name = check_random(r, 4) == 0 ? "shared" : NULL;
  if (check_random(r, 8) == 0) {
    o.time_limit = 0.001;
    bits |= 1 << TIDE_ETIMELIMIT;
  }
  if (check_random(r, 8) == 0) {
    o.memory_limit = 1000000;
    bits |= 1 << TIDE_EMEMORYLIMIT;
  }
  args[0].type = args[1].type = TIDE_TINTEGER;
  args[0].u.integer = (lua_Integer)check_random(r, 1000);
  args[1].u.integer = (lua_Integer)check_random(r, 1000);
  p.id = new_id(bits);
  p.ex = w->id;
  if (check_random(r, 2) == 0) {
    p.value = args[0].u.integer + args[1].u.integer;
    code = tide_submit_cfunction(&p.f, w->ex, sum, args, 2, &o);
  } else {
    p.value = args[0].u.integer > args[1].u.integer ? args[0].u.integer : args[1].u.integer;
    code = tide_submit_named(&p.f, w->ex, "math.max", args, 2, &o);
  }
  if (code != TIDE_OK) {
    CHECK((code == TIDE_EFULL && o.nowait) || (atomic_load(&allowed[w->id]) >> code & 1) != 0);
    return;
  }
  p = swap_future(check_random(r, PLACES), p);
  if (p.f != NULL) tide_future_rele(p.f);
}

static void use_shared(uint64_t *r, struct shared_future p) {
  switch (check_random(r, 5)) {
    case 0:
      allow(p.id, CANCELLED);
      if (tide_future_cancel(p.f)) CHECK(tide_future_status(p.f) == TIDE_CANCELLED);
      break;
    case 1:
      allow(p.id, STOPPED);
      (void)tide_future_interrupt(p.f);
      break;
    case 2: (void)tide_future_wait(p.f, NULL, 1e-5 * (double)check_random(r, 50)); break;
    case 3: break;
    default: CHECK(tide_future_wait(p.f, NULL, TIDE_FOREVER) == TIDE_OK);
  }
  if (tide_future_status(p.f) >= TIDE_FINISHED) judge(&p);
}

/* Waits for some shared futures in the order in which they finish. */
static void use_group(uint64_t *r) {
  struct shared_future list[6], *at;
  tide_group *g;
  tide_future *f;
  void *tag;
  size_t n = 0;
  if (tide_group_new(&g, NULL) != TIDE_OK) return;
  while (n < 6) {
    list[n] = swap_future(check_random(r, PLACES), (struct shared_future){NULL, 0, 0, 0});
    if (list[n].f == NULL) break;
    CHECK(tide_group_add(g, list[n].f, &list[n]) == TIDE_OK);
    n++;
  }
  (void)tide_group_wait(g, NULL, check_random(r, 7), check_random(r, 2) == 0,
                        check_random(r, 3) == 0 ? TIDE_FOREVER : 1e-4);
  while ((f = tide_group_next(g, &tag)) != NULL) {
    at = (struct shared_future *)tag;
    CHECK(f == at->f);
    judge(at);
    tide_future_rele(f);
  }
  tide_group_free(g);
  while (n-- > 0) tide_future_rele(list[n].f);
}

struct user {
  struct ti_thread thread;
  uint64_t seed;
  int rounds, turns;
};

static void *use_without(void *arg) {
  struct user *u = (struct user *)arg;
  uint64_t *r = &u->seed;
  for (int i = 0; i < u->rounds * u->turns; i++) {
    size_t at = check_random(r, EXECUTORS);
    struct shared_executor w = hold_executor(at);
    struct shared_future p;
    atomic_fetch_add(&operations, 1);
    switch (check_random(r, 12)) {
      default: submit_shared(r, &w); break;
      case 0:
      case 1:
      case 2:
        p = swap_future(check_random(r, PLACES), (struct shared_future){NULL, 0, 0, 0});
        if (p.f == NULL) break;
        use_shared(r, p);
        tide_future_rele(p.f);
        break;
      case 3: use_group(r); break;
      case 4: {
        tide_stats st;
        tide_executor_stats(w.ex, &st);
        CHECK(st.submitted == st.queued + st.running + st.finished + st.cancelled);
        break;
      }
      case 5: {
        struct shared_executor fresh;
        if (check_random(r, 8) != 0) break;
        fresh = new_executor(r);
        tide_executor_rele(w.ex);
        ti_mutex_lock(&lock);
        w = shared_executors[at];
        shared_executors[at] = fresh;
        ti_mutex_unlock(&lock);
        retire(w, r);
        continue;
      }
    }
    tide_executor_rele(w.ex);
  }
  return NULL;
}

/* ------------------------------------------------------------- for the scripts -- */

static unsigned check_id(lua_State *L, int arg) {
  lua_Integer id = luaL_checkinteger(L, arg);
  luaL_argcheck(L, id >= 0 && id < IDS, arg, "no number of an executor or future");
  return (unsigned)id;
}

/* new(bits) -> number */
static int l_new(lua_State *L) {
  lua_pushinteger(L, new_id((unsigned)luaL_checkinteger(L, 1)));
  return 1;
}

/* allow(number, bits) */
static int l_allow(lua_State *L) {
  allow(check_id(L, 1), (unsigned)luaL_checkinteger(L, 2));
  return 0;
}

/* allowed(number) -> bits */
static int l_allowed(lua_State *L) {
  lua_pushinteger(L, atomic_load(&allowed[check_id(L, 1)]));
  return 1;
}

/* operations(n): counts n more */
static int l_operations(lua_State *L) {
  atomic_fetch_add(&operations, (long)luaL_checkinteger(L, 1));
  return 0;
}

/* put(place, value): stores a copy, which any owner may take */
static int l_put(lua_State *L) {
  lua_Integer at = luaL_checkinteger(L, 1);
  tide_future *f;
  lua_settop(L, 2);
  if (tide_promise_new(&f) != TIDE_OK) return luaL_error(L, "not enough memory");
  tide_promise_setresult(f, L, 1);
  f = swap_value((size_t)at % PLACES, f);
  if (f != NULL) tide_future_rele(f);
  return 0;
}

/* take(place) -> a copy of the value, or nil */
static int l_take(lua_State *L) {
  size_t at = (size_t)luaL_checkinteger(L, 1) % PLACES;
  tide_future *f;
  int n = 0;
  ti_mutex_lock(&lock);
  f = shared_values[at] != NULL ? tide_future_hold(shared_values[at]) : NULL;
  ti_mutex_unlock(&lock);
  if (f == NULL) return 0;
  CHECK(tide_pushoutcome(L, f, &n) == TIDE_OK && n == 1);
  tide_future_rele(f);
  return 1;
}

/* executor(place) -> a shared executor, its number */
static int l_executor(lua_State *L) {
  struct shared_executor w = hold_executor((size_t)luaL_checkinteger(L, 1) % EXECUTORS);
  tide_pushexecutor(L, w.ex);
  tide_executor_rele(w.ex);
  lua_pushinteger(L, w.id);
  return 2;
}

/* future(place) -> a future that was submitted without a state, its number, its executor's, its
** value; or nil */
static int l_future(lua_State *L) {
  struct shared_future p;
  size_t at = (size_t)luaL_checkinteger(L, 1) % PLACES;
  ti_mutex_lock(&lock);
  p = shared_futures[at];
  if (p.f != NULL) tide_future_hold(p.f);
  ti_mutex_unlock(&lock);
  if (p.f == NULL) return 0;
  tide_pushfuture(L, p.f);
  tide_future_rele(p.f);
  lua_pushinteger(L, p.id);
  lua_pushinteger(L, p.ex);
  lua_pushinteger(L, p.value);
  return 4;
}

static int open_host(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"new", l_new}, {"allow", l_allow}, {"allowed", l_allowed},   {"operations", l_operations},
      {"put", l_put}, {"take", l_take},   {"executor", l_executor}, {"future", l_future},
      {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_newtable(L);
  for (int kind = TIDE_ETIMEOUT; kind <= TIDE_EDEADLOCK; kind++) {
    lua_pushinteger(L, 1 << kind);
    lua_setfield(L, -2, tide_kindname(kind));
  }
  lua_setfield(L, -2, "bits");
  lua_pushinteger(L, SLOW);
  lua_setfield(L, -2, "slow");
  return 1;
}

/* Protected: (seed, turns) */
static int run_owner(lua_State *L) {
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_tidepool_core);
  lua_setfield(L, -2, "tidepool.core");
  lua_pushcfunction(L, open_host);
  lua_setfield(L, -2, "stress.host");
  lua_getglobal(L, "require");
  lua_pushliteral(L, "spec.support.owners");
  lua_call(L, 1, 1);
  lua_insert(L, 1);
  lua_settop(L, 3);
  lua_call(L, 2, 0);
  return 0;
}

static int traceback(lua_State *L) {
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

static void *use_with(void *arg) {
  struct user *u = (struct user *)arg;
  for (int i = 0; i < u->rounds; i++) {
    lua_State *L = luaL_newstate();
    lua_pushcfunction(L, traceback);
    lua_pushcfunction(L, run_owner);
    lua_pushinteger(L, (lua_Integer)(u->seed + (uint64_t)i));
    lua_pushinteger(L, u->turns);
    if (lua_pcall(L, 2, 0, 1) != LUA_OK) {
      printf("%s\n", lua_tostring(L, -1));
      fflush(stdout);
      CHECK(!"an owner's turns");
    }
    lua_close(L); /* with all that it left */
  }
  return NULL;
}

int main(void) {
  uint64_t seed = check_seed(ti_clock_now()), r = seed;
  const char *given = getenv("TIDE_STRESS");
  double stress = given != NULL ? strtod(given, NULL) : 1;
  struct user users[OWNERS + STATELESS];
  int n = OWNERS + STATELESS, rounds = (int)(40 * stress / SCALE);
  fflush(stdout);
  CHECK(ti_mutex_init(&lock) == 0);
  for (int i = 0; i < EXECUTORS; i++) shared_executors[i] = new_executor(&r);
  for (int i = 0; i < n; i++) {
    users[i].seed = seed + (uint64_t)i * 1000003;
    users[i].rounds = rounds > 0 ? rounds : 1;
    users[i].turns = 150;
    CHECK(ti_thread_start(&users[i].thread, 0, i < OWNERS ? use_with : use_without, &users[i]) ==
          0);
  }
  for (int i = 0; i < n; i++) ti_thread_join(&users[i].thread);
  for (size_t i = 0; i < PLACES; i++) {
    struct shared_future p = swap_future(i, (struct shared_future){NULL, 0, 0, 0});
    tide_future *f = swap_value(i, NULL);
    if (p.f != NULL) tide_future_rele(p.f);
    if (f != NULL) tide_future_rele(f);
  }
  for (int i = 0; i < EXECUTORS; i++) retire(shared_executors[i], &r);
  ti_mutex_fini(&lock);
  printf("%ld operations\n", atomic_load(&operations));
  return check_done();
}
