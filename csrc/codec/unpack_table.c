/*
** codec/unpack_table: tables of a message to Lua.
**
** SPDX-License-Identifier: MIT
*/
#include <limits.h>
#include <string.h>

#include "luautil/error.h"
#include "codec/unpack_impl.h"

static uint32_t get_u32(struct ti_unpacker *U) {
  uint32_t n = 0;
  const unsigned char *p = ti_buffer_get(&U->c, sizeof n);
  if (p != NULL) memcpy(&n, p, sizeof n);
  return n;
}

static int size_hint(uint64_t n) { return n > INT_MAX / 2 ? INT_MAX / 2 : (int)n; }

/* Sets the metatable on top on the table below it, and pops it. Lua reads __gc when a metatable is
** set. That is removed meanwhile, so that no finalizer runs for a copy. Nothing is allocated in
** between: the collector must find __gc for originals with the same metatable. [-1, +0, m] */
static void set_metatable(lua_State *L) {
  int copy = lua_gettop(L) - 1, meta = copy + 1;
  lua_pushliteral(L, "__gc");
  lua_pushvalue(L, -1);
  if (lua_rawget(L, meta) == LUA_TNIL) {
    lua_settop(L, meta);
    lua_setmetatable(L, copy);
    return;
  }
  lua_pushvalue(L, -2);
  lua_pushnil(L);
  lua_rawset(L, meta);
  lua_pushvalue(L, meta);
  lua_setmetatable(L, copy);
  lua_rawset(L, meta);
  lua_settop(L, copy);
}

static void unpack_metatable(struct ti_unpacker *U) {
  lua_State *L = U->L;
  unsigned byte = U->c.p < U->c.end ? *U->c.p : 0;
  if (WIRE_TAG(byte) == WIRE_ERROR_META) {
    U->c.p++;
    ti_error_metatable(L);
    U->error = true;
  } else {
    ti_unpack_value(U);
    if (!lua_istable(L, -1)) ti_unpack_damaged(U, "a metatable that is no table");
  }
  set_metatable(L);
}

static void unpack_numbers(struct ti_unpacker *U, uint32_t n, bool ints) {
  lua_State *L = U->L;
  const unsigned char *p = ti_buffer_get(&U->c, (size_t)n * 8);
  if (p == NULL) return; /* impossible: these bytes were claimed */
  U->claimed -= (size_t)n * 8;
  for (uint32_t i = 0; i < n; i++, p += 8) {
    if (ints) {
      lua_Integer v;
      memcpy(&v, p, sizeof v);
      lua_pushinteger(L, v);
    } else {
      lua_Number v;
      memcpy(&v, p, sizeof v);
      lua_pushnumber(L, v);
    }
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

void ti_unpack_table_get(struct ti_unpacker *U, unsigned byte, size_t offset) {
  lua_State *L = U->L;
  unsigned tag = WIRE_TAG(byte);
  uint32_t numbers = tag == WIRE_TABLE ? 0 : get_u32(U);
  uint32_t any = get_u32(U), hash = get_u32(U);
  ti_unpack_claim(U, 8 * (uint64_t)numbers + any + 2 * (uint64_t)hash);
  lua_createtable(L, size_hint((uint64_t)numbers + any), size_hint(hash));
  if (byte & WIRE_SHARED) ti_unpack_remember(U, offset);
  if (numbers > 0) unpack_numbers(U, numbers, tag == WIRE_TABLE_INTS);
  for (uint32_t i = 1; i <= any; i++) {
    ti_unpack_claimed(U, 1);
    lua_rawseti(L, -2, (lua_Integer)numbers + i);
  }
  for (uint32_t i = 0; i < hash; i++) {
    int type;
    ti_unpack_claimed(U, 1);
    type = lua_type(L, -1);
    if (type == LUA_TNIL || (type == LUA_TNUMBER && lua_tonumber(L, -1) != lua_tonumber(L, -1)))
      ti_unpack_damaged(U, "a key that cannot be");
    ti_unpack_claimed(U, 1);
    lua_rawset(L, -3);
  }
  if (byte & WIRE_META) unpack_metatable(U);
}
