/* link: lua */
/*
** lua_internals_test.c: the array part that is found in a table agrees with lua_next, however the
** table was made. The elements that are sure to be in it come first and in order. From the last of
** them on lua_next gives each other pair once.
** One thread: ThreadSanitizer's run leaves this test out.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lualib.h>

#include "luautil/lua_internals.h"
#include "support.h"

enum { TABLES = 3000, MOST = 300 };

static uint64_t seed;

static unsigned rnd(unsigned n) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (unsigned)(seed % n);
}

static void set(lua_State *L, lua_Integer key, bool there) {
  if (there)
    lua_pushinteger(L, key);
  else
    lua_pushnil(L);
  lua_rawseti(L, -2, key);
}

static void any_step(lua_State *L, lua_Integer *top) {
  switch (rnd(9)) {
    case 0:
    case 1: /* append */
      for (unsigned n = rnd(40); n > 0; n--) set(L, ++*top, true);
      break;
    case 2: /* take from the end */
      for (unsigned n = rnd(40); n > 0 && *top > 0; n--) set(L, (*top)--, false);
      break;
    case 3: /* backwards, beyond a gap */
      for (lua_Integer n = *top + rnd(40); n > *top; n--) set(L, n, rnd(4) > 0);
      break;
    case 4: set(L, 1 + rnd(MOST), rnd(2) == 0); break;
    case 5: set(L, -(lua_Integer)rnd(20), rnd(3) > 0); break;
    case 6:
      lua_pushboolean(L, rnd(3) > 0);
      lua_setfield(L, -2, rnd(2) == 0 ? "5" : "name");
      break;
    case 7: /* lets Lua remember another size as a hint */ (void)lua_rawlen(L, -1); break;
    default: lua_pushboolean(L, 1); lua_rawsetp(L, -2, &seed + rnd(30));
  }
}

/* Walks the table on top, from the last sure element on. Returns how many pairs there are with
** those before. */
static int walk(lua_State *L, const struct ti_lua_internals *l) {
  lua_Integer n = 0, sure = ti_lua_internals_array(l, lua_topointer(L, -1));
  int pairs = 0;
  while (n < sure && lua_rawgeti(L, -1, n + 1) != LUA_TNIL) {
    lua_pop(L, 1);
    n++;
  }
  if (n < sure) lua_pop(L, 1);
  pairs = (int)n;
  if (n > 0)
    lua_pushinteger(L, n);
  else
    lua_pushnil(L);
  for (; lua_next(L, -2); lua_pop(L, 1), pairs++)
    CHECK(!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1 || lua_tointeger(L, -2) > n);
  return pairs;
}

static int count(lua_State *L) {
  int pairs = 0;
  lua_pushnil(L);
  for (; lua_next(L, -2); lua_pop(L, 1)) pairs++;
  return pairs;
}

static void test_tables(lua_State *L, const struct ti_lua_internals *l) {
  for (int i = 0; i < TABLES; i++) {
    lua_Integer top = 0;
    lua_createtable(L, rnd(3) > 0 ? (int)rnd(20) : 0, rnd(3) > 0 ? (int)rnd(20) : 0);
    for (unsigned n = 1 + rnd(12); n > 0; n--) {
      any_step(L, &top);
      CHECK(walk(L, l) == count(L));
    }
    lua_pop(L, 1);
  }
  lua_createtable(L, 5000, 0); /* all of a full one are sure */
  for (int i = 1; i <= 5000; i++) set(L, i, true);
  CHECK(ti_lua_internals_array(l, lua_topointer(L, -1)) == 5000);
  lua_pop(L, 1);
}

/* Functions with and without upvalues, nested ones, and ones that do the same. */
static void test_functions(lua_State *L, const struct ti_lua_internals *l) {
  static const char source[] = "local made, a, b = {}, 1, 2 "
                               "local function more(x) return function() return x end end "
                               "for i = 1, 9 do "
                               "  made[#made + 1] = function() end "
                               "  made[#made + 1] = function() end "
                               "  made[#made + 1] = function() return i, a, b end "
                               "  made[#made + 1] = more(i) "
                               "  made[#made + 1] = function(...) a = i return ... end "
                               "  made[#made + 1] = load('return function() end')() "
                               "end "
                               "return made";
  const void *p[54];
  CHECK(luaL_dostring(L, source) == LUA_OK);
  for (int i = 0; i < 54; i++) {
    lua_rawgeti(L, -1, i + 1);
    p[i] = ti_lua_internals_prototype(l, lua_topointer(L, -1));
    lua_pop(L, 1);
    CHECK(p[i] != NULL);
    for (int j = 0; j < i; j++) CHECK((p[i] == p[j]) == (i % 6 == j % 6 && i % 6 != 5));
  }
  lua_pop(L, 1);
}

int main(void) {
  lua_State *L = luaL_newstate();
  struct ti_lua_internals l = {false, 0, 0};
  seed = check_seed(88172645463325252u);
  if (seed == 0) seed = 1;
  luaL_openlibs(L);
  CHECK(ti_lua_internals_array(&l, L) == 0 &&
        ti_lua_internals_prototype(&l, L) == NULL); /* unknown */
  ti_lua_internals_find(L, &l);
  CHECK(lua_gettop(L) == 0);
  CHECK(l.known && l.array_size > 0 && l.prototype > 0); /* in Lua as it is built for tests */
  test_tables(L, &l);
  test_functions(L, &l);
  lua_close(L);
  return check_done();
}
