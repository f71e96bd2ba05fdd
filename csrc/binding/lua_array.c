/*
** binding/lua_array: arrays as scripts see them.
**
** The userdata holds a reference. A state has one userdata for each array that was sent from it or
** to it, in a table with weak values. So a script gets back the userdata that it sent, and an array
** that arrives a thousand times is one object for the collector.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_array_bulk.h"
#include "binding/lua_array_element.h"
#include "binding/lua_array_handle.h"

#include <string.h>

static const char known_key = 0; /* of the table of this state's userdata, by their arrays */

/* --------------------------------------------------------------- class -- */

static const struct ti_lua_class array_class;
static int a_index(lua_State *L);
static int a_newindex(lua_State *L);

/* Pushes the arrays' metatable. Its methods are an upvalue of __index, which is a function.
** [-0, +1, m] */
static void push_class(lua_State *L) {
  if (ti_lua_array_handle_push_metatable(L)) return;
  lua_pop(L, 1);
  ti_lua_support_push_class(L, &array_class);
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, a_newindex, 1);
  lua_setfield(L, -2, "__newindex");
  lua_pushvalue(L, -1);
  if (lua_getfield(L, -2, "__index") == LUA_TTABLE) {
    lua_pushcclosure(L, a_index, 2);
    lua_setfield(L, -2, "__index");
  } else {
    lua_pop(L, 2); /* an earlier call did this, and ran out of memory below */
  }
  ti_lua_array_handle_set_metatable(L);
}

void ti_lua_array_push_methods(lua_State *L) {
  luaL_checkstack(L, 6, NULL);
  push_class(L);
  lua_getfield(L, -1, "__index");
  lua_getupvalue(L, -1, 2);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

/* Pushes an empty handle. [-0, +1, m] */
static struct ti_lua_array *new_handle(lua_State *L) {
  luaL_checkstack(L, 6, NULL);
  push_class(L);
  lua_pop(L, 1);
  return ti_lua_array_handle_new(L);
}

void tide_pusharray(lua_State *L, tide_array *a) {
  struct ti_lua_array *b;
  luaL_checkstack(L, 8, NULL);
  ti_lua_support_push_handles(L, &known_key);
  if (lua_rawgetp(L, -1, a) == LUA_TUSERDATA) {
    b = (struct ti_lua_array *)lua_touserdata(L, -1);
    if (b->a == a) { /* else its finalizer has run: the state is closing */
      lua_remove(L, -2);
      return;
    }
  }
  lua_pop(L, 1);
  b = new_handle(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, -3, a);
  ti_lua_array_handle_fill(b, tide_array_hold(a));
  b->known = true;
  lua_remove(L, -2);
  ti_lua_array_handle_add_debt(L, tide_array_weight(a));
}

tide_array *tide_toarray(lua_State *L, int idx) {
  struct ti_lua_array *b;
  luaL_checkstack(L, 2, NULL);
  b = ti_lua_array_handle_test(L, idx);
  return b ? b->a : NULL;
}

/* ------------------------------------------------------------- element -- */

/* Raises an error that says why the index in argument 2 is wrong. [-0, +0, e] */
static int raise_index(lua_State *L, const struct ti_lua_array *b) {
  int isint;
  lua_Integer i;
  if (lua_type(L, 2) != LUA_TNUMBER)
    return ti_lua_support_error(L, "an array's index must be an integer, got %s",
                                luaL_typename(L, 2));
  i = lua_tointegerx(L, 2, &isint);
  if (!isint)
    return ti_lua_support_error(L, "an array's index must be an integer, got %f",
                                lua_tonumber(L, 2));
  if (b->n == 0) return ti_lua_support_error(L, "index %I is out of range: the array is empty", i);
  return ti_lua_support_error(L, "index %I is out of range (1 to %I)", i, (lua_Integer)b->n);
}

/* Returns the array in argument 1. Its metatable is upvalue 1. [-0, +0, e] */
static struct ti_lua_array *self(lua_State *L) {
  struct ti_lua_array *b = (struct ti_lua_array *)lua_touserdata(L, 1);
  if (b && lua_getmetatable(L, 1)) {
    bool same = lua_rawequal(L, -1, lua_upvalueindex(1));
    lua_pop(L, 1);
    if (same) return b;
  }
  ti_lua_support_error(L, "%s expected, got %s", TI_LUA_ARRAY, luaL_typename(L, 1));
  return NULL;
}

/* a[i], a.method. The index after the last gives nil: ipairs stops there. */
static int a_index(lua_State *L) {
  struct ti_lua_array *b = self(L);
  lua_Unsigned i;
  if (lua_type(L, 2) == LUA_TSTRING) {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(2));
    return 1;
  }
  i = (lua_Unsigned)lua_tointeger(L, 2) - 1; /* a value that is no number counts as 0 */
  if (i < b->n) {
    ti_lua_array_element_push(L, b->type, b->data, (size_t)i);
    return 1;
  }
  if (i == b->n) {
    lua_pushnil(L);
    return 1;
  }
  return raise_index(L, b);
}

