/*
** codec/function_load: code to Lua functions.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/function_load.h"

#include <lauxlib.h>

#include "codec/bytecode.h"
#include "luautil/error.h"

/* Raises the error on top unless `status` is LUA_OK. [-0, +0, e] */
static void check_loaded(lua_State *L, int status) {
  if (status == LUA_ERRMEM) lua_error(L);
  if (status != LUA_OK) {
    lua_pushfstring(L, "cannot load a function: %s", lua_tostring(L, -1));
    ti_error_raise(L, TIDE_ETRANSFER, "%s", lua_tostring(L, -1));
  }
}

/* Pushes c's function, loaded anew. [-0, +1, e] */
static void load_once(lua_State *L, const struct ti_code *c) {
  check_loaded(L, luaL_loadbufferx(L, (const char *)ti_code_bytecode(c), c->len, "=tidepool", "b"));
  if (c->nup > 0) { /* lua_load makes the first upvalue the globals */
    lua_pushnil(L);
    lua_setupvalue(L, -2, 1);
  }
}

/* Pushes c's factory, or true if it can have none. [-0, +1, e] */
static void load_factory(lua_State *L, const struct ti_code *c) {
  struct ti_buffer factory;
  int status;
  ti_buffer_init(&factory, &ti_alloc_default);
  if (ti_bytecode_factory(ti_code_bytecode(c), c->len, &factory)) {
    /* lua_load does not raise, so the buffer is freed in any case */
    status = luaL_loadbufferx(L, (const char *)factory.data, factory.len, "=tidepool", "b");
    ti_buffer_fini(&factory);
    check_loaded(L, status);
  } else {
    bool failed = factory.failed;
    ti_buffer_fini(&factory);
    if (failed) luaL_error(L, "not enough memory");
    lua_pushboolean(L, 1);
  }
}

void ti_function_load_push(lua_State *L, struct ti_code *c, int xidx) {
  int type;
  luaL_checkstack(L, 8, NULL);
  ti_codec_state_table(L, xidx, CODEC_LOADED);
  type = lua_rawgetp(L, -1, c);
  if (type == LUA_TNIL) {
    lua_pop(L, 2);
    load_factory(L, c);
    if (!ti_codec_state_keep(L, xidx, c)) luaL_error(L, "not enough memory");
    ti_codec_state_table(L, xidx, CODEC_LOADED);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, c);
    lua_insert(L, -2);
    type = lua_type(L, -1);
  }
  if (type == LUA_TFUNCTION) {
    lua_call(L, 0, 1);
  } else {
    lua_pop(L, 1);
    load_once(L, c);
  }
  lua_remove(L, -2);
}
