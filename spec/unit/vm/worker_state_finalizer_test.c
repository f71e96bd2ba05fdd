/* link: tidepool */
/*
** worker_state_finalizer_test.c: finalizers of a host, tide_config.finalizer and
** tide_executor_setfinalizer. The order of them and of close_state, an error in one, after which
** the others run all the same, and when none runs.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <string.h>

#include "include/tidepool.h"
#include "check.h"

/* What was called, in order; one worker, read once it has ended. */
static char calls[16];

static void note(char c) {
  size_t n = strlen(calls);
  if (n + 1 < sizeof calls) calls[n] = c;
}

static int raises; /* the finalizers do */

static int script_finalizer(lua_State *L) {
  CHECK(tide_current_executor(L) != NULL && tide_current_name(L) == NULL);
  note('s');
  return raises ? luaL_error(L, "script") : 0;
}

static void host_finalizer(lua_State *L, void *ud) {
  CHECK(strcmp((const char *)ud, "ud") == 0);
  note('h');
  if (raises) luaL_error(L, "host");
}

static int on_gc(lua_State *L) {
  (void)L;
  note('g');
  return 0;
}

static void close_state(lua_State *L, void *ud) {
  (void)L;
  (void)ud;
  note('c');
}

static int fails; /* open_state does */

static void open_state(lua_State *L, void *ud) {
  (void)ud;
  lua_pushcfunction(L, script_finalizer);
  lua_setglobal(L, "final");
  if (fails) luaL_error(L, "no");
}

static int task(lua_State *L) {
  lua_newuserdatauv(L, 1, 0);
  lua_newtable(L);
  lua_pushcfunction(L, on_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_setglobal(L, "kept");
  return 0;
}

/* Protected. */
static int set(lua_State *L) {
  luaL_loadstring(L, "return final()");
  tide_executor_setfinalizer((tide_executor *)lua_touserdata(L, 1), L);
  CHECK(lua_gettop(L) == 1);
  return 0;
}

static int set_late(lua_State *L) {
  lua_pushliteral(L, "a.b");
  tide_executor_setfinalizer((tide_executor *)lua_touserdata(L, 1), L);
  return 0;
}

static void run(lua_State *L, const char *expected) {
  tide_executor *ex;
  tide_future *f;
  tide_config cfg;
  memset(calls, 0, sizeof calls);
  tide_config_init(&cfg);
  CHECK(cfg.finalizer == NULL);
  cfg.max_workers = 1;
  cfg.open_state = open_state;
  cfg.close_state = close_state;
  cfg.finalizer = host_finalizer;
  cfg.ud = (void *)"ud";
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_OK);
  lua_pushcfunction(L, set);
  lua_pushlightuserdata(L, ex);
  CHECK(lua_pcall(L, 1, 0, 0) == LUA_OK);
  lua_pushcfunction(L, set_late); /* it is set already */
  lua_pushlightuserdata(L, ex);
  CHECK(lua_pcall(L, 1, 0, 0) == LUA_ERRRUN && tide_errorkind(L, -1) == TIDE_EINVALIDSTATE);
  CHECK(tide_submit_cfunction(&f, ex, task, NULL, 0, NULL) == TIDE_OK);
  tide_future_wait(f, NULL, TIDE_FOREVER);
  CHECK(tide_future_outcome(f) == (fails ? TIDE_EBROKEN : TIDE_OK));
  CHECK(tide_executor_shutdown(ex, NULL, 0, TIDE_FOREVER) == TIDE_OK);
  CHECK(strcmp(calls, expected) == 0);
  tide_future_rele(f);
  tide_executor_rele(ex);
  lua_settop(L, 0);
}

int main(void) {
  lua_State *L = luaL_newstate();
  run(L, "shcg");
  raises = 1;
  run(L, "shcg");
  fails = 1;
  run(L, "c"); /* as always: close_state undoes what open_state began */
  lua_close(L);
  return check_done();
}
