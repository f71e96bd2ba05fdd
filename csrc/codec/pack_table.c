/*
** codec/pack_table: tables into a message.
**
** SPDX-License-Identifier: MIT
*/
#include <string.h>

#include "luautil/error.h"
#include "codec/pack_impl.h"
#include "codec/codec_state.h"

/* Numbers for which room is made in one go; that are on the stack at once. */
enum { MOST_AT_ONCE = 128 * 1024, ROOM_BEHIND = 64, AT_ONCE = 8 };

static void put_u32(struct ti_packer *P, uint32_t v) { ti_buffer_put(P->b, &v, sizeof v); }

static void patch_u32(struct ti_packer *P, size_t at, uint32_t v) {
  if (!P->b->failed) memcpy(P->b->data + at, &v, sizeof v);
}

static uint32_t checked_count(struct ti_packer *P, size_t n, const struct ti_value_path *up) {
  if (n > WIRE_MAX_COUNT) ti_value_path_refuse(P->L, up, "the table has too many entries");
  return (uint32_t)n;
}

/* A table's traversal: first its elements, as long as they are sure to be in the array part, then
** all that comes behind, by lua_next. The value is on top of the stack, and its key below it. */
struct walk {
  int idx, key;
  lua_Integer i;    /* the element that would be next */
  lua_Integer sure; /* elements up to here are read by themselves; 0: from here on by lua_next */
  bool more;        /* there is a pair on the stack */
  bool element;     /* it is that element */
};

static void next_pair(lua_State *L, struct walk *w) {
  w->more = lua_next(L, w->idx) != 0;
  w->element = w->more && lua_isinteger(L, -2) && lua_tointeger(L, -2) == w->i;
}

/* From the array part on. Its elements end at a hole, or at its end. */
static void leave_array(struct ti_packer *P, struct walk *w, const struct ti_value_path *up) {
  lua_State *L = P->L;
  /* a __transfer may have changed the table: lua_next would lose pairs then */
  if (w->i - 1 > (lua_Integer)ti_lua_internals_array(&P->x->layout, lua_topointer(L, w->idx)))
    ti_value_path_refuse(L, up, "the table was changed while it was sent");
  w->sure = 0;
  if (w->i > 1) {
    lua_pushinteger(L, w->i - 1);
    lua_replace(L, w->key);
  }
  next_pair(L, w);
}

/* Pushes what is next; only the key is on the stack. */
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

/* Makes room for as many numbers as the table says it has from here on, so that a large array is
** not moved while it grows; but not for more than a few at a time: its length may be that of a
** table with holes, which is any number. */
static bool reserve(struct ti_packer *P, const struct walk *w) {
  lua_Unsigned n = lua_rawlen(P->L, w->idx), left = n < (lua_Unsigned)w->i ? 0 : n - w->i + 1;
  /* and for what follows, so that the end of the message does not move it after all */
  return ti_buffer_reserve(P->b, (left < 1              ? 1
                                  : left > MOST_AT_ONCE ? MOST_AT_ONCE
                                                        : left) *
                                         8 +
                                     ROOM_BEHIND);
}

/* The number on top; there is room. */
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

/* The elements that are integers, or floats, as far as they come one after the other. */
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

