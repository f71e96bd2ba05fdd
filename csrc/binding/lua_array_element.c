/*
** binding/lua_array_element: one element of an array, to a Lua value and back.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_array_element.h"

bool ti_lua_array_element_huge_integer(lua_State *L, int idx, lua_Integer *bits) {
  lua_Number f = lua_tonumber(L, idx);
  if (!(f >= 0x1p63 && f < 0x1p64)) return false;
  *bits = (lua_Integer)(lua_Unsigned)f; /* a double of this size has no fraction */
  return true;
}

/* Returns whether a number has no fraction. Does without <math.h>: nothing else here needs that
** library. */
static bool is_whole(lua_Number f) {
  if (!(f > -0x1p53 && f < 0x1p53)) return f - f == 0; /* whole, unless infinite or not a number */
  return f == (lua_Number)(lua_Integer)f;
}

const char *ti_lua_array_element_push_misfit(lua_State *L, int idx, tide_element type) {
  const char *name = tide_element_name((int)type);
  int bits = (int)tide_element_size((int)type) * 8;
  lua_Number f = lua_tonumber(L, idx);
  const char *value;
  if (lua_type(L, idx) != LUA_TNUMBER)
    return lua_pushfstring(L, "%s: number expected, got %s", name, luaL_typename(L, idx));
  value = luaL_tolstring(L, idx, NULL);
  if (!lua_isinteger(L, idx) && !is_whole(f)) /* infinite numbers are not whole either */
    value = lua_pushfstring(L, "%s is no integer, which %s needs", value, name);
  else if (type == TIDE_U64)
    value = lua_pushfstring(L, "%s is out of range of u64 (0 to 18446744073709551615)", value);
  else if (name[0] == 'u')
    value = lua_pushfstring(L, "%s is out of range of %s (0 to %I)", value, name,
                            ((lua_Integer)1 << bits) - 1);
  else
    value = lua_pushfstring(L, "%s is out of range of %s (%I to %I)", value, name,
                            (lua_Integer)(~(lua_Unsigned)0 << (bits - 1)),
                            (lua_Integer)(((lua_Unsigned)1 << (bits - 1)) - 1));
  lua_remove(L, -2);
  return value;
}
