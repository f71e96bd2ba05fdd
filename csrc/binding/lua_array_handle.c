/*
** binding/lua_array_handle: the userdata that scripts have for arrays.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_array_handle.h"

#include <stdint.h>
#include <string.h>

static const char metatable_key = 0; /* its address is the registry's key of the metatable */

bool ti_lua_array_handle_push_metatable(lua_State *L) {
  return lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key) == LUA_TTABLE;
}

void ti_lua_array_handle_set_metatable(lua_State *L) {
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_key);
}

struct ti_lua_array *ti_lua_array_handle_test(lua_State *L, int idx) {
  struct ti_lua_array *b = (struct ti_lua_array *)lua_touserdata(L, idx);
  bool same;
  if (!b || !lua_getmetatable(L, idx)) return NULL;
  ti_lua_array_handle_push_metatable(L);
  same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same ? b : NULL;
}

struct ti_lua_array *ti_lua_array_handle_check(lua_State *L, int arg) {
  struct ti_lua_array *b = ti_lua_array_handle_test(L, arg);
  if (!b) ti_lua_support_type_error(L, arg, TI_LUA_ARRAY);
  if (!b->a) ti_lua_support_arg_error(L, arg, "the array is collected already");
  return b;
}

struct ti_lua_array *ti_lua_array_handle_new(lua_State *L) {
  struct ti_lua_array *b;
  luaL_checkstack(L, 6, NULL);
  b = (struct ti_lua_array *)lua_newuserdatauv(L, sizeof *b, 0);
  memset(b, 0, sizeof *b);
  ti_lua_array_handle_push_metatable(L);
  lua_setmetatable(L, -2);
  return b;
}

void ti_lua_array_handle_fill(struct ti_lua_array *b, tide_array *a) {
  b->a = a;
  b->data = tide_array_data(a);
  b->n = tide_array_length(a);
  b->type = tide_array_type(a);
}

void ti_lua_array_handle_add_debt(lua_State *L, size_t bytes) {
  const size_t most = (size_t)1 << 20;
  size_t kib = bytes / 1024 + (bytes % 1024 >= 512);
  if (kib > 0 && lua_gc(L, LUA_GCISRUNNING) > 0)
    lua_gc(L, LUA_GCSTEP, (int)(kib < most ? kib : most));
}

struct ti_lua_array *ti_lua_array_handle_new_zeros(lua_State *L, tide_element type, size_t n) {
  struct ti_lua_array *b = ti_lua_array_handle_new(L);
  size_t size = tide_element_size((int)type);
  tide_array *a;
  int status;
  /* first, since the new array may take the memory that the collector frees */
  ti_lua_array_handle_add_debt(L, n > SIZE_MAX / size ? SIZE_MAX : n * size);
  status = tide_array_new(&a, type, n);
  if (status == TIDE_ENOMEM) { /* Lua does the same for memory of its own */
    lua_gc(L, LUA_GCCOLLECT);
    status = tide_array_new(&a, type, n);
  }
  if (status != TIDE_OK) ti_lua_support_raise(L, status, NULL);
  ti_lua_array_handle_fill(b, a);
  return b;
}

void ti_lua_array_handle_push_view(lua_State *L, const struct ti_lua_array *b, size_t at,
                                   size_t n) {
  struct ti_lua_array *view = ti_lua_array_handle_new(L);
  tide_array *a;
  int status = tide_array_slice(&a, b->a, at, n);
  if (status != TIDE_OK) ti_lua_support_raise(L, status, NULL);
  ti_lua_array_handle_fill(view, a);
}
