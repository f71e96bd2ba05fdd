/*
** codec/pack_table: tables into a message.
**
** SPDX-License-Identifier: MIT
*/
#include <string.h>

#include "luautil/error.h"
#include "codec/pack_impl.h"
#include "codec/codec_state.h"

enum {
  MOST_RESERVED = 128 * 1024, /* numbers for which the message grows at once */
  RESERVED_BEHIND = 64,       /* bytes for what follows them */
  ON_STACK = 8                /* numbers that are on the stack at once */
};

static void put_u32(struct ti_packer *P, uint32_t v) { ti_buffer_put(P->b, &v, sizeof v); }

static void patch_u32(struct ti_packer *P, size_t at, uint32_t v) {
  if (!P->b->failed) memcpy(P->b->data + at, &v, sizeof v);
}

static uint32_t checked_count(struct ti_packer *P, size_t n, const struct ti_value_path *up) {
  if (n > WIRE_MAX_COUNT) ti_value_path_refuse(P->L, up, "the table has too many entries");
  return (uint32_t)n;
}

/* The traversal of a table: first its elements, as long as they are sure to be in the array part,
** then the rest by lua_next. The value is on top of the stack, and its key below it. */
struct walk {
  int idx, key;
  lua_Integer i;    /* the element that would be next */
  lua_Integer sure; /* elements up to this one are read by lua_rawgeti; 0: all by lua_next */
  bool more;        /* there is a pair on the stack */
  bool element;     /* it is that element */
};

static void next_pair(lua_State *L, struct walk *w) {
  w->more = lua_next(L, w->idx) != 0;
  w->element = w->more && lua_isinteger(L, -2) && lua_tointeger(L, -2) == w->i;
}

/* Continues with lua_next. The elements end at a hole, or with the array part. */
static void leave_array(struct ti_packer *P, struct walk *w, const struct ti_value_path *up) {
  lua_State *L = P->L;
  /* a __transfer may have changed the table: lua_next would lose pairs then */
  if (w->i - 1 > (lua_Integer)ti_lua_internals_array(&P->x->internals, lua_topointer(L, w->idx)))
    ti_value_path_refuse(L, up, "the table was changed while it was sent");
  w->sure = 0;
  if (w->i > 1) {
    lua_pushinteger(L, w->i - 1);
    lua_replace(L, w->key);
  }
  next_pair(L, w);
}

/* Pushes the next value, or the next pair in place of the key, which is on top. */
static void fetch(struct ti_packer *P, struct walk *w, const struct ti_value_path *up) {
  lua_State *L = P->L;
  if (w->sure == 0) {
    next_pair(L, w);
  } else if (w->i > w->sure) {
    leave_array(P, w, up);
  } else if (lua_rawgeti(L, w->idx, w->i) == LUA_TNIL) {
    lua_pop(L, 1);
    leave_array(P, w, up);
  }
}

static void next_element(struct ti_packer *P, struct walk *w, const struct ti_value_path *up) {
  lua_pop(P->L, 1);
  w->i++;
  fetch(P, w, up);
}

/* Reserves memory for as many numbers as the table has from here on, so that the message is not
** moved while a large array grows in it. The amount is limited: the length of a table with holes
** may be any number. Returns false when memory runs out. */
static bool reserve(struct ti_packer *P, const struct walk *w) {
  lua_Unsigned n = lua_rawlen(P->L, w->idx), left = n < (lua_Unsigned)w->i ? 0 : n - w->i + 1;
  /* and for what follows, so that the end of the message does not move it */
  return ti_buffer_reserve(P->b, (left < 1               ? 1
                                  : left > MOST_RESERVED ? MOST_RESERVED
                                                         : left) *
                                         8 +
                                     RESERVED_BEHIND);
}

/* Puts the number on top. Memory is reserved. */
static void put_number(struct ti_packer *P, bool ints) {
  unsigned char *to = P->b->data + P->b->len;
  if (ints) {
    lua_Integer v = lua_tointeger(P->L, -1);
    memcpy(to, &v, 8);
  } else {
    lua_Number v = lua_tonumber(P->L, -1);
    memcpy(to, &v, 8);
  }
  P->b->len += 8;
}

/* Puts the next elements as long as they are integers (`ints`) or floats. Returns their number. */
static size_t pack_numbers(struct ti_packer *P, struct walk *w, bool ints,
                           const struct ti_value_path *up) {
  lua_State *L = P->L;
  size_t n = 0;
  for (; w->element && lua_type(L, -1) == LUA_TNUMBER && lua_isinteger(L, -1) == ints; n++) {
    if (P->b->cap - P->b->len < 8 && !reserve(P, w)) ti_pack_no_memory(P);
    put_number(P, ints);
    next_element(P, w, up);
  }
  return n;
}

