/*
** binding/lua_array_element: one element of an array, to a Lua value and back.
**
** Elements are read with acquire and written with release. A thread that reads the new value of an
** element therefore sees what the writing script wrote before it.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_BINDING_LUA_ARRAY_ELEMENT_H
#define TI_BINDING_LUA_ARRAY_ELEMENT_H

#include <stdatomic.h>
#include <stdint.h>

#include "binding/lua_binding.h"

TI_BINDING_BEGIN

/* Pushes why the value at idx cannot be an element of that type. Returns it. [-0, +1, m] */
const char *ti_lua_array_element_push_misfit(lua_State *L, int idx, tide_element type);
/* Stores the number at idx, which is no integer of Lua, in *bits if u64 has it: 2^63 to 2^64 - 1.
** Returns false for others. [-0, +0, -] */
bool ti_lua_array_element_huge_integer(lua_State *L, int idx, lua_Integer *bits);

#define TI_CELL(T, data, i) ((_Atomic(T) *)(data) + (i))
#define TI_CELL_LOAD(T) atomic_load_explicit((const _Atomic(T) *)(data) + (i), memory_order_acquire)
#define TI_CELL_STORE(T, v) atomic_store_explicit(TI_CELL(T, data, i), (T)(v), memory_order_release)

/* Pushes element i, counted from 0, which exists. [-0, +1, -] */
static inline void ti_lua_array_element_push(lua_State *L, tide_element type, const void *data,
                                             size_t i) {
  switch (type) {
    case TIDE_I8: lua_pushinteger(L, TI_CELL_LOAD(int8_t)); break;
    case TIDE_I16: lua_pushinteger(L, TI_CELL_LOAD(int16_t)); break;
    case TIDE_I32: lua_pushinteger(L, TI_CELL_LOAD(int32_t)); break;
    case TIDE_I64: lua_pushinteger(L, (lua_Integer)TI_CELL_LOAD(int64_t)); break;
    case TIDE_U8: lua_pushinteger(L, TI_CELL_LOAD(uint8_t)); break;
    case TIDE_U16: lua_pushinteger(L, TI_CELL_LOAD(uint16_t)); break;
    case TIDE_U32: lua_pushinteger(L, TI_CELL_LOAD(uint32_t)); break;
    case TIDE_U64: lua_pushinteger(L, (lua_Integer)TI_CELL_LOAD(uint64_t)); break;
    case TIDE_F32: lua_pushnumber(L, (lua_Number)TI_CELL_LOAD(float)); break;
    case TIDE_F64: lua_pushnumber(L, (lua_Number)TI_CELL_LOAD(double)); break;
  }
}

/* Sets element i to an integer. Returns false if the type cannot hold it. */
static inline bool ti_lua_array_element_put_integer(tide_element type, void *data, size_t i,
                                                    lua_Integer v) {
  lua_Unsigned u = (lua_Unsigned)v;
  switch (type) {
    case TIDE_I8:
      if (u + 0x80u > 0xFFu) return false;
      TI_CELL_STORE(int8_t, v);
      return true;
    case TIDE_I16:
      if (u + 0x8000u > 0xFFFFu) return false;
      TI_CELL_STORE(int16_t, v);
      return true;
    case TIDE_I32:
      if (u + 0x80000000u > 0xFFFFFFFFu) return false;
      TI_CELL_STORE(int32_t, v);
      return true;
    case TIDE_I64: TI_CELL_STORE(int64_t, v); return true;
    case TIDE_U8:
      if (u > 0xFFu) return false;
      TI_CELL_STORE(uint8_t, u);
      return true;
    case TIDE_U16:
      if (u > 0xFFFFu) return false;
      TI_CELL_STORE(uint16_t, u);
      return true;
    case TIDE_U32:
      if (u > 0xFFFFFFFFu) return false;
      TI_CELL_STORE(uint32_t, u);
      return true;
    case TIDE_U64: TI_CELL_STORE(uint64_t, u); return true;
    case TIDE_F32: TI_CELL_STORE(float, (lua_Number)v); return true;
    case TIDE_F64: TI_CELL_STORE(double, v); return true;
  }
  return false;
}

/* Sets element i to the value at idx. Returns false if the type cannot hold it. [-0, +0, -] */
static inline bool ti_lua_array_element_put(lua_State *L, int idx, tide_element type, void *data,
                                            size_t i) {
  lua_Integer v;
  int isint;
  if (lua_isinteger(L, idx))
    return ti_lua_array_element_put_integer(type, data, i, lua_tointeger(L, idx));
  if (lua_type(L, idx) != LUA_TNUMBER) return false;
  if (type == TIDE_F64) {
    TI_CELL_STORE(double, lua_tonumber(L, idx));
    return true;
  }
  if (type == TIDE_F32) {
    TI_CELL_STORE(float, lua_tonumber(L, idx));
    return true;
  }
  v = lua_tointegerx(L, idx, &isint);
  if (!isint && !(type == TIDE_U64 && ti_lua_array_element_huge_integer(L, idx, &v))) return false;
  return ti_lua_array_element_put_integer(type, data, i, v);
}

TI_BINDING_END

#endif
