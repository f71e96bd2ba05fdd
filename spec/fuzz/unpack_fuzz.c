/*
** unpack_fuzz: reads any bytes, which must give values or an error of the library.
**
**     flags, number of parts, kind of each part, message
**
** The message is in a block of exactly its size, so that AddressSanitizer finds reads beyond it.
** The state may take a limited amount of memory for each byte of it: a count that no bytes support
** shows as "not enough memory". With UNPACK_DATA each refusal is of kind transfer. The values that
** were read are visited, written, and read again.
**
** The parts are as this process would make them, since bytes cannot forge them. The only module is
** one of harmless functions.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <string.h>

#include "luautil/error.h"
#include "codec/globals.h"
#include "codec/borrow.h"
#include "codec/pack.h"
#include "codec/reftype.h"
#include "codec/unpack.h"
#include "fuzz.h"
#include "unpack_parts.h"

enum { FLAG_ALL = 1, FLAG_ENCLOSED = 2, FLAG_WORKER = 4, FLAG_NATIVE = 8, FLAG_GC = 16 };

/* A state with tables, closures and stack for a few values takes less than BASE bytes. A byte of a
** message makes it take at most PER_BYTE more. The most is taken by a value of one byte that is
** marked as shared: its place in its table, and one in a table that doubles now and then. */
enum { BASE = 128 * 1024, PER_BYTE = 256 };

struct budget {
  size_t used, limit;
};

static void *budget_alloc(void *ud, void *p, size_t osize, size_t nsize) {
  struct budget *b = (struct budget *)ud;
  void *q;
  if (p == NULL) osize = 0;
  if (nsize > osize && nsize - osize > b->limit - b->used) return NULL;
  if (nsize == 0) {
    free(p);
    q = NULL;
  } else {
    q = realloc(p, nsize);
    if (q == NULL) return NULL;
  }
  b->used += nsize - osize;
  return q;
}

/* ---------------------------------------------------------- the module "m" -- */

static const struct ti_message *again; /* NULL: m.again does nothing */

static int m_list(lua_State *L) {
  lua_createtable(L, lua_gettop(L), 0);
  lua_insert(L, 1);
  for (int i = lua_gettop(L) - 1; i > 0; i--) lua_rawseti(L, 1, i);
  return 1;
}

static int m_raise(lua_State *L) {
  lua_settop(L, 1);
  return lua_error(L);
}

static int m_collect(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  return 0;
}

/* What rebuilds a value may unpack another message: here the same, but only once. */
static int m_again(lua_State *L) {
  const struct ti_message *m = again;
  again = NULL;
  lua_settop(L, 0);
  return m != NULL ? ti_unpack_values(L, m, 0, UNPACK_ALL) : 0;
}

static int no_module(lua_State *L) { return luaL_error(L, "no module"); }

static const luaL_Reg module[] = {
    {"list", m_list}, {"raise", m_raise}, {"collect", m_collect}, {"again", m_again}, {NULL, NULL}};

/* -------------------------------------------------------------- one message -- */

static int open_body(lua_State *L) {
  unsigned flags = (unsigned)lua_tointeger(L, 1);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  luaL_newlib(L, module);
  lua_createtable(L, 0, 1);
  lua_pushinteger(L, 1);
  lua_setfield(L, -2, "x");
  lua_setfield(L, -2, "data");
  lua_setfield(L, -2, "m");
  lua_pushcfunction(L, no_module);
  lua_setglobal(L, "require");
  lua_pushinteger(L, 1);
  lua_setglobal(L, "g"); /* a function among the parts names it */
  if (flags & FLAG_WORKER) ti_globals_own(L, (flags & FLAG_NATIVE) == 0);
  if (flags & FLAG_GC) lua_gc(L, LUA_GCINC, 1, 1000, 1); /* often */
  return 0;
}

static int unpack_body(lua_State *L) {
  const struct ti_message *m = (const struct ti_message *)lua_touserdata(L, 1);
  unsigned flags = (unsigned)lua_tointeger(L, 2);
  lua_settop(L, 0);
  if ((flags & FLAG_ALL) == 0) return ti_unpack_values(L, m, 0, UNPACK_DATA);
  if ((flags & FLAG_ENCLOSED) == 0) return ti_unpack_values(L, m, 0, UNPACK_ALL);
  ti_unpack_private(L, m);
  return lua_gettop(L);
}

static int try_unpack(lua_State *L, struct ti_message *m, unsigned flags) {
  lua_settop(L, 0);
  lua_pushcfunction(L, unpack_body);
  lua_pushlightuserdata(L, m);
  lua_pushinteger(L, flags);
  return lua_pcall(L, 2, LUA_MULTRET, 0);
}

static int look_body(lua_State *L) {
  (void)ti_error_kind(L, 1);
  luaL_tolstring(L, 1, NULL);
  lua_gc(L, LUA_GCCOLLECT);
  return 0;
}

/* Visits the values from index 1 to the top. */
static void look(lua_State *L, unsigned flags) {
  struct ti_message m;
  int n = lua_gettop(L);
  luaL_checkstack(L, n + 8, NULL);
  for (int i = 1; i <= n; i++) {
    lua_pushcfunction(L, look_body);
    lua_pushvalue(L, i);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1); /* a __tostring of its own */
  }
  ti_message_init(&m, &ti_alloc_default);
  if (ti_pack_by(L, &m, n, PACK_RESULTS, &ti_pack_addresses) == LUA_OK) {
    int status = try_unpack(L, &m, flags & ~(unsigned)FLAG_ENCLOSED);
    WANT(status == LUA_OK || (flags & FLAG_ALL)); /* what rebuilds may raise */
    WANT(status != LUA_OK || lua_gettop(L) == n);
  }
  ti_message_fini(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input in = {data, data + size};
  struct budget budget = {0, SIZE_MAX};
  unsigned flags = input_u8(&in);
  lua_State *L = lua_newstate(budget_alloc, &budget);
  struct ti_message m;
  int status;
  WANT(L != NULL);
  lua_pushcfunction(L, open_body);
  lua_pushinteger(L, flags);
  WANT(lua_pcall(L, 1, 0, 0) == LUA_OK);

  ti_message_init(&m, &ti_alloc_default);
  for (unsigned n = input_u8(&in) % 8; n > 0; n--) parts_add(&m, input_u8(&in));
  size = (size_t)(in.end - in.p);
  m.bytes.data = (unsigned char *)malloc(size > 0 ? size : 1);
  m.bytes.len = m.bytes.cap = size;
  m.bytes.borrowed = false;
  WANT(m.bytes.data != NULL);
  if (size > 0) memcpy(m.bytes.data, in.p, size);

  again = &m;
  budget.limit = BASE + PER_BYTE * size;
  status = try_unpack(L, &m, flags);
  budget.limit = SIZE_MAX;
  WANT(status == LUA_OK || status == LUA_ERRRUN);
  if (status == LUA_OK)
    look(L, flags);
  else if ((flags & FLAG_ALL) == 0)
    WANT(ti_error_kind(L, -1) == TIDE_ETRANSFER);
  lua_close(L);
  WANT(budget.used == 0);
  ti_message_fini(&m);
  return 0;
}