/* Does the same for those that are sure to be in the array part. */
static size_t pack_sure_numbers(struct ti_packer *P, struct walk *w, bool ints,
                                const struct ti_value_path *up) {
  lua_State *L = P->L;
  lua_Integer first = w->i;
  bool same = true;
  lua_settop(L, w->key);
  while (same && w->i <= w->sure) {
    lua_Integer end = w->sure - w->i < ON_STACK ? w->sure + 1 : w->i + ON_STACK;
    if (P->b->cap - P->b->len < 8 * (size_t)ON_STACK && !reserve(P, w)) ti_pack_no_memory(P);
    for (; w->i < end; w->i++) {
      same = lua_rawgeti(L, w->idx, w->i) == LUA_TNUMBER && lua_isinteger(L, -1) == ints;
      if (!same) break;
      put_number(P, ints);
    }
    lua_settop(L, w->key);
  }
  fetch(P, w, up);
  return (size_t)(w->i - first);
}

static bool is_object(lua_State *L, int idx) { return lua_type(L, idx) >= LUA_TTABLE; }

/* Returns whether Lua code may run before the pair on top is written. */
static bool is_guarded_pair(const struct ti_packer *P, const struct walk *w) {
  return P->guarded && (is_object(P->L, w->key + 1) || is_object(P->L, w->key));
}

/* Pushes a list of all keys of the table at idx, in order. Returns their number. [-0, +1, m] */
static size_t push_keys(lua_State *L, int idx) {
  lua_Integer n = 0;
  int list;
  lua_newtable(L);
  list = lua_gettop(L);
  lua_pushnil(L);
  while (lua_next(L, idx) != 0) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, list, ++n);
  }
  return (size_t)n;
}

/* Refuses a table that got keys which are not among the n in `list`. They would not be sent. */
static void check_keys(struct ti_packer *P, int idx, int list, size_t n,
                       const struct ti_value_path *up) {
  lua_State *L = P->L;
  size_t now = 0;
  for (lua_pushnil(L); lua_next(L, idx) != 0; now++) lua_pop(L, 1);
  for (size_t i = 1; i <= n; i++) {
    lua_rawgeti(L, list, (lua_Integer)i);
    if (lua_rawget(L, idx) != LUA_TNIL) now--;
    lua_pop(L, 1);
  }
  if (now > 0) ti_value_path_refuse(L, up, "the table was changed while it was sent");
}

/* Puts the rest of a table, of which `done` pairs are written. Lua code that runs meanwhile may
** change it, and the collector too if it is weak. So its keys are those that it has now, and each
** value is what it is when its turn comes. Elements that are gone then are nil; other pairs are
** left out. [-0, +0, e] */
static void pack_listed(struct ti_packer *P, struct walk *w, size_t done, size_t *any, size_t *hash,
                        const struct ti_value_path *up) {
  lua_State *L = P->L;
  struct ti_value_path at = {up, STEP_FIELD, 0, 0, NULL}, step_key = {up, STEP_KEY, 0, 0, NULL};
  const size_t windows = P->lua_calls;
  const int list = w->key, key = list + 1, value = list + 2;
  size_t n;
  lua_settop(L, list - 1);
  n = push_keys(L, w->idx);
  for (size_t i = done + 1; i <= n; i++) {
    lua_rawgeti(L, list, (lua_Integer)i);
    lua_pushvalue(L, key);
    lua_rawget(L, w->idx);
    if (w->element && lua_isinteger(L, key) && lua_tointeger(L, key) == w->i) {
      at.number = w->i++;
      ti_pack_value(P, value, &at);
      ++*any;
    } else if (!lua_isnil(L, value)) {
      w->element = false;
      at.key = key;
      ti_pack_value(P, key, &step_key);
      ti_pack_value(P, value, &at);
      ++*hash;
    }
    lua_settop(L, list);
  }
  if (P->lua_calls != windows) check_keys(P, w->idx, list, n, up);
  lua_settop(L, list - 1);
}

