/*
** codec/codec_state: what a lua_State remembers to send and receive.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/codec_state.h"

#include <lauxlib.h>

#include "luautil/error.h"

/* Limits of the caches, in pieces of code and in bytes. A cache that is full is emptied, so that a
** script which makes functions without end does not make it grow without end. */
enum { MAX_CODES = 4096, MAX_CODE_BYTES = 4 << 20 };

static const char registry_key = 0;

static void release_codes(struct ti_codec_state *x) {
  if (x->ncodes > 0) memset(x->index, 0, x->capcodes * 2 * sizeof *x->index);
  while (x->ncodes > 0) ti_code_release(x->codes[--x->ncodes]);
  x->codebytes = 0;
}

static void free_codes(struct ti_codec_state *x) {
  ti_alloc_free(&ti_alloc_default, x->codes, x->capcodes * sizeof *x->codes);
  ti_alloc_free(&ti_alloc_default, x->index, x->capcodes * 2 * sizeof *x->index);
  x->codes = x->index = NULL;
  x->capcodes = 0;
}

static int close_state(lua_State *L) {
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(L, 1);
  release_codes(x);
  free_codes(x);
  ti_alloc_free(&ti_alloc_default, x->filter, CODEC_FILTER);
  x->filter = NULL;
  ti_alloc_free(&ti_alloc_default, x->entries, x->capentries * sizeof *x->entries);
  x->entries = NULL;
  x->nentries = x->capentries = 0;
  ti_buffer_fini(&x->scratch);
  ti_memo_free(&x->memo);
  for (int i = 0; i < CODEC_CLOSERS; i++)
    if (x->closers[i] != NULL) x->closers[i](L, x);
  /* a finalizer that is called later needs another codec state: these tables name what is gone */
  lua_pushboolean(L, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
  return 0;
}

struct ti_codec_state *ti_codec_state_peek(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
  return (struct ti_codec_state *)lua_touserdata(L, -1);
}

struct ti_codec_state *ti_codec_state_get(lua_State *L) {
  struct ti_codec_state *x;
  bool late;
  luaL_checkstack(L, 6, NULL);
  x = ti_codec_state_peek(L);
  if (x != NULL) return x;
  /* In a finalizer lua_gc returns -1. The state may be closing. */
  late = lua_isboolean(L, -1) || lua_gc(L, LUA_GCISRUNNING) < 0;
  lua_pop(L, 1);
  x = (struct ti_codec_state *)lua_newuserdatauv(L, sizeof *x, CODEC_TABLES);
  memset(x, 0, sizeof *x);
  x->late = late;
  x->strings = ti_error_strings(L);
  ti_buffer_init(&x->scratch, &ti_alloc_default);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, close_state);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
  return x;
}

bool ti_codec_state_set_error_strings(lua_State *L, bool on) {
  bool before = ti_error_set_strings(L, on);
  ti_codec_state_get(L)->strings = on;
  lua_pop(L, 1);
  return before;
}

bool ti_codec_state_has_table(lua_State *L, int idx, enum ti_codec_table which) {
  return lua_getiuservalue(L, idx, which) == LUA_TTABLE;
}

void ti_codec_state_table(lua_State *L, int idx, enum ti_codec_table which) {
  if (ti_codec_state_has_table(L, idx, which)) return;
  lua_pop(L, 1);
  lua_newtable(L);
  if (which == CODEC_CODES || which == CODEC_PROTOTYPES || which == CODEC_NAMES ||
      which == CODEC_OBJECT_PATHS) {
    lua_createtable(L, 0, 1);
    lua_pushstring(L, which == CODEC_PROTOTYPES ? "v" : "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
  }
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, idx, which);
}

void ti_codec_state_flush(lua_State *L, int idx) {
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(L, idx);
  lua_pushnil(L);
  lua_setiuservalue(L, idx, CODEC_CODES);
  lua_pushnil(L);
  lua_setiuservalue(L, idx, CODEC_PROTOTYPES);
  lua_pushnil(L);
  lua_setiuservalue(L, idx, CODEC_LOADED);
  release_codes(x); /* last: the tables name what is released here */
}

/* Puts c into an index of `slots` slots, a power of two, at most half of which are taken. */
static void put_index(struct ti_code **index, size_t slots, struct ti_code *c) {
  size_t i = (size_t)c->hash & (slots - 1);
  while (index[i] != NULL) i = (i + 1) & (slots - 1);
  index[i] = c;
}

static bool grow_codes(struct ti_codec_state *x) {
  const struct ti_alloc *mem = &ti_alloc_default;
  size_t cap = x->capcodes > 0 ? x->capcodes * 2 : 4;
  struct ti_code **codes = (struct ti_code **)ti_alloc_new(mem, cap * sizeof *codes);
  struct ti_code **index = (struct ti_code **)ti_alloc_zero(mem, cap * 2 * sizeof *index);
  if (codes == NULL || index == NULL) {
    ti_alloc_free(mem, codes, cap * sizeof *codes);
    ti_alloc_free(mem, index, cap * 2 * sizeof *index);
    return false;
  }
  for (size_t i = 0; i < x->ncodes; i++) {
    codes[i] = x->codes[i];
    put_index(index, cap * 2, codes[i]);
  }
  free_codes(x);
  x->codes = codes;
  x->index = index;
  x->capcodes = cap;
  return true;
}

bool ti_codec_state_keep(lua_State *L, int idx, struct ti_code *c) {
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(L, idx);
  if (x->ncodes >= MAX_CODES || x->codebytes >= MAX_CODE_BYTES) ti_codec_state_flush(L, idx);
  if (x->ncodes == x->capcodes && !grow_codes(x)) return false;
  x->codes[x->ncodes++] = ti_code_hold(c);
  x->codebytes += c->size;
  put_index(x->index, x->capcodes * 2, c);
  return true;
}

struct ti_code *ti_codec_state_find(const struct ti_codec_state *x, uint64_t hash,
                                    const struct ti_bytecode_set *envs, const void *dump,
                                    size_t len) {
  size_t slots = x->capcodes * 2;
  if (slots == 0) return NULL;
  for (size_t i = (size_t)hash & (slots - 1); x->index[i] != NULL; i = (i + 1) & (slots - 1)) {
    struct ti_code *c = x->index[i];
    if (c->hash == hash && c->len == len && memcmp(&c->envs, envs, sizeof *envs) == 0 &&
        memcmp(ti_code_bytecode(c), dump, len) == 0)
      return c;
  }
  return NULL;
}
