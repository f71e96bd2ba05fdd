/*
** tidepool, floor 2: transfer, what a lua_State remembers to send and receive.
**
** SPDX-License-Identifier: MIT
*/
#include "transfer.h"

#include <lauxlib.h>

#include "paths.h"

/* More code than this in one state, and the caches start anew: a script that makes
** functions without end must not make them grow without end. */
#define MAX_CODES 1024

static const char registry_key = 0;

static void release_codes(struct transfer *x) {
  while (x->ncodes > 0) tide_code_rele(x->codes[--x->ncodes]);
}

static int transfer_gc(lua_State *L) {
  struct transfer *x = (struct transfer *)lua_touserdata(L, 1);
  release_codes(x);
  tide_mem_free(&tide_mem_default, x->codes, x->capcodes * sizeof *x->codes);
  x->codes = NULL;
  x->capcodes = 0;
  tide_bytes_fini(&x->scratch);
  tide_paths_rele(x->paths);
  x->paths = NULL;
  /* finalizers that come after this one start anew: the tables name what is gone */
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
  return 0;
}

/* A new table as user value `which` of the userdata on top. */
static void new_table(lua_State *L, int which, const char *mode) {
  lua_newtable(L);
  if (mode != NULL) {
    lua_createtable(L, 0, 1);
    lua_pushstring(L, mode);
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
  }
  lua_setiuservalue(L, -2, which);
}

struct transfer *tide_transfer_get(lua_State *L) {
  struct transfer *x;
  luaL_checkstack(L, 6, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key) == LUA_TUSERDATA)
    return (struct transfer *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  x = (struct transfer *)lua_newuserdatauv(L, sizeof *x, TRANSFER_TABLES);
  memset(x, 0, sizeof *x);
  tide_bytes_init(&x->scratch, &tide_mem_default);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, transfer_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  new_table(L, TRANSFER_CODES, "k");
  new_table(L, TRANSFER_CONTENT, NULL);
  new_table(L, TRANSFER_LOADED, NULL);
  new_table(L, TRANSFER_NAMES, "k");
  new_table(L, TRANSFER_INDEXED, "k");
  new_table(L, TRANSFER_GOT, NULL);
  new_table(L, TRANSFER_CAME, NULL);
  new_table(L, TRANSFER_NATIVE, NULL);
  new_table(L, TRANSFER_PATHS, NULL);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
  return x;
}

void tide_transfer_table(lua_State *L, int idx, enum transfer_table which) {
  lua_getiuservalue(L, idx, which);
}

void tide_transfer_room(lua_State *L, int idx) {
  struct transfer *x = (struct transfer *)lua_touserdata(L, idx);
  if (x->ncodes < MAX_CODES) return;
  lua_pushvalue(L, idx);
  new_table(L, TRANSFER_CODES, "k");
  new_table(L, TRANSFER_CONTENT, NULL);
  new_table(L, TRANSFER_LOADED, NULL);
  lua_pop(L, 1);
  release_codes(x); /* after the tables: they name what is released here */
}

bool tide_transfer_keep(lua_State *L, int idx, struct code *c) {
  struct transfer *x = (struct transfer *)lua_touserdata(L, idx);
  tide_transfer_room(L, idx);
  if (x->ncodes == x->capcodes) {
    size_t cap = x->capcodes > 0 ? x->capcodes * 2 : 16;
    struct code **p = (struct code **)tide_mem_resize(&tide_mem_default, x->codes,
                                                      x->capcodes * sizeof *p, cap * sizeof *p);
    if (p == NULL) return false;
    x->codes = p;
    x->capcodes = cap;
  }
  x->codes[x->ncodes++] = tide_code_hold(c);
  return true;
}