/* The same of those that are sure to be in the array part. */
static size_t pack_sure_numbers(struct ti_packer *P, struct walk *w, bool ints,
                                const struct ti_value_path *up) {
  lua_State *L = P->L;
  lua_Integer first = w->i;
  bool same = true;
  lua_settop(L, w->key);
  while (same && w->i <= w->sure) {
    lua_Integer end = w->sure - w->i < AT_ONCE ? w->sure + 1 : w->i + AT_ONCE;
    if (P->b->cap - P->b->len < 8 * (size_t)AT_ONCE && !reserve(P, w)) ti_pack_no_memory(P);
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

/* Whether Lua code may run before the pair on top is packed. */
static bool is_guarded_pair(const struct ti_packer *P, const struct walk *w) {
  return P->guarded && (is_object(P->L, w->key + 1) || is_object(P->L, w->key));
}

/* Pushes a list of all keys of the table at idx, in order; returns their number. [-0, +1, m] */
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

/* Refuses a table that got keys which are not among the n in `list`: they would not be sent. */
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

/* Packs what is left of a table, `done` pairs of which are packed. Lua code that runs meanwhile may
** change it, and the collector, if it is weak. So its keys are those that it has now, and each
** value is what it is when its turn comes: elements that are gone then are nil, other pairs are
** left out. [-0, +0, e] */
static void pack_listed(struct ti_packer *P, struct walk *w, size_t done, size_t *any, size_t *hash,
                        const struct ti_value_path *up) {
  lua_State *L = P->L;
  struct ti_value_path at = {up, STEP_FIELD, 0, 0, NULL}, step_key = {up, STEP_KEY, 0, 0, NULL};
  const size_t windows = P->windows;
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
  if (P->windows != windows) check_keys(P, w->idx, list, n, up);
  lua_settop(L, list - 1);
}

/* The values 1, 2, … as far as the table holds them in order, then all other pairs. One
** traversal: lua_next goes through the array part first and in order, too. */
static void pack_entries(struct ti_packer *P, int idx, const void *address,
                         const struct ti_value_path *up) {
  lua_State *L = P->L;
  struct ti_value_path at = {up, STEP_FIELD, 0, 0, NULL}, key = {up, STEP_KEY, 0, 0, NULL};
  struct walk w = {idx,  lua_gettop(L) + 1,
                   1,    P->guarded ? 0 : ti_lua_internals_array(&P->x->layout, address),
                   true, true};
  size_t typed = 0, any = 0, hash = 0, header;
  unsigned tag = WIRE_TABLE;
  lua_pushnil(L);
  fetch(P, &w, up);
  if (w.element && lua_type(L, -1) == LUA_TNUMBER)
    tag = lua_isinteger(L, -1) ? WIRE_TABLE_INTS : WIRE_TABLE_FLOATS;
  ti_pack_tag(P, tag);
  header = P->b->len;
  ti_buffer_put_u64(P->b, 0); /* two counts */
  if (tag != WIRE_TABLE) put_u32(P, 0);
  if (P->b->failed) ti_pack_no_memory(P);
  if (tag != WIRE_TABLE) {
    if (w.sure > 0) typed = pack_sure_numbers(P, &w, tag == WIRE_TABLE_INTS, up);
    typed += pack_numbers(P, &w, tag == WIRE_TABLE_INTS, up);
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
  if (w.more) pack_listed(P, &w, typed + any + hash, &any, &hash, up);
  if (tag != WIRE_TABLE) {
    patch_u32(P, header, checked_count(P, typed, up));
    header += 4;
  }
  patch_u32(P, header, checked_count(P, any, up));
  patch_u32(P, header + 4, checked_count(P, hash, up));
}

/* The metatable on top. */
static void pack_metatable(struct ti_packer *P, const struct ti_value_path *up) {
  struct ti_value_path at = {up, STEP_METATABLE, 0, 0, NULL};
  if (P->errormeta == NULL) {
    ti_error_metatable(P->L);
    P->errormeta = lua_topointer(P->L, -1);
    if (P->guarded)
      ti_pack_keep(P);
    else
      lua_pop(P->L, 1);
  }
  if (lua_topointer(P->L, -1) == P->errormeta)
    ti_pack_tag(P, WIRE_ERROR_META);
  else
    ti_pack_value(P, lua_gettop(P->L), &at);
}

/* Whether the metatable on top makes its tables weak. [-0, +0, m] */
static bool is_weak(lua_State *L) {
  const char *mode = NULL;
  lua_pushliteral(L, "__mode");
  if (lua_rawget(L, -2) == LUA_TSTRING) mode = lua_tostring(L, -1);
  lua_pop(L, 1);
  return mode != NULL && (strchr(mode, 'k') != NULL || strchr(mode, 'v') != NULL);
}

/* Puts how to rebuild the table at idx, if its metatable, which is on top, says so. Before that,
** and before the entries of a weak table, the message is guarded. */
static bool rebuild(struct ti_packer *P, int idx, const struct ti_value_path *up) {
  const void *meta = lua_topointer(P->L, -1);
  if (P->guarded) return ti_pack_rebuild(P, idx, up);
  if (meta == P->plainmeta) return false;
  if (is_weak(P->L)) {
    P->met = true;
    ti_pack_guard(P);
  }
  if (ti_pack_rebuild(P, idx, up)) return true;
  P->plainmeta = meta;
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
  if (ti_pack_backref(P, idx, address) || ti_pack_name(P, idx, address)) return;
  if (P->b->failed) ti_pack_no_memory(P);
  start = P->b->len; /* behind the name that goes along with a table of data */
  if (!lua_getmetatable(L, idx)) {
    pack_entries(P, idx, address, up);
    return;
  }
  if (!rebuild(P, idx, up)) { /* the metatable waits: a __transfer inside may change it */
    pack_entries(P, idx, address, up);
    if (P->b->failed) ti_pack_no_memory(P);
    P->b->data[start] |= WIRE_META;
    pack_metatable(P, up);
  }
  lua_pop(L, 1);
}
