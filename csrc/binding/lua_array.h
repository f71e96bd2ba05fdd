/*
** binding/lua_array: what the files for arrays in scripts share.
**
** Of an element: to a Lua value and back. Single elements are read with acquire, written with
** release, so what a script wrote before is seen by who reads that element's new value.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_BINDING_LUA_ARRAY_H
#define TI_BINDING_LUA_ARRAY_H

#include <stdatomic.h>
#include <stdint.h>

#include "binding/lua_binding.h"

#if defined(__GNUC__)
#pragma GCC visibility push(hidden)
#endif

/* An array's userdata. What `a` says of itself is kept here too, a step nearer. */
struct ti_lua_array {
  tide_array *a; /* a reference; NULL before it is filled and once collected, then n is 0 */
  void *data;
  size_t n;
  tide_element type;
  bool known; /* is among those that tide_pusharray finds again */
};

/* The array in argument `arg`. [-0, +0, e] */
struct ti_lua_array *ti_lua_array_check(lua_State *L, int arg);
/* Pushes a new array of n zeros. [-0, +1, e] */
struct ti_lua_array *ti_lua_array_new_zeros(lua_State *L, tide_element type, size_t n);
/* Pushes a view of another: n elements from `at` on, which are there. [-0, +1, e] */
void ti_lua_array_push_view(lua_State *L, const struct ti_lua_array *b, size_t at, size_t n);

/* Pushes why the value at idx is no element of that type. [-0, +1, m] */
const char *ti_lua_array_push_misfit(lua_State *L, int idx, tide_element type);
/* The bits of a number that is no integer of Lua, if u64 has it: 2^63 to 2^64 - 1. [-0, +0, -] */
bool ti_lua_array_huge_integer(lua_State *L, int idx, lua_Integer *bits);

/* The methods that work on many elements, for the class. */
int ti_lua_array_bulk_slice(lua_State *L);
int ti_lua_array_bulk_fill(lua_State *L);
int ti_lua_array_bulk_copy(lua_State *L);
int ti_lua_array_bulk_to_string(lua_State *L);
int ti_lua_array_bulk_to_table(lua_State *L);

/* ------------------------------------------------------------- element -- */

#define TI_CELL(T, data, i) ((_Atomic(T) *)(data) + (i))
#define TI_CELL_LOAD(T) atomic_load_explicit((const _Atomic(T) *)(data) + (i), memory_order_acquire)
#define TI_CELL_STORE(T, v) atomic_store_explicit(TI_CELL(T, data, i), (T)(v), memory_order_release)

/* Pushes element i, counted from 0, which is there. [-0, +1, -] */
static inline void ti_lua_array_push_cell(lua_State *L, tide_element type, const void *data,
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

/* An integer of the type's range, or false. */
static inline bool ti_lua_array_put_integer(tide_element type, void *data, size_t i,
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

/* Sets element i to the value at idx; false if that does not fit. [-0, +0, -] */
static inline bool ti_lua_array_put_cell(lua_State *L, int idx, tide_element type, void *data,
                                         size_t i) {
  lua_Integer v;
  int isint;
  if (lua_isinteger(L, idx)) return ti_lua_array_put_integer(type, data, i, lua_tointeger(L, idx));
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
  if (!isint && !(type == TIDE_U64 && ti_lua_array_huge_integer(L, idx, &v))) return false;
  return ti_lua_array_put_integer(type, data, i, v);
}

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#endif
