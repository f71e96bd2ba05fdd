/*
** binding/lua_array: arrays as scripts see them.
**
** The userdata holds a reference. A state has one userdata for each array that was sent from or
** to it, found again through a table with weak values: what comes back is what was sent, and an
** array that comes a thousand times costs the collector one object.
**
** Lua's collector sees none of the elements; each userdata made here has it do the work that
** as much memory of Lua's own would have caused.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_array.h"

#include <string.h>

static const char class_key = 0; /* registry: the metatable */
static const char known_key = 0; /* of the table of this state's userdata, by their arrays */

/* -------------------------------------------------------------- handle -- */

static const struct ti_lua_class array_class;
static int a_index(lua_State *L);
static int a_newindex(lua_State *L);

/* Pushes the arrays' metatable; its methods are an upvalue of __index, not a table there. */
static void pushclass(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &class_key) == LUA_TTABLE) return;
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
    lua_pop(L, 2); /* it was done once, up to the lines below */
  }
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &class_key);
}

void ti_lua_array_push_methods(lua_State *L) {
  luaL_checkstack(L, 6, NULL);
  pushclass(L);
  lua_getfield(L, -1, "__index");
  lua_getupvalue(L, -1, 2);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

/* The array at idx, or NULL. */
static struct ti_lua_array *test(lua_State *L, int idx) {
  struct ti_lua_array *b = (struct ti_lua_array *)lua_touserdata(L, idx);
  bool same;
  if (!b || !lua_getmetatable(L, idx)) return NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &class_key);
  same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same ? b : NULL;
}

struct ti_lua_array *ti_lua_array_check(lua_State *L, int arg) {
  struct ti_lua_array *b = test(L, arg);
  if (!b) ti_lua_support_type_error(L, arg, TI_LUA_ARRAY);
  if (!b->a) ti_lua_support_arg_error(L, arg, "the array is collected already");
  return b;
}

/* Pushes an empty userdata. [-0, +1, m] */
static struct ti_lua_array *newbox(lua_State *L) {
  struct ti_lua_array *b;
  luaL_checkstack(L, 6, NULL);
  b = (struct ti_lua_array *)lua_newuserdatauv(L, sizeof *b, 0);
  memset(b, 0, sizeof *b);
  pushclass(L);
  lua_setmetatable(L, -2);
  return b;
}

/* Takes a reference. */
static void fillbox(struct ti_lua_array *b, tide_array *a) {
  b->a = a;
  b->data = tide_array_data(a);
  b->n = tide_array_length(a);
  b->type = tide_array_type(a);
}

/* Has the collector work as for `bytes` of Lua's own memory, unless it is stopped. [-0, +0, -] */
static void press(lua_State *L, size_t bytes) {
  const size_t most = (size_t)1 << 20;
  size_t kib = bytes / 1024 + (bytes % 1024 >= 512);
  if (kib > 0 && lua_gc(L, LUA_GCISRUNNING) > 0)
    lua_gc(L, LUA_GCSTEP, (int)(kib < most ? kib : most));
}

struct ti_lua_array *ti_lua_array_new_zeros(lua_State *L, tide_element type, size_t n) {
  struct ti_lua_array *b = newbox(L);
  size_t esize = tide_element_size((int)type);
  tide_array *a;
  int status;
  press(L, n > SIZE_MAX / esize ? SIZE_MAX : n * esize); /* before: what it frees may serve us */
  status = tide_array_new(&a, type, n);
  if (status == TIDE_ENOMEM) { /* as Lua does for memory of its own */
    lua_gc(L, LUA_GCCOLLECT);
    status = tide_array_new(&a, type, n);
  }
  if (status != TIDE_OK) ti_lua_support_raise(L, status, NULL);
  fillbox(b, a);
  return b;
}

void ti_lua_array_push_view(lua_State *L, const struct ti_lua_array *b, size_t at, size_t n) {
  struct ti_lua_array *view = newbox(L);
  tide_array *a;
  int status = tide_array_slice(&a, b->a, at, n);
  if (status != TIDE_OK) ti_lua_support_raise(L, status, NULL);
  fillbox(view, a);
}

void tide_pusharray(lua_State *L, tide_array *a) {
  struct ti_lua_array *b;
  luaL_checkstack(L, 8, NULL);
  ti_lua_support_push_handles(L, &known_key);
  if (lua_rawgetp(L, -1, a) == LUA_TUSERDATA) {
    b = (struct ti_lua_array *)lua_touserdata(L, -1);
    if (b->a == a) { /* else it is of a closing state, and finalised */
      lua_remove(L, -2);
      return;
    }
  }
  lua_pop(L, 1);
  b = newbox(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, -3, a);
  fillbox(b, tide_array_hold(a));
  b->known = true;
  lua_remove(L, -2);
  press(L, tide_array_weight(a));
}

tide_array *tide_toarray(lua_State *L, int idx) {
  struct ti_lua_array *b;
  luaL_checkstack(L, 2, NULL);
  b = test(L, idx);
  return b ? b->a : NULL;
}

/* ------------------------------------------------------------- element -- */

/* Raises what is wrong with the index in argument 2. [-0, +0, e] */
static int badindex(lua_State *L, const struct ti_lua_array *b) {
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

/* Whether argument 1 is an array: its metatable is upvalue 1. */
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

/* a[i], a.method; nil just behind the end, where ipairs stops */
static int a_index(lua_State *L) {
  struct ti_lua_array *b = self(L);
  lua_Unsigned i;
  if (lua_type(L, 2) == LUA_TSTRING) {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(2));
    return 1;
  }
  i = (lua_Unsigned)lua_tointeger(L, 2) - 1; /* 0 for what is none */
  if (i < b->n) {
    ti_lua_array_push_cell(L, b->type, b->data, (size_t)i);
    return 1;
  }
  if (i == b->n) {
    lua_pushnil(L);
    return 1;
  }
  return badindex(L, b);
}

