/* link: tidepool */
/*
** lua_module_test.c: one copy of the library in each state. This program has one in itself, and its
** scripts may load the module tidepool.core from a file, which is another one.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "include/tidepool.h"
#include "check.h"

/* Made once, by this copy. */
static tide_executor *ex;
static tide_future *future;
static tide_array *array;
static tide_share *share;

static int push_executor(lua_State *L) {
  tide_pushexecutor(L, ex);
  return 1;
}

static int push_future(lua_State *L) {
  tide_pushfuture(L, future);
  return 1;
}

static int push_array(lua_State *L) {
  tide_pusharray(L, array);
  return 1;
}

static int push_share(lua_State *L) {
  tide_pushshare(L, share);
  return 1;
}

static void make(void) {
  lua_State *L = luaL_newstate();
  tide_config cfg;
  tide_config_init(&cfg);
  cfg.max_workers = 2;
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_OK);
  CHECK(tide_promise_new(&future) == TIDE_OK);
  CHECK(tide_array_new(&array, TIDE_U8, 3) == TIDE_OK);
  lua_pushinteger(L, 7);
  share = tide_share_new(L);
  lua_close(L);
}

/* (value, fn, ...): fn called in a worker of this program's executor. */
static int run(lua_State *L) {
  int n;
  tide_future *f = tide_submit(ex, L, lua_gettop(L) - 1, NULL);
  tide_future_wait(f, L, TIDE_FOREVER);
  if (tide_pushoutcome(L, f, &n) != TIDE_OK) {
    tide_future_rele(f);
    return lua_error(L);
  }
  tide_future_rele(f);
  return n;
}

static int make_known(lua_State *L) {
  tide_makeknown(L, NULL);
  return 0;
}

static const luaL_Reg functions[] = {{"executor", push_executor},
                                     {"future", push_future},
                                     {"array", push_array},
                                     {"share", push_share},
                                     {"run", run},
                                     {"known", make_known},
                                     {NULL, NULL}};

/* Runs a script, which has these functions in `host`, in a state of its own; it returns true. */
static void script(const char *code) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  luaL_newlib(L, functions);
  lua_setglobal(L, "host");
  if (luaL_dostring(L, code) != LUA_OK) printf("%s\n", luaL_tolstring(L, -1, NULL));
  CHECK(lua_isboolean(L, -1) && lua_toboolean(L, -1));
  lua_close(L);
}

/* A state with nothing but Lua's base library: no `require`. */
static void bare(void) {
  lua_State *L = luaL_newstate();
  luaL_requiref(L, "_G", luaopen_base, 1);
  lua_pushcfunction(L, push_executor);
  CHECK(lua_pcall(L, 0, 1, 0) == LUA_OK);
  lua_setglobal(L, "pool");
  CHECK(luaL_dostring(L, "return pool:submit(function() return 42 end):result()") == LUA_OK);
  CHECK(lua_tointeger(L, -1) == 42);
  lua_close(L);
}

int main(void) {
  make();
  bare();

  /* What is pushed makes this copy known: `require` gives it. */
  script(
      "local pool = host.executor() assert(pool:submit(function() return 42 end):result() == 42)"
      "local list = pool:map(function(x) return x + 1 end, { 1, 2, 3 }):collect() "
      "assert(#list == 3)"
      "local t = require 'tidepool'"
      "assert(#t.wait { pool:submit(print) } == 1)"
      "local a = t.array('u8', 2) pool:submit(function(x) x[1] = 9 end, a):result() "
      "assert(a[1] == 9)"
      "local own <close> = t.executor(1)"
      "return own:submit(function(p) return p:submit(function() return 7 end):result() end, pool)"
      "  :result() == 7");
  script("local f = host.future() local t = require 'tidepool' f:set_result(1)"
         "return #t.wait { f } == 1 and require 'tidepool.core'.type(f) == 'future'");
  script("local a = host.array() return require 'tidepool.core'.type(a) == 'array'"
         "  and #require 'tidepool'.array('u8', a) == 3");
  script(
      "local s = host.share() return require 'tidepool.core'.type(s) == 'share' and s:get() == 7");
  script("host.known() local t = require 'tidepool' host.known()"
         "return #t.wait { host.executor():submit(print) } == 1");
  script("local t = require 'tidepool' return pcall(host.known) == false"); /* from a file */

  /* Workers have the copy of their executor, whatever the path of the submitter says. */
  script("return host.run(function() local t = require 'tidepool'"
         "  local own <close> = t.executor(1)"
         "  return t.current_task() ~= nil and own:submit(math.abs, -3):result() == 3 end)");

  /* Where two copies meet, the second one gets an error. */
  script("local t = require 'tidepool'"
         "for _, name in ipairs { 'executor', 'future', 'array', 'share', 'known' } do"
         "  local ok, err = pcall(host[name])"
         "  assert(not ok and err:find('a second copy of tidepool', 1, true), err)"
         "  assert(err:find('core.so', 1, true) and err:find('tide_makeknown', 1, true), err)"
         "end return true");
  script("host.executor() package.preload['tidepool.core'] = nil"
         "local ok, err = pcall(require, 'tidepool')"
         "assert(not ok and err:find('a second copy of tidepool', 1, true), err)"
         "return err:find('loaded from .*core.so') ~= nil");
  script("local t = require 'tidepool'"
         "for _, object in ipairs { t.array('u8', 1), t.future(), t.share(1) } do"
         "  local ok, err = pcall(host.run, print, object) err = tostring(err)"
         "  assert(not ok and err:find('argument 1: cannot send', 1, true), err)"
         "  assert(err:find('a second copy of tidepool', 1, true), err)"
         "end return true");
  script("return host.run(function() package.preload['tidepool.core'] = nil"
         "  package.loaded['tidepool.core'], package.loaded.tidepool = nil, nil"
         "  local ok, err = pcall(require, 'tidepool')"
         "  return not ok and err:find('a second copy of tidepool', 1, true) ~= nil end)");

  CHECK(tide_executor_shutdown(ex, NULL, 0, TIDE_FOREVER) == TIDE_OK);
  tide_executor_rele(ex);
  tide_future_rele(future);
  tide_array_rele(array);
  tide_share_rele(share);
  return check_done();
}
