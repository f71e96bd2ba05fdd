/*
** luautil/library_copy: which copy of the library a state uses.
**
** SPDX-License-Identifier: MIT
*/
#include "luautil/library_copy.h"

#include <lauxlib.h>
#include <string.h>

#define CORE "tidepool.core"

/* Keys in the registry that all copies know: the address of the copy's `here`, and its
** description. */
#define MARK "tidepool.copy"
#define WORDS "tidepool.copy.words"

static const char here = 0;

/* Raises: the state uses another copy, which `other` describes. */
static void refuse(lua_State *L, const struct ti_library_copy *copy, const char *from,
                   const char *other) {
  if (from != NULL) lua_pushfstring(L, ", loaded from %s", from);
  luaL_error(
      L,
      "a second copy of tidepool (version %s%s): this state uses another one "
      "(%s), and their objects do not fit together. A program that has tidepool in itself calls "
      "tide_makeknown before its scripts run, or puts luaopen_tidepool_core into "
      "package.preload[\"" CORE "\"]: then `require` gives that copy",
      copy->version, from != NULL ? lua_tostring(L, -1) : "", other);
}

/* Makes `require` open this copy. [-0, +0, m] */
static void preload(lua_State *L, lua_CFunction core) {
  int top = lua_gettop(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, CORE) == LUA_TNIL) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    if (lua_getfield(L, -1, CORE) == LUA_TNIL) {
      lua_pushcfunction(L, core);
      lua_setfield(L, -3, CORE);
    }
  }
  lua_settop(L, top);
}

void ti_library_copy_claim(lua_State *L, const struct ti_library_copy *copy, const char *from) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 8, NULL);
  if (lua_getfield(L, LUA_REGISTRYINDEX, MARK) == LUA_TLIGHTUSERDATA) {
    if (lua_touserdata(L, -1) != (const void *)&here) {
      lua_getfield(L, LUA_REGISTRYINDEX, WORDS);
      refuse(L, copy, from, lua_tostring(L, -1));
    }
    lua_settop(L, top);
    return;
  }
  if (luaL_getmetatable(L, "tidepool.executor") != LUA_TNIL)
    refuse(L, copy, from, "of an older version");
  lua_pushfstring(L, from != NULL ? "version %s, loaded from %s" : "version %s", copy->version,
                  from);
  lua_setfield(L, LUA_REGISTRYINDEX, WORDS);
  preload(L, copy->core);
  lua_pushlightuserdata(L, (void *)(uintptr_t)&here);
  lua_setfield(L, LUA_REGISTRYINDEX, MARK); /* last: never half done */
  lua_settop(L, top);
}
