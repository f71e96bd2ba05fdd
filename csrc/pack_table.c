/*
** tidepool, floor 2: pack_table, tables into a message.
**
** SPDX-License-Identifier: MIT
*/
#include "error.h"
#include "packer.h"

/* Numbers for which room is made in one go. */
enum { MOST_AT_ONCE = 128 * 1024, ROOM_BEHIND = 64 };

static void put_u32(struct packer *P, uint32_t v) { tide_bytes_put(P->b, &v, sizeof v); }

static void patch_u32(struct packer *P, size_t at, uint32_t v) {
  if (!P->b->failed) memcpy(P->b->data + at, &v, sizeof v);
}

static uint32_t checked_count(struct packer *P, size_t n, const struct step *up) {
  if (n > WIRE_MAX_COUNT) tide_path_refuse(P->L, up, "the table has too many entries");
  return (uint32_t)n;
}

/* A table's traversal: the next pair, or one of it, is on the stack from `key` on. */
struct walk {
  int idx, key;
  lua_Integer i; /* the element that would be next */
  bool more;     /* there is a pair on the stack */
  bool element;  /* it is that element */
};

static void next_pair(lua_State *L, struct walk *w) {
  w->more = lua_next(L, w->idx) != 0;
  w->element = w->more && lua_isinteger(L, -2) && lua_tointeger(L, -2) == w->i;
}

static void next_element(lua_State *L, struct walk *w) {
  lua_pop(L, 1);
  w->i++;
  next_pair(L, w);
}

/* Makes room for as many numbers as the table says it has from here on, so that a large array is
** not moved while it grows; but not for more than a few at a time: its length may be that of a
** table with holes, which is any number. */
static bool reserve(struct packer *P, const struct walk *w) {
  lua_Unsigned n = lua_rawlen(P->L, w->idx), left = n < (lua_Unsigned)w->i ? 0 : n - w->i + 1;
  /* and for what follows, so that the end of the message does not move it after all */
  return tide_bytes_reserve(P->b, (left < 1              ? 1
                                   : left > MOST_AT_ONCE ? MOST_AT_ONCE
                                                         : left) *
                                          8 +
                                      ROOM_BEHIND);
}

/* The elements that are integers, as far as they come one after the other. */
static size_t pack_integers(struct packer *P, struct walk *w) {
  lua_State *L = P->L;
  size_t n = 0;
  for (; w->element && lua_isinteger(L, -1); n++) {
    lua_Integer v = lua_tointeger(L, -1);
    if (P->b->cap - P->b->len < 8 && !reserve(P, w)) tide_packer_nomemory(P);
    memcpy(P->b->data + P->b->len, &v, 8);
    P->b->len += 8;
    next_element(L, w);
  }
  return n;
}

static size_t pack_floats(struct packer *P, struct walk *w) {
  lua_State *L = P->L;
  size_t n = 0;
  for (; w->element && lua_type(L, -1) == LUA_TNUMBER && !lua_isinteger(L, -1); n++) {
    lua_Number v = lua_tonumber(L, -1);
    if (P->b->cap - P->b->len < 8 && !reserve(P, w)) tide_packer_nomemory(P);
    memcpy(P->b->data + P->b->len, &v, 8);
    P->b->len += 8;
    next_element(L, w);
  }
  return n;
}

/* The values 1, 2, … as far as the table holds them in order, then all other pairs. One
** traversal: lua_next goes through the array part first and in order. */
static void pack_entries(struct packer *P, int idx, const struct step *up) {
  lua_State *L = P->L;
  struct step at = {up, STEP_FIELD, 0, 0, NULL}, key = {up, STEP_KEY, 0, 0, NULL};
  struct walk w = {idx, lua_gettop(L) + 1, 1, false, false};
  size_t typed = 0, any = 0, hash = 0, header;
  unsigned tag = WIRE_TABLE;
  at.key = w.key;
  lua_pushnil(L);
  next_pair(L, &w);
  if (w.element && lua_type(L, -1) == LUA_TNUMBER)
    tag = lua_isinteger(L, -1) ? WIRE_TABLE_INTS : WIRE_TABLE_FLOATS;
  tide_packer_tag(P, tag);
  header = P->b->len;
  put_u32(P, 0);
  put_u32(P, 0);
  if (tag != WIRE_TABLE) put_u32(P, 0);
  if (P->b->failed) tide_packer_nomemory(P);
  if (tag == WIRE_TABLE_INTS) typed = pack_integers(P, &w);
  if (tag == WIRE_TABLE_FLOATS) typed = pack_floats(P, &w);
  for (; w.element; any++) {
    tide_packer_value(P, w.key + 1, &at);
    next_element(L, &w);
  }
  for (; w.more; hash++) {
    tide_packer_value(P, w.key, &key);
    tide_packer_value(P, w.key + 1, &at);
    lua_pop(L, 1);
    w.more = lua_next(L, idx) != 0;
  }
  if (tag != WIRE_TABLE) {
    patch_u32(P, header, checked_count(P, typed, up));
    header += 4;
  }
  patch_u32(P, header, checked_count(P, any, up));
  patch_u32(P, header + 4, checked_count(P, hash, up));
}

/* The metatable on top. */
static void pack_metatable(struct packer *P, const struct step *up) {
  struct step at = {up, STEP_METATABLE, 0, 0, NULL};
  if (P->errormeta == NULL) {
    tide_error_metatable(P->L);
    P->errormeta = lua_topointer(P->L, -1);
    lua_pop(P->L, 1);
  }
  if (lua_topointer(P->L, -1) == P->errormeta)
    tide_packer_tag(P, WIRE_ERROR_META);
  else
    tide_packer_value(P, lua_gettop(P->L), &at);
}

void tide_packer_table(struct packer *P, int idx, const struct step *up) {
  lua_State *L = P->L;
  const void *address = lua_topointer(L, idx);
  size_t start = P->b->len;
  if (address == P->env) {
    tide_packer_tag(P, WIRE_GLOBALS);
    return;
  }
  if (tide_packer_backref(P, address, WIRE_BACKREF) || tide_packer_name(P, idx)) return;
  if (!lua_getmetatable(L, idx)) {
    pack_entries(P, idx, up);
    return;
  }
  if (!tide_packer_rebuild(P, idx,
                           up)) { /* the metatable waits: a __transfer inside may change it */
    pack_entries(P, idx, up);
    if (P->b->failed) tide_packer_nomemory(P);
    P->b->data[start] |= WIRE_META;
    pack_metatable(P, up);
  }
  lua_pop(L, 1);
}
