/*
** binding/lua_version: whether the library works with the Lua that runs.
**
** That Lua may differ from the one whose headers the library was compiled with. Untested versions
** are refused at load, before anything else is done.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_binding.h"

#include <stdlib.h>
#include <string.h>

/* The first release of 5.4 that the library works with. */
#define LEAST 4

/* Part of Lua's API, but a program that contains Lua may not export it. */
#if defined(__GNUC__)
#pragma weak lua_ident
#endif

static int check_version(lua_State *L) {
  luaL_checkversion(L);
  return 0;
}

/* A finalizer. Sets the int at its upvalue to whether Lua is 5.4.4 or later: only these return -1
** during a collection. */
static int probe(lua_State *L) {
  *(int *)lua_touserdata(L, lua_upvalueindex(1)) = lua_gc(L, LUA_GCISRUNNING) == -1;
  return 0;
}

/* (address of the int): makes the collector call the finalizer. */
static int run_probe(lua_State *L) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, probe, 1);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_settop(L, 0);
  lua_gc(L, LUA_GCCOLLECT);
  return 0;
}

/* Returns whether the Lua that runs is 5.4.4 or later, judged by its behaviour; negative: no
** memory. Uses a state of its own, since it needs a full collection. */
static int is_late(void) {
  int late = -1;
  lua_State *scratch = luaL_newstate();
  if (scratch == NULL) return -1;
  lua_pushcfunction(scratch, run_probe);
  lua_pushlightuserdata(scratch, &late);
  if (lua_pcall(scratch, 1, 0, 0) != LUA_OK) late = -1;
  lua_close(scratch);
  return late;
}

void ti_lua_version_check_release(lua_State *L, const char *ident) {
  const char *release = ident != NULL ? strstr(ident, "Lua 5.4.") : NULL;
  int late;
  if (release != NULL) {
    long number = strtol(release + sizeof "Lua 5.4." - 1, NULL, 10);
    if (number < LEAST)
      luaL_error(L, "tidepool needs Lua 5.4.4 or later of 5.4, and this is Lua 5.4.%d",
                 (int)number);
    return;
  }
  late = is_late();
  if (late < 0) luaL_error(L, "not enough memory");
  if (!late) luaL_error(L, "tidepool needs Lua 5.4.4 or later of 5.4, and this is an older one");
}

void ti_lua_version_check(lua_State *L) {
  int status;
  lua_pushcfunction(L, check_version);
  status = lua_pcall(L, 0, 0, 0);
  if (status == LUA_ERRRUN) {
    const char *words = lua_tostring(L, -1);
    bool numbers = words != NULL && strstr(words, "numeric types") != NULL;
    luaL_error(L, "tidepool needs %s: %s",
               numbers ? "a Lua whose integers and floats have 64 bits"
                       : "Lua 5.4.4 or later of 5.4",
               words != NULL ? words : "?");
  }
  if (status != LUA_OK) lua_error(L);
  ti_lua_version_check_release(L, lua_ident);
}