/* a[i] = v */
static int a_newindex(lua_State *L) {
  struct ti_lua_array *b = self(L);
  lua_Unsigned i = lua_type(L, 2) == LUA_TNUMBER ? (lua_Unsigned)lua_tointeger(L, 2) - 1 : b->n;
  if (i >= b->n) return badindex(L, b);
  if (!ti_lua_array_put_cell(L, 3, b->type, b->data, (size_t)i))
    return ti_lua_support_error(L, "%s", ti_lua_array_push_misfit(L, 3, b->type));
  return 0;
}

bool ti_lua_array_huge_integer(lua_State *L, int idx, lua_Integer *bits) {
  lua_Number f = lua_tonumber(L, idx);
  if (!(f >= 0x1p63 && f < 0x1p64)) return false;
  *bits = (lua_Integer)(lua_Unsigned)f; /* as large a double has no fraction */
  return true;
}

/* Without the library of mathematics, which nothing else here needs. */
static bool is_whole(lua_Number f) {
  if (!(f > -0x1p53 && f < 0x1p53)) return f - f == 0; /* whole, unless infinite or not a number */
  return f == (lua_Number)(lua_Integer)f;
}

const char *ti_lua_array_push_misfit(lua_State *L, int idx, tide_element type) {
  const char *name = tide_element_name((int)type);
  int bits = (int)tide_element_size((int)type) * 8;
  lua_Number f = lua_tonumber(L, idx);
  const char *value;
  if (lua_type(L, idx) != LUA_TNUMBER)
    return lua_pushfstring(L, "%s: number expected, got %s", name, luaL_typename(L, idx));
  value = luaL_tolstring(L, idx, NULL);
  if (!lua_isinteger(L, idx) && !is_whole(f)) /* nor is an infinite one an integer */
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

#define ADD(T, U)                                                                                  \
  do {                                                                                             \
    U after =                                                                                      \
        (U)(atomic_fetch_add_explicit(TI_CELL(U, b->data, i), (U)v, memory_order_acq_rel) + (U)v); \
    lua_pushinteger(L, (lua_Integer)(T)after);                                                     \
  } while (0)

/* a:add(i, v) -> the element's new value; atomic, wraps around */
static int a_add(lua_State *L) {
  struct ti_lua_array *b = ti_lua_array_check(L, 1);
  lua_Unsigned i, v;
  int isint;
  if (b->type >= TIDE_F32)
    return ti_lua_support_arg_error(
        L, 1, lua_pushfstring(L, "%s is no integer type", tide_element_name((int)b->type)));
  if (lua_type(L, 2) != LUA_TNUMBER) return ti_lua_support_type_error(L, 2, "integer");
  i = (lua_Unsigned)lua_tointeger(L, 2) - 1;
  if (i >= b->n) return badindex(L, b);
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

/* --------------------------------------------------------------- class -- */

/* a:type() -> "u8" */
static int a_type(lua_State *L) {
  lua_pushstring(L, tide_element_name((int)ti_lua_array_check(L, 1)->type));
  return 1;
}

static int a_len(lua_State *L) {
  struct ti_lua_array *b = test(L, 1);
  lua_pushinteger(L, b ? (lua_Integer)b->n : 0);
  return 1;
}

/* What pairs(a) calls: (a, i) -> i + 1, a[i + 1]; nil at the end. */
static int a_next(lua_State *L) {
  const struct ti_lua_array *b = test(L, 1);
  lua_Unsigned i = (lua_Unsigned)luaL_checkinteger(L, 2);
  if (!b || i >= b->n) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushinteger(L, (lua_Integer)i + 1);
  ti_lua_array_push_cell(L, b->type, b->data, (size_t)i);
  return 2;
}

/* pairs(a): all elements, in their order, as ipairs gives them */
static int a_pairs(lua_State *L) {
  ti_lua_array_check(L, 1);
  lua_pushcfunction(L, a_next);
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 0);
  return 3;
}

static int a_gc(lua_State *L) {
  struct ti_lua_array *b = test(L, 1);
  tide_array *a = b ? b->a : NULL;
  if (b) memset(b, 0, sizeof *b);
  tide_array_rele(a);
  return 0;
}

static int a_eq(lua_State *L) {
  const struct ti_lua_array *a = test(L, 1), *b = test(L, 2);
  lua_pushboolean(L, a && b && a->data == b->data && a->n == b->n && a->type == b->type);
  return 1;
}

static int a_tostring(lua_State *L) {
  struct ti_lua_array *b = test(L, 1);
  if (b && b->a)
    lua_pushfstring(L, "%s: %p (%s, %I)", TI_LUA_ARRAY, b->data, tide_element_name((int)b->type),
                    (lua_Integer)b->n);
  else
    lua_pushfstring(L, "%s: (collected)", TI_LUA_ARRAY);
  return 1;
}

/* Only called for userdata with this class's metatable. */
static void *ti_refcount_hold(lua_State *L, int idx) {
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

static void ti_refcount_release(void *object) { tide_array_rele((tide_array *)object); }

static const tide_reftype reftype = {TI_LUA_ARRAY, ti_refcount_hold, ref_push, ti_refcount_release,
                                     ref_quick};

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
