/*
** binding/lua_array_handle: the userdata that scripts have for arrays.
**
** lua_array makes their metatable; it registers it here before the first handle is made.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_BINDING_LUA_ARRAY_HANDLE_H
#define TI_BINDING_LUA_ARRAY_HANDLE_H

#include "binding/lua_binding.h"

TI_BINDING_BEGIN

/* An array's userdata. It repeats what `a` knows of itself, to save a step for each element. */
struct ti_lua_array {
  tide_array *a; /* a reference; NULL before it is filled and once collected, then n is 0 */
  void *data;
  size_t n;
  tide_element type;
  bool known; /* is in the table in which tide_pusharray finds handles again */
};

/* Pushes the metatable of handles. Returns false, and pushes nil, if this state has none yet.
** [-0, +1, -] */
bool ti_lua_array_handle_push_metatable(lua_State *L);
/* Makes the table on top the metatable of handles. [-0, +0, m] */
void ti_lua_array_handle_set_metatable(lua_State *L);

/* Returns the handle at idx, or NULL. It may be collected. [-0, +0, -] */
struct ti_lua_array *ti_lua_array_handle_test(lua_State *L, int idx);
/* Returns the array in argument `arg`. Raises an error if it is none. [-0, +0, e] */
struct ti_lua_array *ti_lua_array_handle_check(lua_State *L, int arg);

/* Pushes an empty handle and returns it. The metatable is registered. [-0, +1, m] */
struct ti_lua_array *ti_lua_array_handle_new(lua_State *L);
/* Fills an empty handle. Takes over the caller's reference to the array. */
void ti_lua_array_handle_fill(struct ti_lua_array *b, tide_array *a);
/* Pushes a new array of n zeros and returns it. Raises TIDE_ENOMEM. [-0, +1, e] */
struct ti_lua_array *ti_lua_array_handle_new_zeros(lua_State *L, tide_element type, size_t n);
/* Pushes a view of an array: n elements from `at` on, which exist. [-0, +1, e] */
void ti_lua_array_handle_push_view(lua_State *L, const struct ti_lua_array *b, size_t at, size_t n);

/* Makes the collector do the work that `bytes` of Lua's own memory would cause, unless it is
** stopped: it does not see the memory of elements. [-0, +0, -] */
void ti_lua_array_handle_add_debt(lua_State *L, size_t bytes);

TI_BINDING_END

#endif
