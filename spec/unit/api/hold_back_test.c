/* link: tidepool */
/*
** hold_back_test.c: holding back tasks. While a state waits and a hook is set on it, its executors
** take no more tasks. (lua.c's signal handler sets one for Ctrl-C.) They continue when the hook has
** run, or when the script has cancelled the tasks or continues itself.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>

#include "api/executor.h"
#include "api/hold_back.h"
#include "platform/thread.h"
#include "support.h"

enum { QUEUED = 20 };

static lua_State *script;
static tide_executor *its;
static atomic_int ran, hooks;
static lua_Hook to_set;

/* As lua.c's lstop. */
static void stop(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted!");
}

/* A profiler's hook, which stays set. */
static void profile(lua_State *L, lua_Debug *ar) {
  (void)L, (void)ar;
  atomic_fetch_add(&hooks, 1);
}

/* Sets the hook while the script waits. A handler would run on the script's thread; this one does
** not, but the script runs nothing meanwhile. */
static int set_hook(lua_State *L) {
  (void)L;
  while (!atomic_load(&atomic_load(&its->hold_back)->waiting)) ti_thread_relax();
  lua_sethook(script, to_set, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
  return 0;
}

static int count(lua_State *L) {
  (void)L;
  atomic_fetch_add(&ran, 1);
  return 0;
}

static int wait(lua_State *L) {
  lua_pushinteger(L, tide_future_wait((tide_future *)lua_touserdata(L, 1), L, TIDE_FOREVER));
  return 1;
}

static int wait_group(lua_State *L) {
  lua_pushinteger(L, tide_group_wait((tide_group *)lua_touserdata(L, 1), L, QUEUED, 0, 600));
  return 1;
}

static int shut_down(lua_State *L) {
  lua_pushinteger(
      L, tide_executor_shutdown((tide_executor *)lua_touserdata(L, 1), L, 0, TIDE_FOREVER));
  return 1;
}

static tide_future *submit(tide_executor *ex, lua_CFunction fn) {
  tide_future *f;
  CHECK(tide_submit_cfunction(&f, ex, fn, NULL, 0, NULL) == TIDE_OK);
  if (f == NULL) exit(2);
  return f;
}

static tide_executor *executor(int workers) {
  tide_config cfg;
  tide_executor *ex;
  tide_config_init(&cfg);
  cfg.max_workers = workers;
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_OK);
  if (ex == NULL) exit(2);
  return ex;
}

/* The first task sets the hook, and QUEUED others are queued behind it. */
static void test(lua_CFunction waits, lua_Hook hook) {
  tide_executor *ex = executor(1);
  tide_future *first, *fs[QUEUED];
  tide_group *g = NULL;
  void *what;
  int status;
  script = luaL_newstate();
  if (script == NULL) exit(2);
  tide_executor_adopt(ex, script);
  its = ex;
  to_set = hook;
  atomic_store(&ran, 0);
  atomic_store(&hooks, 0);
  CHECK(tide_group_new(&g, script) == TIDE_OK);
  first = submit(ex, set_hook);
  for (int i = 0; i < QUEUED; i++) {
    fs[i] = submit(ex, count);
    CHECK(tide_group_add(g, fs[i], NULL) == TIDE_OK);
  }
  what = waits == wait ? (void *)fs[QUEUED - 1] : waits == wait_group ? (void *)g : (void *)ex;
  lua_pushcfunction(script, waits);
  lua_pushlightuserdata(script, what);
  status = lua_pcall(script, 1, 1, 0);
  if (hook == stop) {
    CHECK(status == LUA_ERRRUN);
    CHECK(strstr(lua_tostring(script, -1), "interrupted!") != NULL);
    for (int i = 0; i < QUEUED; i++) CHECK(tide_future_cancel(fs[i]));
    CHECK(atomic_load(&ran) == 0);
  } else {
    CHECK(status == LUA_OK && lua_tointeger(script, -1) == TIDE_OK);
    CHECK(atomic_load(&ran) == QUEUED);
    lua_sethook(script, NULL, 0, 0);
  }
  lua_settop(script, 0);
  tide_group_free(g);
  tide_future_rele(first);
  for (int i = 0; i < QUEUED; i++) tide_future_rele(fs[i]);
  tide_executor_rele(ex);
  lua_close(script);
}

/* The script catches the error and continues: the queue does so, too, with the script's next wait
** or by itself. */
static void test_goes_on(bool waits) {
  tide_executor *ex = executor(1);
  tide_future *first, *last;
  script = luaL_newstate();
  if (script == NULL) exit(2);
  tide_executor_adopt(ex, script);
  its = ex;
  to_set = stop;
  atomic_store(&ran, 0);
  first = submit(ex, set_hook);
  last = submit(ex, count);
  lua_pushcfunction(script, wait);
  lua_pushlightuserdata(script, last);
  CHECK(lua_pcall(script, 1, 1, 0) == LUA_ERRRUN && atomic_load(&ran) == 0);
  lua_settop(script, 0);
  CHECK(tide_future_wait(last, waits ? script : NULL, TIDE_FOREVER) == TIDE_OK);
  CHECK(atomic_load(&ran) == 1);
  tide_future_rele(first);
  tide_future_rele(last);
  tide_executor_rele(ex);
  lua_close(script);
}

int main(void) {
  static const lua_CFunction ways[] = {wait, wait_group, shut_down};
  for (int round = 0; round < 5; round++)
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
      test(ways[i], stop);
      test(ways[i], profile);
    }
  test_goes_on(true);
  test_goes_on(false);
  return check_done();
}