/* Puts the values 1, 2, … as far as the table holds them in order, then all other pairs. One
** traversal does it: lua_next visits the array part first and in order, too. */
static void pack_entries(struct ti_packer *P, int idx, const void *address,
                         const struct ti_value_path *up) {
  lua_State *L = P->L;
  struct ti_value_path at = {up, STEP_FIELD, 0, 0, NULL}, key = {up, STEP_KEY, 0, 0, NULL};
  struct walk w = {idx,  lua_gettop(L) + 1,
                   1,    P->guarded ? 0 : ti_lua_internals_array(&P->x->internals, address),
                   true, true};
  size_t numbers = 0, any = 0, hash = 0, header;
  unsigned tag = WIRE_TABLE;
  lua_pushnil(L);
  fetch(P, &w, up);
  if (w.element && lua_type(L, -1) == LUA_TNUMBER)
    tag = lua_isinteger(L, -1) ? WIRE_TABLE_INTS : WIRE_TABLE_FLOATS;
  ti_pack_tag(P, tag);
  header = P->b->len;
  ti_buffer_put_u64(P->b, 0); /* the counts `any` and `hash` */
  if (tag != WIRE_TABLE) put_u32(P, 0);
  if (P->b->failed) ti_pack_no_memory(P);
  if (tag != WIRE_TABLE) {
    if (w.sure > 0) numbers = pack_sure_numbers(P, &w, tag == WIRE_TABLE_INTS, up);
    numbers += pack_numbers(P, &w, tag == WIRE_TABLE_INTS, up);
  }
  for (; w.element && !is_guarded_pair(P, &w); any++) {
    at.number = w.i;
    ti_pack_value(P, w.key + 1, &at);
    next_element(P, &w, up);
  }
  at.key = w.key;
  for (; w.more && !is_guarded_pair(P, &w); hash++) {
    ti_pack_value(P, w.key, &key);
    ti_pack_value(P, w.key + 1, &at);
    lua_pop(L, 1);
    w.more = lua_next(L, idx) != 0;
    w.element = false;
  }
  if (w.more) pack_listed(P, &w, numbers + any + hash, &any, &hash, up);
  if (tag != WIRE_TABLE) {
    patch_u32(P, header, checked_count(P, numbers, up));
    header += 4;
  }
  patch_u32(P, header, checked_count(P, any, up));
  patch_u32(P, header + 4, checked_count(P, hash, up));
}

/* Puts the metatable on top. */
static void pack_metatable(struct ti_packer *P, const struct ti_value_path *up) {
  struct ti_value_path at = {up, STEP_METATABLE, 0, 0, NULL};
  if (P->error_meta == NULL) {
    ti_error_metatable(P->L);
    P->error_meta = lua_topointer(P->L, -1);
    if (P->guarded)
      ti_pack_guard_keep(P);
    else
      lua_pop(P->L, 1);
  }
  if (lua_topointer(P->L, -1) == P->error_meta)
    ti_pack_tag(P, WIRE_ERROR_META);
  else
    ti_pack_value(P, lua_gettop(P->L), &at);
}

/* Returns whether the metatable on top makes its tables weak. [-0, +0, m] */
static bool is_weak(lua_State *L) {
  const char *mode = NULL;
  lua_pushliteral(L, "__mode");
  if (lua_rawget(L, -2) == LUA_TSTRING) mode = lua_tostring(L, -1);
  lua_pop(L, 1);
  return mode != NULL && (strchr(mode, 'k') != NULL || strchr(mode, 'v') != NULL);
}

/* Returns whether the metatable on top says how the table at idx is rebuilt, and puts that. Guards
** the message before it calls the metamethod, and before the entries of a weak table. */
static bool rebuild(struct ti_packer *P, int idx, const struct ti_value_path *up) {
  const void *meta = lua_topointer(P->L, -1);
  if (P->guarded) return ti_pack_rebuild_put(P, idx, up);
  if (meta == P->inert_meta) return false;
  if (is_weak(P->L)) {
    P->guard_next = true;
    ti_pack_guard_require(P);
  }
  if (ti_pack_rebuild_put(P, idx, up)) return true;
  P->inert_meta = meta;
  return false;
}

void ti_pack_table_put(struct ti_packer *P, int idx, const struct ti_value_path *up) {
  lua_State *L = P->L;
  const void *address = lua_topointer(L, idx);
  size_t start;
  if (address == P->env) {
    P->loose = true;
    ti_pack_tag(P, WIRE_GLOBALS);
    return;
  }
  if (ti_pack_backref(P, idx, address) || ti_pack_name_put(P, idx, address)) return;
  if (P->b->failed) ti_pack_no_memory(P);
  start = P->b->len; /* behind the name, if it is sent as name and copy */
  if (!lua_getmetatable(L, idx)) {
    pack_entries(P, idx, address, up);
    return;
  }
  if (!rebuild(P, idx, up)) { /* the metatable comes last: a __transfer inside may change it */
    pack_entries(P, idx, address, up);
    if (P->b->failed) ti_pack_no_memory(P);
    P->b->data[start] |= WIRE_META;
    pack_metatable(P, up);
  }
  lua_pop(L, 1);
}
