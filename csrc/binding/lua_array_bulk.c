/*
** binding/lua_array_bulk: many elements of an array at once.
**
** tidepool.array, and the methods that take a range. A range i, j is like that of string.sub, but
** must lie within the array: i from 1 to #a + 1, j from 0 to #a. Negative positions count from the
** end. The range is empty if j < i.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_array_bulk.h"
#include "binding/lua_array_element.h"
#include "binding/lua_array_handle.h"

#include <limits.h>
#include <string.h>

/* --------------------------------------------------------------- range -- */

/* Returns the position in argument `arg`, from `least` to `most`. Negative ones count from the end
** of n elements. nil stands for `otherwise`. [-0, +0, e] */
static lua_Integer position(lua_State *L, int arg, lua_Integer n, lua_Integer least,
                            lua_Integer most, lua_Integer otherwise) {
  int isint;
  lua_Integer given, i;
  if (lua_isnoneornil(L, arg)) return otherwise;
  if (lua_type(L, arg) != LUA_TNUMBER) ti_lua_support_type_error(L, arg, "integer");
  given = lua_tointegerx(L, arg, &isint);
  if (!isint) ti_lua_support_arg_error(L, arg, "number has no integer representation");
  i = given < 0 ? given + n + 1 : given;
  if (i < least || i > most)
    ti_lua_support_arg_error(
        L, arg, lua_pushfstring(L, "%I is out of range (%I to %I)", given, least, most));
  return i;
}

/* Reads the range in arguments `arg` and `arg` + 1. Returns its start, counted from 0, and stores
** the number of its elements. [-0, +0, e] */
static size_t range(lua_State *L, int arg, const struct ti_lua_array *b, size_t *count) {
  lua_Integer n = (lua_Integer)b->n;
  lua_Integer i = position(L, arg, n, 1, n + 1, 1);
  lua_Integer j = position(L, arg + 1, n, 0, n, n);
  *count = j < i ? 0 : (size_t)(j - i + 1);
  return (size_t)(i - 1);
}

/* a:slice([i [, j]]) -> a view of the range */
int ti_lua_array_bulk_slice(lua_State *L) {
  struct ti_lua_array *b = ti_lua_array_handle_check(L, 1);
  size_t n, at = range(L, 2, b, &n);
  ti_lua_array_handle_push_view(L, b, at, n);
  return 1;
}

/* a:fill(v [, i [, j]]) -> a */
int ti_lua_array_bulk_fill(lua_State *L) {
  struct ti_lua_array *b = ti_lua_array_handle_check(L, 1);
  size_t n, at = range(L, 3, b, &n);
  uint64_t element = 0;
  if (!ti_lua_array_element_put(L, 2, b->type, &element, 0))
    return ti_lua_support_arg_error(L, 2, ti_lua_array_element_push_misfit(L, 2, b->type));
  tide_array_fill(b->a, at, n, &element);
  lua_settop(L, 1);
  return 1;
}

/* a:copy() -> a new array with the same elements
** a:copy(from [, i]) -> a, after all of `from` was copied to position i and after it */
int ti_lua_array_bulk_copy(lua_State *L) {
  struct ti_lua_array *to, *b = ti_lua_array_handle_check(L, 1);
  const struct ti_lua_array *from;
  lua_Integer n = (lua_Integer)b->n, i;
  if (lua_isnone(L, 2)) {
    to = ti_lua_array_handle_new_zeros(L, b->type, b->n);
    tide_array_copy(to->a, 0, b->a, 0, b->n);
    return 1;
  }
  from = ti_lua_array_handle_check(L, 2);
  if (from->type != b->type)
    return ti_lua_support_arg_error(L, 2,
                                    lua_pushfstring(L, "an array of %s expected, got one of %s",
                                                    tide_element_name((int)b->type),
                                                    tide_element_name((int)from->type)));
  i = position(L, 3, n, 1, n + 1, 1);
  if (tide_array_copy(b->a, (size_t)i - 1, from->a, 0, from->n) != TIDE_OK)
    return ti_lua_support_arg_error(L, 2,
                                    lua_pushfstring(L,
                                                    "%I elements from %I on do not fit (1 to %I)",
                                                    (lua_Integer)from->n, i, n));
  lua_settop(L, 1);
  return 1;
}

