/*
** codec/unpack: a message to Lua values.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/unpack.h"

#include <lauxlib.h>

#include "codec/borrow.h"
#include "codec/module_names.h"
#include "codec/reftype.h"
#include "codec/scalar.h"
#include "codec/unpack_impl.h"
#include "luautil/c_stack.h"
#include "luautil/error.h"

/* Messages of at least this many bytes get slots. */
enum { LEAST_WITH_SLOTS = 256 };

int ti_unpack_damaged(struct ti_unpacker *U, const char *what) {
  return ti_error_raise(U->L, TIDE_ETRANSFER, "damaged message: %s at byte %d", what,
                        (int)(U->c.p - U->c.base));
}

void ti_unpack_claim(struct ti_unpacker *U, uint64_t least) {
  size_t left = ti_buffer_left(&U->c);
  if (U->c.failed || U->claimed > left || least > left - U->claimed)
    ti_unpack_damaged(U, "a count out of range");
  U->claimed += (size_t)least;
}

size_t ti_unpack_count(struct ti_unpacker *U) {
  uint64_t n = ti_buffer_get_varint(&U->c);
  ti_unpack_claim(U, n);
  return (size_t)n;
}

/* Reserves n stack slots. Unlike luaL_checkstack it tells a stack that may not grow from one that
** cannot, because memory runs out. [-0, +0, e] */
static void grow_stack(lua_State *L, int n, const char *what) {
  if (lua_checkstack(L, n)) return;
  if (n < LUAI_MAXSTACK / 2) luaL_error(L, "not enough memory");
  luaL_error(L, "stack overflow (%s)", what);
}

void ti_unpack_reserve(struct ti_unpacker *U, size_t n, int more) {
  more += WIRE_LEVELS * WIRE_SLOTS;
  if (n > LUAI_MAXSTACK) ti_unpack_damaged(U, "too many values");
  grow_stack(U->L, (int)n + more, "too many values");
  U->stack_end = lua_gettop(U->L) + (int)n + more;
}

const struct ti_message_part *ti_unpack_part(struct ti_unpacker *U) {
  uint64_t i = ti_buffer_get_varint(&U->c);
  if (U->c.failed || i >= U->m->nparts) ti_unpack_damaged(U, "no such part");
  return ti_message_part(U->m, (size_t)i);
}

void ti_unpack_remember(struct ti_unpacker *U, size_t offset) {
  lua_State *L = U->L;
  if (lua_isnil(L, U->shared)) {
    lua_newtable(L);
    lua_replace(L, U->shared);
  }
  lua_pushvalue(L, -1);
  lua_rawseti(L, U->shared, (lua_Integer)offset);
}

lua_Integer ti_unpack_offset(struct ti_unpacker *U) {
  uint64_t offset = ti_buffer_get_varint(&U->c);
  if (U->c.failed || offset >= ti_buffer_left(&U->c) + (size_t)(U->c.p - U->c.base))
    ti_unpack_damaged(U, "an offset out of range");
  return (lua_Integer)offset;
}

void ti_unpack_recall(struct ti_unpacker *U, lua_Integer key, int type) {
  int t = lua_isnil(U->L, U->shared) ? LUA_TNIL : lua_rawgeti(U->L, U->shared, key);
  if (t == LUA_TNIL || (type != LUA_TNONE && t != type))
    ti_unpack_damaged(U, "a reference to nothing");
}

/* ------------------------------------------------------------------- values -- */

static void unpack_ref(struct ti_unpacker *U) {
  const struct ti_message_part *part = ti_unpack_part(U);
  const tide_reftype *type = ti_reftype_of(part);
  if (type == NULL) ti_unpack_damaged(U, "a part that is no object");
  type->push(U->L, part->object);
}

static void c_stack_full(struct ti_unpacker *U) {
  ti_error_raise(U->L, TIDE_ETRANSFER, "cannot rebuild a value: " C_STACK_WORDS, C_STACK_LEFT);
}

