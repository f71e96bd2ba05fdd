/* link: tidepool */
/*
** lua_version_test.c: a Lua that the library does not work with is refused at load, in one line.
** This program says in Lua's place which release it is, what luaL_checkversion finds, and what
** lua_gc returns.
**
** SPDX-License-Identifier: MIT
*/
#include <dlfcn.h>
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "binding/lua_binding.h"
#include "check.h"

int luaopen_tidepool_core(lua_State *L);

/* Instead of the one in the shared library. */
const char lua_ident[] = "$LuaVersion: Lua 5.4.3  Copyright (C) 1994-2021 Lua.org, PUC-Rio $";

static const char *found; /* what luaL_checkversion raises; NULL: nothing */
static bool early;        /* lua_gc returns the same as before 5.4.4, within finalizers, too */

LUALIB_API void luaL_checkversion_(lua_State *L, lua_Number version, size_t sizes) {
  (void)version;
  (void)sizes;
  if (found != NULL) luaL_error(L, "%s", found);
}

LUA_API int lua_gc(lua_State *L, int what, ...) {
  int (*real)(lua_State *, int, ...);
  *(void **)&real = dlsym(RTLD_NEXT, "lua_gc");
  return early && what == LUA_GCISRUNNING ? 0 : real(L, what, 0, 0, 0);
}

static int check_release(lua_State *L) {
  ti_lua_version_check_release(L, (const char *)lua_touserdata(L, 1));
  return 0;
}

/* Returns whether fn, called with `arg`, fails with just this text; NULL: whether it succeeds. */
static bool says(lua_CFunction fn, const char *arg, const char *words) {
  lua_State *L = luaL_newstate();
  bool same;
  lua_pushcfunction(L, fn);
  lua_pushlightuserdata(L, (void *)(uintptr_t)arg);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK)
    same = words == NULL;
  else
    same = words != NULL && strcmp(lua_tostring(L, -1), words) == 0;
  if (!same) printf("%s\n", lua_tostring(L, -1));
  lua_close(L);
  return same;
}

int main(void) {
  const char *old = "tidepool needs Lua 5.4.4 or later of 5.4, and this is Lua 5.4.3";
  CHECK(says(luaopen_tidepool_core, NULL, old));

  CHECK(says(check_release, lua_ident, old));
  CHECK(says(check_release, "$LuaVersion: Lua 5.4.0  Copyright (C) 1994-2020 $",
             "tidepool needs Lua 5.4.4 or later of 5.4, and this is Lua 5.4.0"));
  CHECK(says(check_release, "$LuaVersion: Lua 5.4.4  Copyright (C) 1994-2022 $", NULL));
  CHECK(says(check_release, "$LuaVersion: Lua 5.4.10  Copyright (C) 1994-2030 $", NULL));

  /* by what Lua does: it is another's name, or has none */
  CHECK(says(check_release, NULL, NULL));
  CHECK(says(check_release, "$Lua: Lua 5.1.5 Copyright (C) 1994-2012 $", NULL));
  CHECK(says(check_release, "", NULL));
  early = true;
  CHECK(says(check_release, NULL,
             "tidepool needs Lua 5.4.4 or later of 5.4, and this is an older one"));
  early = false;

  found = "core and library have incompatible numeric types";
  CHECK(says(luaopen_tidepool_core, NULL,
             "tidepool needs a Lua whose integers and floats have 64 bits: core and library have "
             "incompatible numeric types"));
  found = "version mismatch: app./library 504/503";
  CHECK(says(luaopen_tidepool_core, NULL,
             "tidepool needs Lua 5.4.4 or later of 5.4: version mismatch: app./library 504/503"));
  return check_done();
}
