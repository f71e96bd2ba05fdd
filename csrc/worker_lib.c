/*
** tidepool, floor 2: worker_lib, what Lua's libraries do differently in a worker.
**
** SPDX-License-Identifier: MIT
*/
#include "worker_lib.h"

#include <lauxlib.h>
#include <stdio.h>

/* print(...): the line is put together first, then written under stdout's own lock, so
** that lines of several workers never mix. */
static int worker_print(lua_State *L) {
  int n = lua_gettop(L);
  luaL_Buffer b;
  size_t len;
  const char *line;
  luaL_checkstack(L, n + 8, "too many arguments");
  for (int i = 1; i <= n; i++) {
    luaL_tolstring(L, i, NULL);
    lua_replace(L, i);
  }
  luaL_buffinit(L, &b);
  for (int i = 1; i <= n; i++) {
    if (i > 1) luaL_addchar(&b, '\t');
    lua_pushvalue(L, i);
    luaL_addvalue(&b);
  }
  luaL_addchar(&b, '\n');
  luaL_pushresult(&b);
  line = lua_tolstring(L, -1, &len);
  flockfile(stdout);
  fwrite(line, 1, len, stdout);
  fflush(stdout);
  funlockfile(stdout);
  return 0;
}

/* os.exit(...) */
static int worker_exit(lua_State *L) {
  return luaL_error(L, "os.exit called in a worker: only the host program may end the process");
}

void tide_worker_lib_open(lua_State *L) {
  lua_pushcfunction(L, worker_print);
  lua_setglobal(L, "print");
  if (lua_getglobal(L, "os") == LUA_TTABLE) {
    lua_pushcfunction(L, worker_exit);
    lua_setfield(L, -2, "exit");
  }
  lua_pop(L, 1);
}
