/*
** codec/unpack: a message to Lua values.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/unpack.h"

#include <lauxlib.h>

#include "codec/module_values.h"
#include "luautil/c_stack.h"
#include "codec/private_globals.h"
#include "luautil/error.h"
#include "codec/globals.h"
#include "codec/borrow.h"
#include "codec/module_names.h"
#include "codec/cfunction.h"
#include "codec/reftype.h"
#include "codec/scalar.h"
#include "codec/unpack_impl.h"

int ti_unpack_damaged(struct ti_unpacker *U, const char *what) {
  return ti_error_raise(U->L, TIDE_ETRANSFER, "damaged message: %s at byte %d", what,
                        (int)(U->c.p - U->c.base));
}

void ti_unpack_owe(struct ti_unpacker *U, uint64_t least) {
  size_t left = ti_buffer_left(&U->c);
  if (U->c.failed || U->owed > left || least > left - U->owed)
    ti_unpack_damaged(U, "a count out of range");
  U->owed += (size_t)least;
}

size_t ti_unpack_count(struct ti_unpacker *U) {
  uint64_t n = ti_buffer_get_varint(&U->c);
  ti_unpack_owe(U, n);
  return (size_t)n;
}

/* luaL_checkstack, whose words are the same for a stack that may not grow and for one that cannot,
** since there is no memory. [-0, +0, e] */
static void make_room(lua_State *L, int n, const char *what) {
  if (lua_checkstack(L, n)) return;
  if (n < LUAI_MAXSTACK / 2) luaL_error(L, "not enough memory");
  luaL_error(L, "stack overflow (%s)", what);
}

/* Slots for n values, for so many more, and for what is in the values. */
static void room_for(struct ti_unpacker *U, size_t n, int more) {
  more += WIRE_LEVELS * WIRE_SLOTS;
  if (n > LUAI_MAXSTACK) ti_unpack_damaged(U, "too many values");
  make_room(U->L, (int)n + more, "too many values");
  U->room = lua_gettop(U->L) + (int)n + more;
}

