/* link: tidepool */
/*
** gc_pacing_test.c: after large results a state's collector is as it was before, also after a
** message that cannot be read. Garbage of large results does not accumulate.
** One thread: ThreadSanitizer's run leaves this test out.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lualib.h>

#include "vm/gc_pacing.h"
#include "codec/borrow.h"
#include "codec/pack.h"
#include "include/tidepool.h"
#include "codec/unpack.h"
#include "support.h"

enum { KIB = 1024, MIB = 1024 * KIB };

static lua_State *new_state(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  return L;
}

static void push_long(lua_State *L, char c, size_t len) {
  luaL_Buffer b;
  char *p = luaL_buffinitsize(L, &b, len);
  memset(p, c, len);
  luaL_pushresultsize(&b, len);
}

/* Begins, as for a message of that many bytes. */
static void begin(lua_State *L, size_t bytes, struct ti_gc_pacing *large) {
  struct ti_message m;
  ti_message_init(&m, &counted_mem);
  CHECK(ti_buffer_reserve(&m.bytes, bytes));
  ti_gc_pacing_begin(L, &m, large);
  ti_message_fini(&m);
}

/* Makes large strings in L, as if they were a result, and checks the one before. */
static void results(lua_State *L, int n) {
  for (int i = 0; i < n; i++) {
    struct ti_gc_pacing large;
    size_t len;
    const char *s;
    begin(L, MIB, &large);
    push_long(L, (char)('a' + i % 26), MIB);
    ti_gc_pacing_end(L, &large);
    s = lua_tolstring(L, -1, &len);
    CHECK(len == MIB && s[0] == (char)('a' + i % 26) && s[len - 1] == s[0]);
    lua_setglobal(L, "result");
  }
}

/* ------------------------------------------------------------- collector -- */

static bool collected;

static int note(lua_State *L) {
  (void)L;
  collected = true;
  return 0;
}

/* Pushes garbage that reports when it is collected. */
static void drop_marked(lua_State *L) {
  collected = false;
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, note);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

/* Returns whether the collector runs by itself, within so much garbage. */
static bool collects(lua_State *L, size_t bytes) {
  drop_marked(L);
  for (size_t n = 0; n < bytes && !collected; n += KIB) {
    push_long(L, 'g', KIB);
    lua_pop(L, 1);
  }
  return collected;
}

static void test_collector(int mode) {
  lua_State *L = new_state();
  struct ti_gc_pacing large;
  if (mode == LUA_GCGEN)
    lua_gc(L, LUA_GCGEN, 0, 0);
  else
    lua_gc(L, LUA_GCINC, 0, 0, 0);
  CHECK(collects(L, 8 * MIB));
  results(L, 10);
  lua_pushnil(L);
  lua_setglobal(L, "result");
  CHECK(collects(L, 32 * MIB)); /* the pause has ended */
  /* it does nothing while a result is decoded, however large that becomes */
  begin(L, BLOCK_CACHE_LARGE, &large);
  CHECK(!collects(L, 2 * MIB));
  ti_gc_pacing_end(L, &large);
  ti_gc_pacing_end(L, &large);
  CHECK(collects(L, 32 * MIB));
  /* nothing accumulates: a result and the one before, and as much again */
  for (int i = 0; i < 100; i++) {
    results(L, 1);
    CHECK(lua_gc(L, LUA_GCCOUNT) < 8 * KIB);
  }
  /* a collector that the script stopped stays stopped */
  lua_gc(L, LUA_GCSTOP);
  results(L, 2);
  CHECK(lua_gc(L, LUA_GCISRUNNING) == 0);
  CHECK(!collects(L, 32 * MIB));
  lua_close(L);
}

/* A message of the state's own strings makes nothing, so the collector does nothing for it. */
static void test_own(void) {
  lua_State *L = new_state(), *other = new_state();
  struct ti_gc_pacing large;
  struct ti_message m;
  ti_message_init(&m, &counted_mem);
  push_long(L, 'o', MIB);
  CHECK(ti_pack_values(L, &m, 1, PACK_CALL) == LUA_OK);
  CHECK(ti_gc_pacing_weight(&m) >= MIB);
  ti_gc_pacing_begin(L, &m, &large);
  CHECK(large.pause == 0);
  ti_gc_pacing_end(L, &large);
  ti_gc_pacing_begin(other, &m, &large);
  CHECK(large.pause > 0);
  ti_gc_pacing_end(other, &large);
  ti_message_fini(&m);
  lua_close(L);
  lua_close(other);
}

/* What was made of a small message counts in full, if not at once: garbage keeps its proportion to
** what is alive. */
static void test_growth(int mode) {
  enum { LIVE = 48, MADE = 16, ROUNDS = 100 };
  lua_State *L = new_state();
  int most = 0;
  if (mode == LUA_GCGEN) lua_gc(L, LUA_GCGEN, 0, 0);
  lua_createtable(L, LIVE, 0);
  for (int i = 1; i <= LIVE; i++) {
    push_long(L, 'l', MIB);
    lua_rawseti(L, -2, i);
  }
  lua_gc(L, LUA_GCCOLLECT);
  for (int i = 0; i < ROUNDS; i++) {
    struct ti_gc_pacing large;
    begin(L, 100 * KIB, &large);
    lua_createtable(L, MADE, 0);
    for (int k = 1; k <= MADE; k++) {
      push_long(L, 'm', MIB / 4);
      lua_rawseti(L, -2, k);
    }
    ti_gc_pacing_end(L, &large);
    lua_setglobal(L, "result");
    if (lua_gc(L, LUA_GCCOUNT) > most) most = lua_gc(L, LUA_GCCOUNT);
  }
  CHECK(most < 3 * LIVE * KIB);
  lua_close(L);
}

/* A task's large outcome that cannot be read leaves the collector as it was. */
static void test_damaged(void) {
  static const char script[] =
      "local tidepool = require 'tidepool'\n"
      "function rebuild() error 'not here' end\n"
      "package.loaded.rebuilder = { rebuild = rebuild }\n"
      "local ex <close> = tidepool.executor(1)\n"
      "local f = ex:submit(function()\n"
      "  package.loaded.rebuilder = { rebuild = function() end }\n"
      "  return ('x'):rep(1 << 20), setmetatable({}, { __transfer = function()\n"
      "    return 'rebuilder.rebuild', 1 end })\n"
      "end)\n"
      "for _ = 1, 3 do\n"
      "  local ok, err = f:pcall()\n"
      "  assert(not ok and tostring(err):find('not here', 1, true), err)\n"
      "end\n";
  lua_State *L = new_state();
  if (luaL_dostring(L, script) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    CHECK(!"the script ran");
  }
  CHECK(collects(L, 64 * MIB));
  lua_close(L);
}

int main(void) {
  test_collector(LUA_GCINC);
  test_collector(LUA_GCGEN);
  test_growth(LUA_GCINC);
  test_growth(LUA_GCGEN);
  test_damaged();
  test_own();
  return check_done();
}
