/* link: tidepool */
/*
** error_test.c: tide_stringerrors. A host that prints errors with lua_tostring gets a text for each
** error of the library, and can tell their kinds.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "include/tidepool.h"
#include "check.h"

static const char *const scripts[] = {
    "return pool:submit(print, coroutine.create(print))",
    "return pool:submit(function() return coroutine.create(print) end):result()",
    "return pool:submit(function() local p = pool p:shutdown() end):result()",
    "pool:shutdown() pool:submit(print)",
};
static const int kinds[] = {TIDE_ETRANSFER, TIDE_ETRANSFER, TIDE_EERROR, TIDE_ESHUTDOWN};

int main(void) {
  lua_State *L = luaL_newstate();
  tide_executor *ex;
  tide_config cfg;
  luaL_openlibs(L);
  tide_config_init(&cfg);
  cfg.max_workers = 1;
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_OK);
  CHECK(tide_stringerrors(L, 1) == 0);
  CHECK(tide_stringerrors(L, 1) == 1);
  tide_pushexecutor(L, ex);
  lua_setglobal(L, "pool");
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
    const char *s;
    CHECK(luaL_dostring(L, scripts[i]) != LUA_OK);
    s = lua_tostring(L, -1);
    CHECK(s != NULL && strlen(s) > 10);
    CHECK(kinds[i] == TIDE_EERROR || tide_errorkind(L, -1) == kinds[i]);
    lua_settop(L, 0);
  }
  tide_pusherror(L, TIDE_EFULL, "no room");
  CHECK(strcmp(lua_tostring(L, -1), "no room (tidepool: full)") == 0);
  CHECK(tide_errorkind(L, -1) == TIDE_EFULL);
  tide_pusherrormessage(L, -1);
  CHECK(strcmp(lua_tostring(L, -1), "no room") == 0);
  lua_pushliteral(L, "a.lua:12: words: 1:2: more (tidepool: lost)");
  CHECK(tide_errorkind(L, -1) == TIDE_OK);
  lua_pushliteral(L, "a.lua:12: words: 1:2: more (tidepool: deadlock)");
  CHECK(tide_errorkind(L, -1) == TIDE_EDEADLOCK);
  tide_pusherrormessage(L, -1);
  CHECK(strcmp(lua_tostring(L, -1), "words: 1:2: more") == 0);
  CHECK(tide_stringerrors(L, 0) == 1);
  tide_pusherror(L, TIDE_EFULL, "no room");
  CHECK(lua_istable(L, -1) && tide_errorkind(L, -1) == TIDE_EFULL);
  tide_pusherrormessage(L, -1);
  CHECK(strcmp(lua_tostring(L, -1), "no room") == 0);
  CHECK(tide_executor_shutdown(ex, NULL, 0, TIDE_FOREVER) == TIDE_OK);
  lua_close(L);
  tide_executor_rele(ex);
  return check_done();
}
