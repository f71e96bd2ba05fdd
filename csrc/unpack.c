/*
** tidepool, floor 2: unpack, a message to Lua values.
**
** SPDX-License-Identifier: MIT
*/
#include "unpack.h"

#include <lauxlib.h>
#include <limits.h>

#include "enclose.h"
#include "error.h"
#include "func.h"
#include "globals.h"
#include "names.h"
#include "reftype.h"
#include "wire.h"

struct unpacker {
  lua_State *L;
  const struct message *m;
  struct cursor c;
  int depth;
  int transfer; /* stack index of the transfer userdata */
  int shared;   /* of the values that are referred back to, by offset; nil: none yet */
  int enclosed; /* of the functions whose globals are their own; 0: they are the state's */
};

static void unpack_value(struct unpacker *U);

static int damaged(struct unpacker *U, const char *what) {
  return tide_error_raise(U->L, FAULT_TRANSFER, "damaged message: %s at byte %d", what,
                          (int)(U->c.p - U->c.base));
}

static size_t get_count(struct unpacker *U, size_t least) {
  uint64_t n = tide_cursor_get_varint(&U->c);
  /* each counted thing takes `least` bytes or more: no allocation beyond what the input pays for */
  if (U->c.failed || n > tide_cursor_left(&U->c) / least) damaged(U, "a count out of range");
  return (size_t)n;
}

static uint32_t get_u32(struct unpacker *U, size_t least) {
  uint32_t n = 0;
  const unsigned char *p = tide_cursor_get(&U->c, sizeof n);
  if (p != NULL) memcpy(&n, p, sizeof n);
  if (p == NULL || n > tide_cursor_left(&U->c) / least) damaged(U, "a count out of range");
  return n;
}

static const char *get_string(struct unpacker *U, size_t *len) {
  *len = get_count(U, 1);
  return (const char *)tide_cursor_get(&U->c, *len);
}

static const struct part *get_part(struct unpacker *U) {
  uint64_t i = tide_cursor_get_varint(&U->c);
  if (U->c.failed || i >= U->m->nparts) damaged(U, "no such part");
  return tide_message_part(U->m, (size_t)i);
}

/* Remembers the value on top, whose tag was at `offset`. [-0, +0, m] */
static void remember(struct unpacker *U, size_t offset) {
  lua_State *L = U->L;
  if (lua_isnil(L, U->shared)) {
    lua_newtable(L);
    lua_replace(L, U->shared);
  }
  lua_pushvalue(L, -1);
  lua_rawseti(L, U->shared, (lua_Integer)offset);
}

static lua_Integer get_offset(struct unpacker *U) {
  uint64_t offset = tide_cursor_get_varint(&U->c);
  if (U->c.failed || offset >= tide_cursor_left(&U->c) + (size_t)(U->c.p - U->c.base))
    damaged(U, "an offset out of range");
  return (lua_Integer)offset;
}

/* Pushes what was remembered under `key`, which must be of that type if it is not LUA_TNONE. */
static void push_remembered(struct unpacker *U, lua_Integer key, int type) {
  int t = lua_isnil(U->L, U->shared) ? LUA_TNIL : lua_rawgeti(U->L, U->shared, key);
  if (t == LUA_TNIL || (type != LUA_TNONE && t != type)) damaged(U, "a reference to nothing");
}

/* ---------------------------------------------------------------- functions -- */

/* An upvalue cell that several functions share is remembered as the function that has it
** (at its offset) and its number there (at minus its offset). */
static void unpack_upvalue(struct unpacker *U, int f, int i) {
  lua_State *L = U->L;
  size_t offset = (size_t)(U->c.p - U->c.base);
  unsigned byte = tide_cursor_get_u8(&U->c);
  if (WIRE_TAG(byte) == WIRE_UPREF) {
    lua_Integer at = get_offset(U);
    int number;
    push_remembered(U, -at, LUA_TNUMBER);
    number = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    push_remembered(U, at, LUA_TFUNCTION);
    lua_upvaluejoin(L, f, i, -1, number);
    lua_pop(L, 1);
  } else if (WIRE_TAG(byte) == WIRE_UPVALUE) {
    if (byte & WIRE_SHARED) {
      lua_pushvalue(L, f);
      remember(U, offset);
      lua_pop(L, 1);
      lua_pushinteger(L, i);
      lua_rawseti(L, U->shared, -(lua_Integer)offset);
    }
    unpack_value(U);
    lua_setupvalue(L, f, i);
  } else {
    damaged(U, "no upvalue");
  }
}

static void unpack_function(struct unpacker *U, size_t offset, bool shared) {
  lua_State *L = U->L;
  const struct part *part = get_part(U);
  struct code *c = (struct code *)part->object;
  int f;
  if (part->type != &tide_code_part) damaged(U, "a part that is no code");
  if (tide_cursor_get_varint(&U->c) != (uint64_t)c->nup || U->c.failed)
    damaged(U, "a wrong number of upvalues");
  tide_func_push(L, c, U->transfer);
  f = lua_gettop(L);
  if (shared) remember(U, offset);
  for (int i = 1; i <= c->nup; i++) unpack_upvalue(U, f, i);
  if (U->enclosed > 0 && c->env > 0) tide_enclose_note(L, U->enclosed, c->env);
}