static const char *get_string(struct ti_unpacker *U, size_t *len) {
  *len = ti_unpack_count(U);
  U->owed -= *len;
  return (const char *)ti_buffer_get(&U->c, *len);
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

/* Messages from here on are worth the slots. */
enum { LEAST_QUICK = 256 };

/* Where the place of `offset` is, or would be. */
static size_t place_of(const struct ti_unpacker *U, size_t offset) {
  size_t i = (offset * 0x9E3779B97F4A7C15u >> 32) % UNPACK_PLACES;
  while (U->places[i].offset != 0 && U->places[i].offset != offset) i = (i + 1) % UNPACK_PLACES;
  return i;
}

/* Remembers the string on top, in a slot if one is left. [-0, +0, m] */
static void remember_string(struct ti_unpacker *U, size_t offset) {
  size_t i;
  if (U->quick == 0 || U->nquick == UNPACK_QUICK || offset > UINT32_MAX) {
    ti_unpack_remember(U, offset);
    return;
  }
  i = place_of(U, offset);
  U->places[i].offset = (uint32_t)offset;
  U->places[i].idx = U->quick + U->nquick++;
  lua_copy(U->L, -1, U->places[i].idx);
}

/* What a BACKREF refers to. [-0, +1, e] */
static void unpack_backref(struct ti_unpacker *U) {
  lua_Integer offset = ti_unpack_offset(U);
  if (U->quick > 0) {
    size_t i = place_of(U, (size_t)offset);
    if (U->places[i].offset != 0) {
      lua_pushvalue(U->L, U->places[i].idx);
      return;
    }
  }
  ti_unpack_recall(U, offset, LUA_TNONE);
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

/* The path of what only programs have, and the C function that it must be, or NULL. */
static const char *get_native(struct ti_unpacker *U, size_t *len, lua_CFunction *fn) {
  uint64_t i = ti_buffer_get_varint(&U->c);
  const char *path;
  *fn = NULL;
  if (i != WIRE_NO_PART) {
    const struct ti_message_part *part;
    if (U->c.failed || i >= U->m->nparts) ti_unpack_damaged(U, "no such part");
    part = ti_message_part(U->m, (size_t)i);
    if (part->type != &ti_reftype_cfunction_part)
      ti_unpack_damaged(U, "a part that is no C function");
    memcpy(fn, &part->object, sizeof *fn);
  }
  path = get_string(U, len);
  if (path == NULL || *len < 2) ti_unpack_damaged(U, "no path");
  return path;
}

static void unpack_native(struct ti_unpacker *U) {
  size_t len;
  lua_CFunction fn;
  const char *path = get_native(U, &len, &fn);
  ti_cfunction_resolve(U->L, path, len, fn, U->transfer);
}

struct pinned {
  const char *data;
  size_t len;
};

static int push_pinned(lua_State *L) {
  const struct pinned *p = (const struct pinned *)lua_touserdata(L, 1);
  lua_pushlstring(L, p->data, p->len);
  return 1;
}

/* Pushes a string whose bytes the thread has pinned. Neither finalizers nor hooks may run
** meanwhile (borrowed.h): the collector waits, and so does an error. [-0, +1, m] */
static void push_and_unpin(lua_State *L, struct ti_borrowed *loan, const char *data) {
  enum { REST = 1 << 20 }; /* KiB */
  struct pinned p = {data, loan->len};
  bool collects = lua_gc(L, LUA_GCISRUNNING) == 1;
  int status;
  if (collects) lua_gc(L, LUA_GCSTEP, -REST);
  lua_pushcfunction(L, push_pinned);
  lua_pushlightuserdata(L, &p);
  status = lua_pcall(L, 1, 1, 0);
  ti_borrowed_done(loan);
  if (collects) lua_gc(L, LUA_GCSTEP, REST);
  if (status != LUA_OK) lua_error(L);
}

/* The same in a state with a hook for calls, which would run inside: by way of one more copy. */
static void push_with_hook(lua_State *L, struct ti_borrowed *loan) {
  char *copy = (char *)lua_newuserdatauv(L, loan->len, 0);
  bool pinned;
  const char *data = ti_borrowed_read(loan, &pinned);
  if (data != NULL) memcpy(copy, data, loan->len);
  if (pinned) ti_borrowed_done(loan);
  if (data == NULL) luaL_error(L, "not enough memory");
  lua_pushlstring(L, copy, loan->len);
  lua_remove(L, -2);
}

static void unpack_lent(struct ti_unpacker *U) {
  const struct ti_message_part *part = ti_unpack_part(U);
  struct ti_borrowed *loan = (struct ti_borrowed *)part->object;
  const char *data;
  bool pinned;
  if (part->type != &ti_borrowed_part) ti_unpack_damaged(U, "a part that is no string");
  if (ti_borrow_push_own(U->L, loan, U->transfer)) return;
  if (loan->moves && (lua_gethookmask(U->L) & (LUA_MASKCALL | LUA_MASKRET)) != 0) {
    push_with_hook(U->L, loan);
    return;
  }
  data = ti_borrowed_read(loan, &pinned);
  if (data == NULL) luaL_error(U->L, "not enough memory");
  if (pinned)
    push_and_unpin(U->L, loan, data);
  else
    lua_pushlstring(U->L, data, loan->len);
}

static void no_room(struct ti_unpacker *U) {
  ti_error_raise(U->L, TIDE_ETRANSFER, "cannot rebuild a value: " C_STACK_WORDS, C_STACK_LEFT);
}

static void unpack_rebuild(struct ti_unpacker *U) {
  size_t n = ti_unpack_count(U), len;
  const char *name;
  if (!ti_c_stack_call()) no_room(U);
  if (U->c.p < U->c.end && WIRE_TAG(*U->c.p) == WIRE_STRING) {
    U->c.p++;
    name = get_string(U, &len);
    ti_module_names_function(U->L, name, len);
  } else {
    ti_unpack_value(U);
    if (!lua_isfunction(U->L, -1)) ti_unpack_damaged(U, "no function to rebuild with");
  }
  room_for(U, n, 0);
  for (size_t i = 0; i < n; i++) ti_unpack_owed(U, 1);
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

/* What UNPACK_DATA refuses, in words; NULL: nothing. */
static const char *refused(unsigned tag) {
  switch (tag) {
    case WIRE_FUNCTION:
    case WIRE_CFUNCTION: return "a function";
    case WIRE_NAME:
    case WIRE_EITHER: return "the name of a module";
    case WIRE_NATIVE: return "the name of what a program has";
    case WIRE_REBUILD: return "a call of a function";
    case WIRE_GLOBALS: return "the globals";
    case WIRE_POINTER: return "a light userdata";
    default: return NULL;
  }
}

static void refuse(struct ti_unpacker *U, const char *what) {
  if (what != NULL)
    ti_error_raise(U->L, TIDE_ETRANSFER, "refused message: %s, where only data is allowed", what);
}

/* A table or function that may be that of a module here. */
static void unpack_either(struct ti_unpacker *U, size_t offset, bool shared) {
  size_t len;
  const char *name = get_string(U, &len);
  unsigned byte = ti_buffer_get_u8(&U->c), tag = WIRE_TAG(byte);
  if (tag == WIRE_FUNCTION)
    ti_unpack_function_get(U, offset, shared);
  else if (tag == WIRE_TABLE || tag == WIRE_TABLE_INTS || tag == WIRE_TABLE_FLOATS)
    ti_unpack_table_get(U, (byte & ~WIRE_SHARED) | (shared ? WIRE_SHARED : 0), offset);
  else
    ti_unpack_damaged(U, "no table or function beside a name");
  if (ti_module_values_prefer(U->L, name, len, U->transfer) && shared)
    ti_unpack_remember(U, offset);
}

/* The table on top, which stands at `offset`, is an error object: in a state that wants strings,
** one. */
static void error_object(struct ti_unpacker *U, bool shared, size_t offset) {
  U->error = false;
  if (!((const struct ti_codec_state *)lua_touserdata(U->L, U->transfer))->strings) return;
  ti_error_to_text(U->L);
  if (shared) ti_unpack_remember(U, offset);
}

/* Values that contain others, or that others refer to. */
static void unpack_object(struct ti_unpacker *U, unsigned byte, size_t offset) {
  lua_State *L = U->L;
  size_t len;
  const char *s;
  bool shared = (byte & WIRE_SHARED) != 0;
  if (U->allowed == UNPACK_DATA) refuse(U, refused(WIRE_TAG(byte)));
  if (++U->depth > WIRE_MAX_DEPTH + 1) ti_unpack_damaged(U, "nested too deep");
  if (!ti_c_stack_deeper(U->depth)) no_room(U);
  if (lua_gettop(L) + WIRE_SLOTS > U->room) {
    make_room(L, WIRE_LEVELS * WIRE_SLOTS, "too many nested values");
    U->room = lua_gettop(L) + WIRE_LEVELS * WIRE_SLOTS;
  }
  switch (WIRE_TAG(byte)) {
    case WIRE_TABLE:
    case WIRE_TABLE_INTS:
    case WIRE_TABLE_FLOATS:
      ti_unpack_table_get(U, byte, offset);
      shared = false; /* remembered already, before its contents */
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
      s = get_string(U, &len);
      ti_module_names_resolve(L, s, len, U->transfer);
      break;
    case WIRE_EITHER:
      unpack_either(U, offset, shared);
      shared = false;
      break;
    case WIRE_NATIVE: unpack_native(U); break;
    case WIRE_REF: unpack_ref(U); break;
    case WIRE_LENT: unpack_lent(U); break;
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
      s = get_string(U, &len);
      lua_pushlstring(U->L, s, len);
      if (byte & WIRE_SHARED) remember_string(U, offset);
      break;
    case WIRE_BACKREF: unpack_backref(U); break;
    default: unpack_object(U, byte, offset);
  }
}

/* The state has a global of its own with this name, or the initializer may give it one, and what
** comes for it is a path: then that is not followed, as it may lead to nothing here. */
static bool unpack_own(struct ti_unpacker *U, const char *name, size_t len) {
  lua_State *L = U->L;
  size_t offset = (size_t)(U->c.p - U->c.base), pathlen;
  lua_CFunction fn;
  unsigned byte = offset < U->m->bytes.len ? *U->c.p : (unsigned)WIRE_END;
  const struct ti_codec_state *x = (const struct ti_codec_state *)lua_touserdata(L, U->transfer);
  if (WIRE_TAG(byte) != WIRE_NATIVE) return false;
  if (!(x->opening && x->worker) && !ti_globals_keeps(L, U->transfer, name, len)) return false;
  U->c.p++;
  (void)get_native(U, &pathlen, &fn);
  if (byte & WIRE_SHARED) {
    lua_pushglobaltable(L);
    lua_pushlstring(L, name, len);
    lua_rawget(L, -2);
    ti_unpack_remember(U, offset);
    lua_pop(L, 2);
  }
  return true;
}

/* { STRING name, value }*, [LOOSE], END */
static void unpack_globals(struct ti_unpacker *U) {
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(U->L, U->transfer);
  lua_Integer serial = ++x->serial; /* what rebuilds a value may unpack another message */
  unsigned byte = ti_buffer_get_u8(&U->c);
  bool loose;
  for (; !U->c.failed && WIRE_TAG(byte) == WIRE_STRING; byte = ti_buffer_get_u8(&U->c)) {
    size_t len;
    const char *name;
    if (U->allowed == UNPACK_DATA) refuse(U, "a global");
    name = get_string(U, &len);
    if (unpack_own(U, name, len)) continue;
    ti_unpack_value(U);
    if (U->enclosed > 0)
      ti_private_globals_put(U->L, U->enclosed, U->transfer, name, len);
    else
      ti_globals_install(U->L, U->transfer, serial, name, len);
  }
  loose = WIRE_TAG(byte) == WIRE_LOOSE;
  if (loose) byte = ti_buffer_get_u8(&U->c);
  if (U->c.failed || WIRE_TAG(byte) != WIRE_END) ti_unpack_damaged(U, "no end");
  if (U->enclosed > 0)
    ti_private_globals_finish(U->L, U->enclosed);
  else
    ti_globals_sweep(U->L, U->transfer, serial, U->m, loose);
}

/* `enclosed`: 0, or the stack index of the list of functions that get globals of their own.
** `places`: UNPACK_PLACES of them, or NULL if the message is too small for slots. */
static int unpack_values(lua_State *L, const struct ti_message *m, size_t offset,
                         enum ti_unpack_allowed allowed, int enclosed,
                         struct ti_unpacker_place *places) {
  struct ti_unpacker U;
  const struct ti_codec_state *x;
  int base = lua_gettop(L), quick = places != NULL ? UNPACK_QUICK : 0, first;
  size_t n;
  luaL_checkstack(L, 16, NULL);
  U.L = L;
  U.m = m;
  U.allowed = allowed;
  U.owed = 0;
  U.error = false;
  U.depth = 0;
  U.room = 0;
  U.quick = U.nquick = 0;
  U.places = places;
  U.enclosed = enclosed;
  ti_buffer_cursor_init(&U.c, m->bytes.data, m->bytes.len);
  x = ti_codec_state_get(L);
  U.transfer = lua_gettop(L);
  ti_borrow_look(L, x, U.transfer);
  lua_pushnil(L);
  U.shared = lua_gettop(L);
  if (ti_buffer_get(&U.c, offset) == NULL && offset > 0) ti_unpack_damaged(&U, "cut short");
  n = ti_unpack_count(&U);
  room_for(&U, n, quick);
  if (quick > 0) {
    U.quick = U.shared + 1;
    lua_settop(L, U.shared + quick);
  }
  first = lua_gettop(L);
  for (size_t i = 0; i < n; i++) ti_unpack_owed(&U, 1);
  unpack_globals(&U);
  for (int i = 1; i <= (int)n; i++) lua_copy(L, first + i, base + i);
  lua_settop(L, base + (int)n);
  return (int)n;
}

/* The places are a kilobyte of the stack, which most messages do without: not part of
** unpack_values. */
static __attribute__((noinline)) int unpack_quick(lua_State *L, const struct ti_message *m,
                                                  size_t offset, enum ti_unpack_allowed allowed,
                                                  int enclosed) {
  struct ti_unpacker_place places[UNPACK_PLACES];
  memset(places, 0, sizeof places);
  return unpack_values(L, m, offset, allowed, enclosed, places);
}

static int unpack_message(lua_State *L, const struct ti_message *m, size_t offset,
                          enum ti_unpack_allowed allowed, int enclosed) {
  if (m->bytes.len >= LEAST_QUICK) return unpack_quick(L, m, offset, allowed, enclosed);
  return unpack_values(L, m, offset, allowed, enclosed, NULL);
}

int ti_unpack_values(lua_State *L, const struct ti_message *m, size_t offset,
                     enum ti_unpack_allowed allowed) {
  return unpack_message(L, m, offset, allowed, 0);
}

void ti_unpack_enclosed(lua_State *L, const struct ti_message *m) {
  int list;
  luaL_checkstack(L, 1, NULL);
  lua_newtable(L);
  list = lua_gettop(L);
  unpack_message(L, m, 0, UNPACK_ALL, list);
  lua_settop(L, list + 1);
  lua_remove(L, list);
}
