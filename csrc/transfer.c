/*
** tidepool, floor 2: transfer, what a lua_State remembers to send and receive.
**
** SPDX-License-Identifier: MIT
*/
#include "transfer.h"

#include <lauxlib.h>

#include "lend.h"
#include "paths.h"
#include "large.h"

/* More code than this in one state, in pieces or in bytes, and the caches start anew: a script
** that makes functions without end must not make them grow without end. */
enum { MAX_CODES = 4096, MAX_CODE_BYTES = 4 << 20 };

static const char registry_key = 0;

static void empty_purse(struct purse *p) {
  if (p->code != NULL) tide_code_relemany(p->code, p->n);
  p->code = NULL;
  p->n = 0;
}

struct code *tide_transfer_spend(struct transfer *x, struct code *c) {
  struct purse *p = &x->purses[((uintptr_t)c >> 6) % PURSES];
  if (p->code != c) {
    empty_purse(p);
    p->code = c;
  }
  if (p->n == 0) {
    tide_code_holdmany(c, PURSE_FULL);
    p->n = PURSE_FULL;
  }
  p->n--;
  return c;
}

static void release_codes(struct transfer *x) {
  for (int i = 0; i < PURSES; i++) empty_purse(&x->purses[i]);
  if (x->ncodes > 0) memset(x->index, 0, x->capcodes * 2 * sizeof *x->index);
  while (x->ncodes > 0) tide_code_rele(x->codes[--x->ncodes]);
  x->codebytes = 0;
}

static void free_codes(struct transfer *x) {
  tide_mem_free(&tide_mem_default, x->codes, x->capcodes * sizeof *x->codes);
  tide_mem_free(&tide_mem_default, x->index, x->capcodes * 2 * sizeof *x->index);
  x->codes = x->index = NULL;
  x->capcodes = 0;
}

static int transfer_gc(lua_State *L) {
  struct transfer *x = (struct transfer *)lua_touserdata(L, 1);
  release_codes(x);
  free_codes(x);
  tide_mem_free(&tide_mem_default, x->filter, TRANSFER_FILTER);
  x->filter = NULL;
  tide_mem_free(&tide_mem_default, x->entries, x->capentries * sizeof *x->entries);
  x->entries = NULL;
  x->nentries = x->capentries = 0;
  tide_bytes_fini(&x->scratch);
  tide_paths_rele(x->paths);
  x->paths = NULL;
  tide_memo_free(&x->memo);
  tide_large_close(L, x);
  tide_lend_close(L, x);
  /* finalizers that come after this one start anew: the tables name what is gone */
  lua_pushboolean(L, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
  return 0;
}

struct transfer *tide_transfer_peek(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
  return (struct transfer *)lua_touserdata(L, -1);
}

struct transfer *tide_transfer_get(lua_State *L) {
  struct transfer *x;
  bool late;
  luaL_checkstack(L, 6, NULL);
  x = tide_transfer_peek(L);
  if (x != NULL) return x;
  /* In a finalizer lua_gc answers -1: in that of a closing state, perhaps. */
  late = lua_isboolean(L, -1) || lua_gc(L, LUA_GCISRUNNING) < 0;
  lua_pop(L, 1);
  x = (struct transfer *)lua_newuserdatauv(L, sizeof *x, TRANSFER_TABLES);
  memset(x, 0, sizeof *x);
  x->late = x->never_lends = late;
  tide_bytes_init(&x->scratch, &tide_mem_default);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, transfer_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
  return x;
}

bool tide_transfer_hastable(lua_State *L, int idx, enum transfer_table which) {
  return lua_getiuservalue(L, idx, which) == LUA_TTABLE;
}

void tide_transfer_table(lua_State *L, int idx, enum transfer_table which) {
  if (tide_transfer_hastable(L, idx, which)) return;
  lua_pop(L, 1);
  lua_newtable(L);
  if (which == TRANSFER_CODES || which == TRANSFER_KIN || which == TRANSFER_NAMES ||
      which == TRANSFER_NATIVES) {
    lua_createtable(L, 0, 1);
    lua_pushstring(L, which == TRANSFER_KIN ? "v" : "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
  }
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, idx, which);
}

void tide_transfer_flush(lua_State *L, int idx) {
  struct transfer *x = (struct transfer *)lua_touserdata(L, idx);
  lua_pushnil(L);
  lua_setiuservalue(L, idx, TRANSFER_CODES);
  lua_pushnil(L);
  lua_setiuservalue(L, idx, TRANSFER_KIN);
  lua_pushnil(L);
  lua_setiuservalue(L, idx, TRANSFER_LOADED);
  release_codes(x); /* after the tables: they name what is released here */
}

/* Puts c into an index of `slots`, a power of two, of which at most half are taken. */
static void put_index(struct code **index, size_t slots, struct code *c) {
  size_t i = (size_t)c->hash & (slots - 1);
  while (index[i] != NULL) i = (i + 1) & (slots - 1);
  index[i] = c;
}

static bool grow_codes(struct transfer *x) {
  const struct mem *mem = &tide_mem_default;
  size_t cap = x->capcodes > 0 ? x->capcodes * 2 : 4;
  struct code **codes = (struct code **)tide_mem_new(mem, cap * sizeof *codes);
  struct code **index = (struct code **)tide_mem_zero(mem, cap * 2 * sizeof *index);
  if (codes == NULL || index == NULL) {
    tide_mem_free(mem, codes, cap * sizeof *codes);
    tide_mem_free(mem, index, cap * 2 * sizeof *index);
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

bool tide_transfer_keep(lua_State *L, int idx, struct code *c) {
  struct transfer *x = (struct transfer *)lua_touserdata(L, idx);
  if (x->ncodes >= MAX_CODES || x->codebytes >= MAX_CODE_BYTES) tide_transfer_flush(L, idx);
  if (x->ncodes == x->capcodes && !grow_codes(x)) return false;
  x->codes[x->ncodes++] = tide_code_hold(c);
  x->codebytes += c->size;
  put_index(x->index, x->capcodes * 2, c);
  return true;
}

struct code *tide_transfer_find(const struct transfer *x, uint64_t hash,
                                const struct chunk_set *envs, const void *dump, size_t len) {
  size_t slots = x->capcodes * 2;
  if (slots == 0) return NULL;
  for (size_t i = (size_t)hash & (slots - 1); x->index[i] != NULL; i = (i + 1) & (slots - 1)) {
    struct code *c = x->index[i];
    if (c->hash == hash && c->len == len && memcmp(&c->envs, envs, sizeof *envs) == 0 &&
        memcmp(tide_code_bytecode(c), dump, len) == 0)
      return c;
  }
  return NULL;
}
