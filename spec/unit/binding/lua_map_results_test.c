/* link: tidepool */
/*
** lua_map_results_test.c: the format of what a map's chunk returns: what is packed is read again,
** and every value of a head is recognized. tide_pushvalue pushes each type that a host reads.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "include/tidepool.h"
#include "binding/lua_map_results.h"
#include "check.h"

int luaopen_tidepool_core(lua_State *L);

static bool run(lua_State *L, const char *text) {
  if (luaL_dostring(L, text) == LUA_OK) return true;
  fprintf(stderr, "%s\n", lua_tostring(L, -1));
  lua_settop(L, 0);
  return false;
}

/* Returns the head of a promise that has what a script returns as its results. */
static struct ti_lua_map_head head_of(lua_State *L, const char *text, tide_value *v) {
  struct ti_lua_map_head head;
  tide_future *f;
  CHECK(tide_promise_new(&f) == TIDE_OK);
  CHECK(run(L, text));
  tide_promise_setresult(f, L, lua_gettop(L));
  ti_lua_map_results_read_head(f, &head);
  if (head.flat > 0) {
    ti_lua_map_results_load(f, v, head.flat);
    *v = *ti_lua_map_results_at(v, head.flat);
    CHECK(v->type == TIDE_TINTEGER);
  }
  tide_future_rele(f);
  return head;
}

static void round_trip(lua_State *L) {
  CHECK(run(L, "core = require 'tidepool.core'"
               "local function same(multi, failed, parts, count, scalars, ...)"
               "  local values = { ... }"
               "  local packed = table.pack(core.map_pack(0.5, values, multi, failed, parts, count,"
               "    scalars))"
               "  local ok, seconds, v, m, f, p ="
               "    core.map_unpack(true, table.unpack(packed, 1, packed.n))"
               "  assert(ok == true and seconds == 0.5 and f == failed and p == parts)"
               "  for i = 1, count do"
               "    local a, b = table.pack(core.map_row(values, multi, i)),"
               "      table.pack(core.map_row(v, m, i))"
               "    assert(a.n == b.n)"
               "    for k = 1, a.n do assert(a[k] == b[k]) end"
               "  end"
               "  return packed "
               "end "
               "local p = same({}, nil, nil, 3, true, 1, false, 'x')"
               "assert(p.n == 8 and p[2] == false and p[3] == 3 and p[8] == 'x')"
               "p = same({}, nil, {}, 2, true, 1, nil)"
               "assert(p.n == 7 and p[5] and p[7] == nil)"
               "p = same({ 0, { 4, nil, n = 2 } }, nil, nil, 3, true, false, false, 3)"
               "assert(p.n == 5)"
               "p = same({}, { [2] = {} }, nil, 3, false, 1, false, 3)"
               "assert(p.n == 5 and p[3] == nil and p[4][2])"
               "local many = {} for i = 1, 1025 do many[i] = i end "
               "p = same({}, nil, nil, 1024, true, table.unpack(many, 1, 1024))"
               "assert(p.n == 1029)"
               "p = same({}, nil, nil, 1025, true, table.unpack(many))"
               "assert(p.n == 5)"
               "local values, multi = { 1, false }, { [2] = 0 }"
               "core.map_clear(values, multi, 2) core.map_clear(values, multi, 1)"
               "assert(values[1] == false and values[2] == false and next(multi) == nil)"
               "assert(core.map_row({ 7 }, nil, 1) == 7)"
               "local ok, err, none = core.map_unpack(false, 'words')"
               "assert(not ok and err == 'words' and none == nil)"));
}

static void heads(lua_State *L) {
  tide_value v[8];
  struct ti_lua_map_head head =
      head_of(L, "return core.map_pack(0.5, { 6, 7 }, {}, nil, nil, 2, true)", v);
  CHECK(head.seconds == 0.5 && head.flat == 2 && !head.more && v[0].u.integer == 7);
  head = head_of(L, "return core.map_pack(2.5, { 6 }, {}, nil, { 1 }, 1, true)", v);
  CHECK(head.seconds == 2.5 && head.flat == -1 && head.more);
  head = head_of(L, "return core.map_pack(0.5, { {} }, {}, nil, nil, 1, false)", v);
  CHECK(head.seconds == 0.5 && head.flat == -1 && !head.more);
  head = head_of(L, "return core.map_pack(0.5, { false }, {}, { {} }, nil, 1, false)", v);
  CHECK(head.flat == -1 && head.more);
  head = head_of(L, "return", v);
  CHECK(head.seconds == 0 && head.flat == -1 && !head.more);
}

static void values(lua_State *L) {
  tide_value v[8];
  tide_future *f;
  size_t n;
  CHECK(tide_promise_new(&f) == TIDE_OK);
  lua_settop(L, 0);
  CHECK(run(L, "return nil, true, 7, 0.5, 'a\\0b'"));
  lua_pushlightuserdata(L, &v);
  lua_newtable(L);
  tide_promise_setresult(f, L, lua_gettop(L));
  CHECK(tide_future_values(f, v, 8, &n) == TIDE_OK && n == 7);
  lua_settop(L, 0);
  for (size_t i = 0; i < n; i++) tide_pushvalue(L, &v[i]);
  CHECK(lua_gettop(L) == 7 && lua_isnil(L, 1) && lua_isboolean(L, 2) && lua_toboolean(L, 2));
  CHECK(lua_isinteger(L, 3) && lua_tointeger(L, 3) == 7 && !lua_isinteger(L, 4));
  CHECK(lua_tonumber(L, 4) == 0.5 && lua_rawlen(L, 5) == 3);
  CHECK(memcmp(lua_tostring(L, 5), "a\0b", 3) == 0 && lua_touserdata(L, 6) == (void *)&v);
  CHECK(v[6].type == TIDE_TOTHER && lua_isnil(L, 7));
  tide_future_rele(f);
}

int main(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_tidepool_core);
  lua_setfield(L, -2, "tidepool.core");
  lua_settop(L, 0);
  round_trip(L);
  lua_settop(L, 0);
  heads(L);
  values(L);
  lua_close(L);
  return check_done();
}