/* a[i] = v */
static int a_newindex(lua_State *L) {
  struct ti_lua_array *b = self(L);
  lua_Unsigned i = lua_type(L, 2) == LUA_TNUMBER ? (lua_Unsigned)lua_tointeger(L, 2) - 1 : b->n;
  if (i >= b->n) return raise_index(L, b);
  if (!ti_lua_array_element_put(L, 3, b->type, b->data, (size_t)i))
    return ti_lua_support_error(L, "%s", ti_lua_array_element_push_misfit(L, 3, b->type));
  return 0;
}

#define ADD(T, U)                                                                                  \
  do {                                                                                             \
    U after =                                                                                      \
        (U)(atomic_fetch_add_explicit(TI_CELL(U, b->data, i), (U)v, memory_order_acq_rel) + (U)v); \
    lua_pushinteger(L, (lua_Integer)(T)after);                                                     \
  } while (0)

/* a:add(i, v) -> the element's new value. Atomic. Wraps around. */
static int a_add(lua_State *L) {
  struct ti_lua_array *b = ti_lua_array_handle_check(L, 1);
  lua_Unsigned i, v;
  int isint;
  if (b->type >= TIDE_F32)
    return ti_lua_support_arg_error(
        L, 1, lua_pushfstring(L, "%s is no integer type", tide_element_name((int)b->type)));
  if (lua_type(L, 2) != LUA_TNUMBER) return ti_lua_support_type_error(L, 2, "integer");
  i = (lua_Unsigned)lua_tointeger(L, 2) - 1;
  if (i >= b->n) return raise_index(L, b);
  if (lua_type(L, 3) != LUA_TNUMBER) return ti_lua_support_type_error(L, 3, "integer");
  v = (lua_Unsigned)lua_tointegerx(L, 3, &isint);
  if (!isint) return ti_lua_support_arg_error(L, 3, "number has no integer representation");
  switch (b->type) {
    case TIDE_I8: ADD(int8_t, uint8_t); break;
    case TIDE_I16: ADD(int16_t, uint16_t); break;
    case TIDE_I32: ADD(int32_t, uint32_t); break;
    case TIDE_U8: ADD(uint8_t, uint8_t); break;
    case TIDE_U16: ADD(uint16_t, uint16_t); break;
    case TIDE_U32: ADD(uint32_t, uint32_t); break;
    default: ADD(lua_Integer, uint64_t); break;
  }
  return 1;
}

/* ------------------------------------------------------------- methods -- */

/* a:type() -> "u8" */
static int a_type(lua_State *L) {
  lua_pushstring(L, tide_element_name((int)ti_lua_array_handle_check(L, 1)->type));
  return 1;
}

