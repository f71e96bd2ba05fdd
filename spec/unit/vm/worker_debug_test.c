/* link: tidepool */
/*
** worker_debug_test.c: hooks in a worker's state. One that a host's open_state set stays; one that
** a task set ends with that task.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>

#include "include/tidepool.h"
#include "check.h"

static atomic_int calls;

static void count(lua_State *L, lua_Debug *ar) {
  (void)L;
  (void)ar;
  atomic_fetch_add(&calls, 1);
}

static void open_state(lua_State *L, void *ud) {
  (void)ud;
  lua_sethook(L, count, LUA_MASKCALL, 0);
}

static void refuse(lua_State *L, lua_Debug *ar) {
  (void)ar;
  luaL_error(L, "the hook's error");
}

static int spoil(lua_State *L) {
  lua_sethook(L, refuse, LUA_MASKCALL, 0);
  return luaL_error(L, "the task's error");
}

static int nothing(lua_State *L) {
  (void)L;
  return 0;
}

/* Runs fn in the worker. Returns the outcome. */
static int run(tide_executor *ex, lua_CFunction fn) {
  tide_future *f;
  int outcome;
  CHECK(tide_submit_cfunction(&f, ex, fn, NULL, 0, NULL) == TIDE_OK);
  CHECK(tide_future_wait(f, NULL, TIDE_FOREVER) == TIDE_OK);
  outcome = tide_future_outcome(f);
  tide_future_rele(f);
  return outcome;
}

/* The number of workers of an executor without max_workers. */
static void test_default(void) {
  int cpus = tide_cpu_count();
  tide_executor *ex;
  tide_config cfg;
  tide_stats st;
  tide_config_init(&cfg);
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_OK);
  tide_executor_stats(ex, &st);
  CHECK(st.max_workers == (size_t)(cpus + 4 < 32 ? cpus + 4 : 32));
  tide_executor_rele(ex);
  cfg.max_workers = -1;
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_EARG);
}

int main(void) {
  tide_executor *ex;
  tide_config cfg;
  int before;
  test_default();
  tide_config_init(&cfg);
  cfg.max_workers = 1;
  cfg.open_state = open_state;
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_OK);
  CHECK(run(ex, nothing) == TIDE_OK);
  CHECK(run(ex, spoil) == TIDE_EERROR);
  before = atomic_load(&calls);
  CHECK(before > 0);
  CHECK(run(ex, nothing) == TIDE_OK);
  CHECK(atomic_load(&calls) > before);
  CHECK(tide_executor_shutdown(ex, NULL, 0, TIDE_FOREVER) == TIDE_OK);
  tide_executor_rele(ex);
  return check_done();
}