static void unpack_rebuild(struct ti_unpacker *U) {
  size_t n = ti_unpack_count(U), len;
  const char *name;
  if (!ti_c_stack_call()) c_stack_full(U);
  if (U->c.p < U->c.end && WIRE_TAG(*U->c.p) == WIRE_STRING) {
    U->c.p++;
    name = ti_unpack_string_get(U, &len);
    ti_module_names_function(U->L, name, len);
  } else {
    ti_unpack_value(U);
    if (!lua_isfunction(U->L, -1)) ti_unpack_damaged(U, "no function to rebuild with");
  }
  ti_unpack_reserve(U, n, 0);
  for (size_t i = 0; i < n; i++) ti_unpack_claimed(U, 1);
  lua_call(U->L, (int)n, 1);
}

static void unpack_scalar(struct ti_unpacker *U, unsigned tag) {
  tide_value v;
  if (tag == WIRE_GLOBALS)
    lua_pushglobaltable(U->L);
  else if (!ti_scalar_get(&U->c, tag, &v))
    ti_unpack_damaged(U, "an unknown tag");
  else if (!U->c.failed)
    ti_scalar_push(U->L, &v);
  if (U->c.failed) ti_unpack_damaged(U, "cut short");
}

/* Returns what UNPACK_DATA refuses, in words; NULL: nothing. */
static const char *refused(unsigned tag) {
  switch (tag) {
    case WIRE_FUNCTION:
    case WIRE_CFUNCTION: return "a function";
    case WIRE_NAME:
    case WIRE_EITHER: return "the name of a module";
    case WIRE_PATH: return "the name of what a program has";
    case WIRE_REBUILD: return "a call of a function";
    case WIRE_GLOBALS: return "the globals";
    case WIRE_POINTER: return "a light userdata";
    default: return NULL;
  }
}

void ti_unpack_refuse(struct ti_unpacker *U, const char *what) {
  if (what != NULL)
    ti_error_raise(U->L, TIDE_ETRANSFER, "refused message: %s, where only data is allowed", what);
}

/* Finishes the error object on top, which is at `offset` in the message. A state whose errors are
** strings gets a string. [-1, +1, e] */
static void error_object(struct ti_unpacker *U, bool shared, size_t offset) {
  U->error = false;
  if (!((const struct ti_codec_state *)lua_touserdata(U->L, U->xidx))->strings) return;
  ti_error_to_text(U->L);
  if (shared) ti_unpack_remember(U, offset);
}

/* Pushes a value that is no string and no reference. [-0, +1, e] */
static void unpack_object(struct ti_unpacker *U, unsigned byte, size_t offset) {
  lua_State *L = U->L;
  size_t len;
  const char *s;
  bool shared = (byte & WIRE_SHARED) != 0;
  if (U->allowed == UNPACK_DATA) ti_unpack_refuse(U, refused(WIRE_TAG(byte)));
  if (++U->depth > WIRE_MAX_DEPTH + 1) ti_unpack_damaged(U, "nested too deep");
  if (!ti_c_stack_deeper(U->depth)) c_stack_full(U);
  if (lua_gettop(L) + WIRE_SLOTS > U->stack_end) {
    grow_stack(L, WIRE_LEVELS * WIRE_SLOTS, "too many nested values");
    U->stack_end = lua_gettop(L) + WIRE_LEVELS * WIRE_SLOTS;
  }
  switch (WIRE_TAG(byte)) {
    case WIRE_TABLE:
    case WIRE_TABLE_INTS:
    case WIRE_TABLE_FLOATS:
      ti_unpack_table_get(U, byte, offset);
      shared = false; /* it was remembered before its contents were read */
      break;
    case WIRE_FUNCTION:
      ti_unpack_function_get(U, offset, shared);
      shared = false;
      break;
    case WIRE_CFUNCTION:
      ti_unpack_function_get_c(U, offset, shared);
      shared = false;
      break;
    case WIRE_NAME:
      s = ti_unpack_string_get(U, &len);
      ti_module_names_resolve(L, s, len, U->xidx);
      break;
    case WIRE_EITHER:
      ti_unpack_name_either(U, offset, shared);
      shared = false;
      break;
    case WIRE_PATH: ti_unpack_name_path(U); break;
    case WIRE_REF: unpack_ref(U); break;
    case WIRE_BORROWED: ti_unpack_string_borrowed(U); break;
    case WIRE_REBUILD: unpack_rebuild(U); break;
    default: unpack_scalar(U, WIRE_TAG(byte));
  }
  if (shared) ti_unpack_remember(U, offset);
  if ((byte & WIRE_META) && !lua_istable(L, -1)) ti_unpack_damaged(U, "a metatable for no table");
  if (U->error) error_object(U, (byte & WIRE_SHARED) != 0, offset);
  U->depth--;
}