static int a_len(lua_State *L) {
  struct ti_lua_array *b = ti_lua_array_handle_test(L, 1);
  lua_pushinteger(L, b ? (lua_Integer)b->n : 0);
  return 1;
}

/* The iterator of pairs(a): (a, i) -> i + 1, a[i + 1]; nil at the end. */
static int a_next(lua_State *L) {
  const struct ti_lua_array *b = ti_lua_array_handle_test(L, 1);
  lua_Unsigned i = (lua_Unsigned)luaL_checkinteger(L, 2);
  if (!b || i >= b->n) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushinteger(L, (lua_Integer)i + 1);
  ti_lua_array_element_push(L, b->type, b->data, (size_t)i);
  return 2;
}

/* pairs(a): all elements in order, as with ipairs */
static int a_pairs(lua_State *L) {
  ti_lua_array_handle_check(L, 1);
  lua_pushcfunction(L, a_next);
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 0);
  return 3;
}

static int a_gc(lua_State *L) {
  struct ti_lua_array *b = ti_lua_array_handle_test(L, 1);
  tide_array *a = b ? b->a : NULL;
  if (b) memset(b, 0, sizeof *b);
  tide_array_rele(a);
  return 0;
}

static int a_eq(lua_State *L) {
  const struct ti_lua_array *a = ti_lua_array_handle_test(L, 1),
                            *b = ti_lua_array_handle_test(L, 2);
  lua_pushboolean(L, a && b && a->data == b->data && a->n == b->n && a->type == b->type);
  return 1;
}

static int a_tostring(lua_State *L) {
  struct ti_lua_array *b = ti_lua_array_handle_test(L, 1);
  if (b && b->a)
    lua_pushfstring(L, "%s: %p (%s, %I)", TI_LUA_ARRAY, b->data, tide_element_name((int)b->type),
                    (lua_Integer)b->n);
  else
    lua_pushfstring(L, "%s: (collected)", TI_LUA_ARRAY);
  return 1;
}

/* The codec calls this for userdata with this class's metatable alone. [-0, +0, e] */
static void *ref_hold(lua_State *L, int idx) {
  struct ti_lua_array *b = (struct ti_lua_array *)lua_touserdata(L, idx);
  if (!b->a) return NULL;
  if (!b->known) {
    idx = lua_absindex(L, idx);
    luaL_checkstack(L, 6, NULL);
    ti_lua_support_push_handles(L, &known_key);
    lua_pushvalue(L, idx);
    lua_rawsetp(L, -2, b->a);
    lua_pop(L, 1);
    b->known = true;
  }
  return tide_array_hold(b->a);
}

static void *ref_quick(lua_State *L, int idx) {
  struct ti_lua_array *b = (struct ti_lua_array *)lua_touserdata(L, idx);
  return b->a && b->known ? tide_array_hold(b->a) : NULL;
}

static void ref_push(lua_State *L, void *object) { tide_pusharray(L, (tide_array *)object); }

static void ref_release(void *object) { tide_array_rele((tide_array *)object); }

static const tide_reftype reftype = {TI_LUA_ARRAY, ref_hold, ref_push, ref_release, ref_quick};

static const luaL_Reg methods[] = {{"add", a_add},
                                   {"copy", ti_lua_array_bulk_copy},
                                   {"fill", ti_lua_array_bulk_fill},
                                   {"slice", ti_lua_array_bulk_slice},
                                   {"tostring", ti_lua_array_bulk_to_string},
                                   {"totable", ti_lua_array_bulk_to_table},
                                   {"type", a_type},
                                   {NULL, NULL}};

static const luaL_Reg metamethods[] = {{"__len", a_len}, {"__pairs", a_pairs},       {"__gc", a_gc},
                                       {"__eq", a_eq},   {"__tostring", a_tostring}, {NULL, NULL}};

static const struct ti_lua_class array_class = {TI_LUA_ARRAY, metamethods, methods,
                                                NULL,         &reftype,    NULL};