/* a:tostring([i [, j]]) -> the bytes of the range */
int ti_lua_array_bulk_to_string(lua_State *L) {
  struct ti_lua_array *b = ti_lua_array_handle_check(L, 1);
  size_t n, at = range(L, 2, b, &n), bytes = n * tide_element_size((int)b->type);
  luaL_Buffer buffer;
  tide_array_read(b->a, at, n, luaL_buffinitsize(L, &buffer, bytes));
  luaL_pushresultsize(&buffer, bytes);
  return 1;
}

/* a:totable([i [, j]]) -> a sequence of the elements of the range */
int ti_lua_array_bulk_to_table(lua_State *L) {
  struct ti_lua_array *b = ti_lua_array_handle_check(L, 1);
  size_t n, at = range(L, 2, b, &n);
  if (n > INT_MAX) return ti_lua_support_arg_error(L, 1, "too many elements for a table");
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    ti_lua_array_element_push(L, b->type, b->data, at + i);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* -------------------------------------------------------------- making -- */

static tide_element checktype(lua_State *L, int arg) {
  const char *name;
  if (lua_type(L, arg) != LUA_TSTRING) ti_lua_support_type_error(L, arg, "string");
  name = lua_tostring(L, arg);
  for (int t = 0; tide_element_name(t); t++)
    if (strcmp(name, tide_element_name(t)) == 0) return (tide_element)t;
  return (tide_element)ti_lua_support_arg_error(
      L, arg,
      lua_pushfstring(L, "unknown type '%s'; types: i8 i16 i32 i64 u8 u16 u32 u64 f32 f64", name));
}

/* Pushes an array of as many zeros as argument 2 says. [-0, +1, e] */
static void fromcount(lua_State *L, tide_element type) {
  int isint;
  lua_Integer n = lua_tointegerx(L, 2, &isint);
  if (!isint) ti_lua_support_arg_error(L, 2, "number has no integer representation");
  if (n < 0) ti_lua_support_arg_error(L, 2, lua_pushfstring(L, "a count cannot be %I", n));
  ti_lua_array_handle_new_zeros(L, type, (size_t)n);
}

/* Pushes an array of the bytes of the string in argument 2. [-0, +1, e] */
static void fromstring(lua_State *L, tide_element type) {
  size_t len, esize = tide_element_size((int)type);
  const char *s = lua_tolstring(L, 2, &len);
  struct ti_lua_array *b;
  if (len % esize != 0)
    ti_lua_support_arg_error(
        L, 2,
        lua_pushfstring(L, "%I bytes are not a whole number of %s, of %d bytes each",
                        (lua_Integer)len, tide_element_name((int)type), (int)esize));
  b = ti_lua_array_handle_new_zeros(L, type, len / esize);
  if (len > 0) memcpy(b->data, s, len);
}

/* Pushes an array of the items of argument 2: a table or an array. [-0, +1, e] */
static void fromsequence(lua_State *L, tide_element type) {
  lua_Integer n;
  int isint;
  struct ti_lua_array *b;
  if (ti_lua_support_push_dictionary(L, 2))
    ti_lua_support_arg_error(L, 2,
                             lua_pushfstring(L, "sequence expected, got %s", lua_tostring(L, -1)));
  lua_len(L, 2);
  n = lua_tointegerx(L, -1, &isint);
  if (!isint) ti_lua_support_arg_error(L, 2, "its length is no integer");
  lua_pop(L, 1);
  if (n < 0) ti_lua_support_arg_error(L, 2, lua_pushfstring(L, "a length cannot be %I", n));
  b = ti_lua_array_handle_new_zeros(L, type, (size_t)n);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(L, 2, i);
    if (!ti_lua_array_element_put(L, -1, type, b->data, (size_t)i - 1))
      ti_lua_support_arg_error(
          L, 2,
          lua_pushfstring(L, "item %I: %s", i, ti_lua_array_element_push_misfit(L, -1, type)));
    lua_pop(L, 1);
  }
}

int ti_lua_array_bulk_new(lua_State *L) {
  tide_element type = checktype(L, 1);
  const struct ti_lua_array *array;
  switch (lua_type(L, 2)) {
    case LUA_TNUMBER: fromcount(L, type); break;
    case LUA_TSTRING: fromstring(L, type); break;
    case LUA_TTABLE: fromsequence(L, type); break;
    default:
      array = ti_lua_array_handle_test(L, 2);
      if (!array || !array->a)
        return ti_lua_support_type_error(L, 2, "count, table, string or array");
      fromsequence(L, type);
  }
  return 1;
}