static void unpack_cfunction(struct unpacker *U, size_t offset, bool shared) {
  lua_State *L = U->L;
  const struct part *part = get_part(U);
  size_t n = get_count(U, 1);
  lua_CFunction fn;
  int f;
  if (part->type != &tide_cfunction_part) damaged(U, "a part that is no C function");
  if (n > 255) damaged(U, "too many upvalues");
  memcpy(&fn, &part->object, sizeof fn);
  luaL_checkstack(L, (int)n + 2, NULL);
  for (size_t i = 0; i < n; i++) lua_pushnil(L);
  lua_pushcclosure(L, fn, (int)n);
  f = lua_gettop(L);
  if (shared) remember(U, offset);
  for (int i = 1; i <= (int)n; i++) {
    unpack_value(U);
    lua_setupvalue(L, f, i);
  }
}

/* ------------------------------------------------------------------- tables -- */

static int size_hint(uint64_t n) { return n > INT_MAX / 2 ? INT_MAX / 2 : (int)n; }

static void unpack_metatable(struct unpacker *U) {
  lua_State *L = U->L;
  unsigned byte = U->c.p < U->c.end ? *U->c.p : 0;
  if (WIRE_TAG(byte) == WIRE_ERROR_META) {
    U->c.p++;
    tide_error_metatable(L);
  } else {
    unpack_value(U);
    if (!lua_istable(L, -1)) damaged(U, "a metatable that is no table");
  }
  lua_setmetatable(L, -2);
}

static void unpack_typed(struct unpacker *U, uint32_t n, bool ints) {
  lua_State *L = U->L;
  const unsigned char *p = tide_cursor_get(&U->c, (size_t)n * 8);
  if (p == NULL) damaged(U, "a table cut short");
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

static void unpack_table(struct unpacker *U, unsigned byte, size_t offset) {
  lua_State *L = U->L;
  unsigned tag = WIRE_TAG(byte);
  uint32_t typed = tag == WIRE_TABLE ? 0 : get_u32(U, 8);
  uint32_t any = get_u32(U, 1), hash = get_u32(U, 2);
  lua_createtable(L, size_hint((uint64_t)typed + any), size_hint(hash));
  if (byte & WIRE_SHARED) remember(U, offset);
  if (typed > 0) unpack_typed(U, typed, tag == WIRE_TABLE_INTS);
  for (uint32_t i = 1; i <= any; i++) {
    unpack_value(U);
    lua_rawseti(L, -2, (lua_Integer)typed + i);
  }
  for (uint32_t i = 0; i < hash; i++) {
    unpack_value(U);
    if (lua_isnil(L, -1) ||
        (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) != lua_tonumber(L, -1)))
      damaged(U, "a key that cannot be");
    unpack_value(U);
    lua_rawset(L, -3);
  }
  if (byte & WIRE_META) unpack_metatable(U);
}

/* ------------------------------------------------------------------- values -- */

static void unpack_ref(struct unpacker *U) {
  const struct part *part = get_part(U);
  const struct reftype *type = (const struct reftype *)part->type;
  if (type == NULL || part->type == &tide_code_part || part->type == &tide_cfunction_part)
    damaged(U, "a part that is no object");
  type->push(U->L, part->object);
}

static void unpack_rebuild(struct unpacker *U) {
  size_t n = get_count(U, 1), len;
  const char *name;
  if (WIRE_TAG(tide_cursor_get_u8(&U->c)) != WIRE_STRING || n > INT_MAX / 2)
    damaged(U, "no function to rebuild with");
  name = get_string(U, &len);
  tide_names_function(U->L, name, len);
  luaL_checkstack(U->L, (int)n + 8, "too many arguments");
  for (size_t i = 0; i < n; i++) unpack_value(U);
  lua_call(U->L, (int)n, 1);
}

static void unpack_scalar(struct unpacker *U, unsigned tag) {
  lua_State *L = U->L;
  uint64_t u;
  switch (tag) {
    case WIRE_NIL: lua_pushnil(L); break;
    case WIRE_FALSE: lua_pushboolean(L, 0); break;
    case WIRE_TRUE: lua_pushboolean(L, 1); break;
    case WIRE_INT:
      u = tide_cursor_get_varint(&U->c);
      lua_pushinteger(L, (lua_Integer)WIRE_UNZIGZAG(u));
      break;
    case WIRE_FLOAT: {
      lua_Number f;
      u = tide_cursor_get_u64(&U->c);
      memcpy(&f, &u, sizeof f);
      lua_pushnumber(L, f);
      break;
    }
    case WIRE_POINTER:
      u = tide_cursor_get_u64(&U->c);
      lua_pushlightuserdata(L, (void *)(uintptr_t)u);
      break;
    case WIRE_GLOBALS: lua_pushglobaltable(L); break;
    default: damaged(U, "an unknown tag");
  }
  if (U->c.failed) damaged(U, "cut short");
}