void ti_unpack_value(struct ti_unpacker *U) {
  size_t offset = (size_t)(U->c.p - U->c.base), len;
  unsigned byte = ti_buffer_get_u8(&U->c);
  const char *s;
  if (U->c.failed) ti_unpack_damaged(U, "cut short");
  switch (WIRE_TAG(byte)) {
    case WIRE_STRING:
      s = ti_unpack_string_get(U, &len);
      lua_pushlstring(U->L, s, len);
      if (byte & WIRE_SHARED) ti_unpack_string_remember(U, offset);
      break;
    case WIRE_BACKREF: ti_unpack_string_backref(U); break;
    default: unpack_object(U, byte, offset);
  }
}

/* ---------------------------------------------------------------- messages -- */

/* Pushes the values of a message. `private_list`: 0, or the stack index of the list of functions
** that get private globals. `places`: UNPACK_PLACES of them, or NULL if the message is too small
** for slots. Returns the number of values. [-0, +n, e] */
static int unpack_values(lua_State *L, const struct ti_message *m, size_t offset,
                         enum ti_unpack_allowed allowed, int private_list,
                         struct ti_unpacker_place *places) {
  struct ti_unpacker U;
  const struct ti_codec_state *x;
  int base = lua_gettop(L), reserved = places != NULL ? UNPACK_SLOTS : 0, first;
  size_t n;
  luaL_checkstack(L, 16, NULL);
  U.L = L;
  U.m = m;
  U.allowed = allowed;
  U.claimed = 0;
  U.error = false;
  U.depth = 0;
  U.stack_end = 0;
  U.slots = U.nslots = 0;
  U.places = places;
  U.private_list = private_list;
  ti_buffer_cursor_init(&U.c, m->bytes.data, m->bytes.len);
  x = ti_codec_state_get(L);
  U.xidx = lua_gettop(L);
  ti_borrow_poll_at(L, x, U.xidx);
  lua_pushnil(L);
  U.shared = lua_gettop(L);
  if (ti_buffer_get(&U.c, offset) == NULL && offset > 0) ti_unpack_damaged(&U, "cut short");
  n = ti_unpack_count(&U);
  ti_unpack_reserve(&U, n, reserved);
  if (reserved > 0) {
    U.slots = U.shared + 1;
    lua_settop(L, U.shared + reserved);
  }
  first = lua_gettop(L);
  for (size_t i = 0; i < n; i++) ti_unpack_claimed(&U, 1);
  ti_unpack_globals_get(&U);
  for (int i = 1; i <= (int)n; i++) lua_copy(L, first + i, base + i);
  lua_settop(L, base + (int)n);
  return (int)n;
}

/* Does the same with slots. Not part of unpack_values: the places are a kilobyte of the C stack,
** which most messages do without. */
static __attribute__((noinline)) int unpack_with_slots(lua_State *L, const struct ti_message *m,
                                                       size_t offset,
                                                       enum ti_unpack_allowed allowed,
                                                       int private_list) {
  struct ti_unpacker_place places[UNPACK_PLACES];
  memset(places, 0, sizeof places);
  return unpack_values(L, m, offset, allowed, private_list, places);
}

static int unpack_message(lua_State *L, const struct ti_message *m, size_t offset,
                          enum ti_unpack_allowed allowed, int private_list) {
  if (m->bytes.len >= LEAST_WITH_SLOTS)
    return unpack_with_slots(L, m, offset, allowed, private_list);
  return unpack_values(L, m, offset, allowed, private_list, NULL);
}

int ti_unpack_values(lua_State *L, const struct ti_message *m, size_t offset,
                     enum ti_unpack_allowed allowed) {
  return unpack_message(L, m, offset, allowed, 0);
}

void ti_unpack_private(lua_State *L, const struct ti_message *m) {
  int list;
  luaL_checkstack(L, 1, NULL);
  lua_newtable(L);
  list = lua_gettop(L);
  unpack_message(L, m, 0, UNPACK_ALL, list);
  lua_settop(L, list + 1);
  lua_remove(L, list);
}
