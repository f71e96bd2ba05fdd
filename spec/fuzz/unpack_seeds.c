/*
** unpack_seeds DIRECTORY: writes the seeds of the unpack target, a message of each kind.
**
** Run it again (`make fuzz-seeds`) when the format changes.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "luautil/error.h"
#include "codec/pack.h"
#include "fuzz.h"
#include "unpack_parts.h"

/* Flags, name, values; see unpack_fuzz.c for the flags and what the module m has. */
static const struct {
  unsigned char flags;
  const char *name, *values;
} seeds[] = {
    {0, "none", ""},
    {0, "scalars",
     "nil, true, false, 0, -1, math.maxinteger, math.mininteger, 300, 0.5, -0.0, 0/0"},
    {0, "strings", "'', 'x', 'word', ('long'):rep(50), 'a\\0b', 'word'"},
    {0, "list", "{1.5, 'two', true, {}, nil, 6}"},
    {0, "integers", "{1, 2, 3, 4}, {1, 2, 2.5, 'x', y = 1}"},
    {0, "floats", "{1.5, 2.5, 0/0}, {0.5, 1, 'x', [2.5] = 0}"},
    {0, "fields", "{x = 1, y = {z = 2}, [true] = 'yes', [-1] = 0, [{}] = {}}"},
    {0, "cycle", "(function() local t = {} t.self = t t[t] = {t} return t end)()"},
    {0, "shared", "(function() local s = {} return {s, s, {s}}, s end)()"},
    {0, "meta", "setmetatable({1}, {__index = {a = 1}, __name = 'meta'})"},
    {0, "meta_of_itself", "(function() local t = {} return setmetatable(t, t) end)()"},
    {0, "nested", "(function() local t = {} for i = 1, 30 do t = {t, i} end return t end)()"},
    {0, "error", "mistake"},
    {16, "keys",
     "(function() local t = {} for i = 1, 40 do t[i] = {id = i % 3, name = 'n' .. i % 9}"
     " end return t end)()"},
    {0, "lent", "('lent'):rep(20000), {1}"},
    {1, "functions",
     "function() end, (function() local a = {} return function() return a end end)()"},
    {1, "upvalues",
     "(function() local n, m = 0, {}; local function f() return function() return n end, m"
     " end local function g() return f, n end return f, g, {g} end)()"},
    {1, "recursive", "(function() local f; f = function() return f end return f end)()"},
    {1, "global", "(function() local a return function() h = g return a end end)()"},
    {5, "global_worker", "(function() local a return function() h = g return a end end)()"},
    {3, "global_enclosed", "(function() local a return function() h = g return a end end)()"},
    {1, "globals", "_G, {_G}"},
    {1, "cfunction", "closure(1, {}, 'x')"},
    {1, "pointer", "pointer"},
    {1, "name", "m.list, m, {m.raise}"},
    {1, "either", "m.data, {m.data, m.other}, setmetatable({1}, m.other)"},
    {1, "rebuild", "rebuild('m.list', 1, {2}, 'x'), {rebuild('m.collect')}"},
    {17, "rebuild_again",
     "{'kept', rebuild('m.again'), {'kept', rebuild('m.list', rebuild('m.list'))}}"},
    {1, "rebuild_raises", "rebuild('m.raise', {kind = 'timeout'})"},
};

/* What the expressions use beyond Lua's own. */
static const char prelude[] =
    "m = {list = closure(1), raise = closure(2), collect = closure(3), again = closure(4),"
    " data = {x = 1}, other = {2, 3}}"
    " package.loaded.m = m package.preload.m = select h = 1"
    " g = {'the global', function() return h end}"
    " function rebuild(...) local args = table.pack(...) return setmetatable({}, {__transfer ="
    " function() return table.unpack(args, 1, args.n) end}) end";

static int closed(lua_State *L) { return lua_gettop(L); }

static int closure(lua_State *L) {
  lua_pushcclosure(L, closed, lua_gettop(L));
  return 1;
}

static void write_seed(const char *directory, size_t i) {
  char path[4096];
  struct ti_message m;
  lua_State *L = luaL_newstate();
  FILE *f;
  int n;
  luaL_openlibs(L);
  lua_pushcfunction(L, closure);
  lua_setglobal(L, "closure");
  lua_pushlightuserdata(L, NULL);
  lua_setglobal(L, "pointer");
  ti_error_push(L, TIDE_ETIMEOUT, "too late");
  lua_setglobal(L, "mistake");
  WANT(luaL_dostring(L, prelude) == LUA_OK);
  lua_settop(L, 0);
  lua_pushfstring(L, "return %s", seeds[i].values);
  WANT(luaL_loadstring(L, lua_tostring(L, 1)) == LUA_OK);
  lua_remove(L, 1);
  WANT(lua_pcall(L, 0, LUA_MULTRET, 0) == LUA_OK);
  n = lua_gettop(L);
  ti_message_init(&m, &ti_alloc_default);
  WANT(ti_pack_by(L, &m, n, PACK_RESULTS, &ti_pack_addresses) == LUA_OK);
  WANT((size_t)snprintf(path, sizeof path, "%s/%s", directory, seeds[i].name) < sizeof path);
  f = fopen(path, "wb");
  WANT(f != NULL && m.nparts < 8);
  fputc(seeds[i].flags, f);
  fputc((int)m.nparts, f);
  for (size_t p = 0; p < m.nparts; p++) fputc((int)parts_kind(ti_message_part(&m, p)), f);
  fwrite(m.bytes.data, 1, m.bytes.len, f);
  WANT(fclose(f) == 0);
  ti_message_fini(&m);
  lua_close(L);
}

int main(int argc, char **argv) {
  WANT(argc == 2);
  for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) write_seed(argv[1], i);
  return 0;
}