/* Values that contain others, or that others refer to. */
static void unpack_object(struct unpacker *U, unsigned byte, size_t offset) {
  lua_State *L = U->L;
  size_t len;
  const char *s;
  bool shared = (byte & WIRE_SHARED) != 0;
  if (++U->depth > WIRE_MAX_DEPTH + 1) damaged(U, "nested too deep");
  luaL_checkstack(L, 10, "too many nested values");
  switch (WIRE_TAG(byte)) {
    case WIRE_TABLE:
    case WIRE_TABLE_INTS:
    case WIRE_TABLE_FLOATS:
      unpack_table(U, byte, offset);
      shared = false; /* remembered already, before its contents */
      break;
    case WIRE_FUNCTION:
      unpack_function(U, offset, shared);
      shared = false;
      break;
    case WIRE_CFUNCTION:
      unpack_cfunction(U, offset, shared);
      shared = false;
      break;
    case WIRE_NAME:
      s = get_string(U, &len);
      tide_names_resolve(L, s, len);
      break;
    case WIRE_REF: unpack_ref(U); break;
    case WIRE_REBUILD: unpack_rebuild(U); break;
    default: unpack_scalar(U, WIRE_TAG(byte));
  }
  if (shared) remember(U, offset);
  if ((byte & WIRE_META) && !lua_istable(L, -1)) damaged(U, "a metatable for no table");
  U->depth--;
}

static void unpack_value(struct unpacker *U) {
  size_t offset = (size_t)(U->c.p - U->c.base), len;
  unsigned byte = tide_cursor_get_u8(&U->c);
  const char *s;
  if (U->c.failed) damaged(U, "cut short");
  switch (WIRE_TAG(byte)) {
    case WIRE_STRING:
      s = get_string(U, &len);
      lua_pushlstring(U->L, s, len);
      if (byte & WIRE_SHARED) remember(U, offset);
      break;
    case WIRE_BACKREF: push_remembered(U, get_offset(U), LUA_TNONE); break;
    default: unpack_object(U, byte, offset);
  }
}

/* { STRING name, value }*, END */
static void unpack_globals(struct unpacker *U) {
  struct transfer *x = (struct transfer *)lua_touserdata(U->L, U->transfer);
  lua_Integer serial = ++x->serial; /* what rebuilds a value may unpack another message */
  unsigned byte = tide_cursor_get_u8(&U->c);
  for (; !U->c.failed && WIRE_TAG(byte) == WIRE_STRING; byte = tide_cursor_get_u8(&U->c)) {
    size_t len;
    const char *name = get_string(U, &len);
    unpack_value(U);
    if (U->enclosed > 0)
      tide_enclose_put(U->L, U->enclosed, U->transfer, name, len);
    else
      tide_globals_install(U->L, U->transfer, serial, name, len);
  }
  if (U->c.failed || WIRE_TAG(byte) != WIRE_END) damaged(U, "no end");
  if (U->enclosed > 0)
    tide_enclose_finish(U->L, U->enclosed);
  else
    tide_globals_sweep(U->L, U->transfer, serial, U->m);
}

/* `enclosed`: 0, or the stack index of the list of functions that get globals of their own. */
static int unpack_message(lua_State *L, const struct message *m, size_t offset, int enclosed) {
  struct unpacker U;
  int base = lua_gettop(L);
  size_t n;
  luaL_checkstack(L, 16, NULL);
  U.L = L;
  U.m = m;
  U.depth = 0;
  U.enclosed = enclosed;
  tide_cursor_init(&U.c, m->bytes.data, m->bytes.len);
  tide_transfer_get(L);
  U.transfer = lua_gettop(L);
  lua_pushnil(L);
  U.shared = lua_gettop(L);
  if (tide_cursor_get(&U.c, offset) == NULL && offset > 0) damaged(&U, "cut short");
  n = get_count(&U, 1);
  if (n > INT_MAX / 2) damaged(&U, "too many values");
  luaL_checkstack(L, (int)n + 8, "too many values");
  for (size_t i = 0; i < n; i++) unpack_value(&U);
  unpack_globals(&U);
  lua_remove(L, base + 2);
  lua_remove(L, base + 1);
  return (int)n;
}

int tide_unpack(lua_State *L, const struct message *m, size_t offset) {
  return unpack_message(L, m, offset, 0);
}

void tide_unpack_enclosed(lua_State *L, const struct message *m) {
  int list;
  luaL_checkstack(L, 1, NULL);
  lua_newtable(L);
  list = lua_gettop(L);
  unpack_message(L, m, 0, list);
  lua_settop(L, list + 1);
  lua_remove(L, list);
}
