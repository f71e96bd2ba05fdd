/* link: lua
**
** bytecode_test.c: tests codec/bytecode on what Lua's own compiler and lua_dump make.
** One thread: ThreadSanitizer's run leaves this test out.
**
** SPDX-License-Identifier: MIT
*/
#include "bytecode_dump.h"

/* ------------------------------------------------------------- globals -- */

/* Returns the names found, separated by spaces. Those that are only maybe names of globals have a
** `?` before them. `loose` is at the end if the dump is. */
static char *words(const struct ti_buffer *names, const struct ti_bytecode_names *found) {
  static char text[4096];
  struct ti_cursor c;
  size_t at = 0, i;
  ti_buffer_cursor_init(&c, names->data, names->len);
  for (i = 0; i < found->sure + found->maybe; i++) {
    size_t len = (size_t)ti_buffer_get_varint(&c);
    const unsigned char *p = ti_buffer_get(&c, len);
    if (p == NULL || at + len + 12 > sizeof text) break;
    if (at > 0) text[at++] = ' ';
    if (i >= found->sure) text[at++] = '?';
    memcpy(text + at, p, len);
    at += len;
  }
  if (found->loose) at += (size_t)sprintf(text + at, "%sloose", at > 0 ? " " : "");
  text[at] = '\0';
  CHECK(i == found->sure + found->maybe && c.p == c.end);
  return text;
}

static const struct {
  const char *body;  /* a script that returns the function */
  const char *names; /* what words() must return */
} cases[] = {
    {"return function() a = b; c(d) end", "a b c d"},
    {"return function() a = a; a() return a end", "a"},
    {"return function(x) local y = x; return function() return x + y end end", ""},
    {"return function() one() return function() two() return function() return three "
     "end end end",
     "one two three"},
    {"return function() return function() return function() four = 4 end end end", "four"},
    {"return function() a() do local _ENV = {}; x = 1 end b() end", "a b"},
    {"return function() a() do local _ENV <const> = {}; x = y end end", "a ?y"},
    {"return function(_ENV) x = y end", "?x ?y"},
    {"return function() a() return function(_ENV) return x, function() return y end end end",
     "a ?x ?y"},
    {"return function() a() local _ENV = {} return function() x = 1 end end", "a ?x"},
    {"return function() local _ENV = _ENV; return function() deep = 1 end end", "deep"},
    {"return function() local _ENV = _ENV; here('text') end", "here"},
    {"return function() local f = load('x', 'n', 't', _ENV) return f end", "load"},
    {"local g = {} return function() g.x = g.y; return z end", "z ?x ?y"},
    {"local a, b, c = 1, 2, 3 return function() c = a + b; z = c end", "z"},
    {"local a, b = {}, 2 return function() a.p = b; return function() a.q = b; z = b end end",
     "z ?p ?q"},
    {"return function(...) local n = select('#', ...) return ... end", "select"},
    {"return function() return obj:method(1), obj.field.x, obj['k'] end",
     "obj ?method ?field ?x ?k"},
    {"return function() function lib.sub:go() self.x = glob end end", "lib glob ?sub ?go ?x"},
    {"return function() goto out; ::back:: a() do return end ::out:: b() goto back end", "a b"},
    {"return function() t = {1, 2.5, nil, true, false, 's', 1 << 60, -0.0, 1e300, [3] = false} "
     "if u == 's' or u == 7.5 or u == nil then return 'text' .. v end end",
     "t u v"},
    {"return function() " LONG " = 'text' end", LONG},
    {"return function() local s <close> = nil; for k, v in pairs(t) do f(k) end end", "pairs t f"},
    {"return function() _ENV.x = _ENV.y; _ENV['odd name'] = 1; _ENV[1] = 2 end", "x y odd name"},
    {"return function() _ENV = {}; x = 1 end", "x"},
    /* the table by its name, in registers, in upvalues, in what Lua's library returns */
    {"return function() return _G.x, _G['y'], _G._G.z, _G.x.y.w end", "_G x y z ?w"},
    {"return function() local G = _G; G.x = G.y; return function() return G.z end end", "_G x y z"},
    {"return function() local k = 'x'; return _ENV[k], _ENV['y' .. k] end", "x"},
    {"return function() return rawget(_G, 'x'), rawset(_ENV, 'y', 'z').w end",
     "rawget _G x rawset y w"},
    {"return function() return setmetatable(_G, nil).x, assert(_G, 'no').y end",
     "setmetatable _G x assert y"},
    {"return function() return require('_G').x, package.loaded._G.y end",
     "require x package ?_G ?loaded ?y loose"},
    {"return function() for k, v in pairs(_G) do print(k, v.x) end return type(_G), _G == v end",
     "pairs _G print type v ?x"},
    {"return function() return _G:m(1) end", "_G m loose"},
    {"return function(c) while c do local G = _G; c = G.x end return c.y end", "_G x ?y"},
    {"return function(c) local t = c; while true do t.x = 1; t = _G end end", "_G ?x loose"},
    {"return function(c) return (c or _G).x, (_G or c).y end", "_G ?x ?y loose"},
    {"return function(c) local G; if c then G = _G else G = {} end return G.x, c.y end",
     "_G ?x ?y loose"},
    {"return function(c) if c then _G.x = 1 end local t = {}; return t.y, c.z end", "_G x ?y ?z"},
    {"return function(c) local G; local function f() return G.x end; G = _G; return f end",
     "_G ?x loose"},
    {"return function() local function get(t) return t.x, t.y end return get(_ENV), get('z') end",
     "?x ?y loose"},
    {"return function(get) return get(_G, 'x'), get('y') end", "_G ?x loose"},
    {"return function() return { e = _G }, function() return _G end end", "_G loose"},
    {"return function() local t = { _G }; t.x = 1 return #'text' + t.y end", "_G ?y loose"},
    {"return function() g = _G; return g.x end", "g _G ?x loose"},
    {"return function(...) local a, b = ..., _G; return b.x, f(a, ...) end", "_G x f"},
    {"return function() f(g(_G)) goto on ::on:: return function() return _ENV end end",
     "f g _G loose"},
    {"return function() for i = 1, 3 do _G.x = i end for _, v in f, _G do v.y = 1 end end",
     "_G x f ?y loose"},
    {"local _ENV = { rawget = rawget }; return function() return x, rawget(_ENV, 'y') end",
     "x rawget y"},
};

static void test_globals(lua_State *L) {
  size_t i;
  int strip;
  for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    for (strip = 0; strip <= 1; strip++) {
      struct ti_buffer d, names;
      struct ti_bytecode_set envs;
      struct ti_bytecode_names found = {77, 77, false};
      run(L, cases[i].body);
      envs = env_of(L);
      d = dump(L, strip);
      ti_buffer_init(&names, &ti_alloc_default);
      CHECK(ti_bytecode_globals_list(d.data, d.len, &envs, &names, &found));
      CHECK(strcmp(words(&names, &found), cases[i].names) == 0);
      if (strcmp(words(&names, &found), cases[i].names) != 0)
        printf("%s\n  gave %s\n", cases[i].body, words(&names, &found));
      ti_buffer_fini(&names);
      ti_buffer_fini(&d);
      lua_pop(L, 1);
    }
  }
}

/* Finds n globals g1 ... gn. Beyond 255 constants the compiler uses other instructions to index,
** and beyond 2^17 another one to load a constant. */
static void test_many_globals(lua_State *L, size_t n) {
  struct ti_buffer d, names;
  struct ti_cursor c;
  struct ti_bytecode_names found = {0, 0, false};
  size_t i;
  lua_pushinteger(L, (lua_Integer)n);
  lua_setglobal(L, "n");
  run(L, "local t = {'return function() '} for i = 1, n do t[i + 1] = 'g' .. i .. '=2.5 ' end "
         "return load(table.concat(t) .. ' end')()");
  d = dump(L, 1);
  ti_buffer_init(&names, &ti_alloc_default);
  ti_buffer_put(&names, "before", 6);
  CHECK(ti_bytecode_globals_list(d.data, d.len, &first_env, &names, &found));
  CHECK(found.sure == n && found.maybe == 0 && !found.loose &&
        memcmp(names.data, "before", 6) == 0);
  ti_buffer_cursor_init(&c, names.data + 6, names.len - 6);
  for (i = 1; i <= n; i++) {
    char want[32];
    size_t len = (size_t)sprintf(want, "g%zu", i);
    size_t got = (size_t)ti_buffer_get_varint(&c);
    const unsigned char *p = ti_buffer_get(&c, got);
    if (p == NULL || got != len || memcmp(p, want, len) != 0) break;
  }
  CHECK(i == n + 1 && c.p == c.end);
  ti_buffer_fini(&names);
  ti_buffer_fini(&d);
  lua_pop(L, 1);
}

/* ------------------------------------------------------------- factory -- */

/* Zeroes where the function finds its upvalues: a factory changes only that. */
static void normalise(struct ti_buffer *d) {
  struct ti_cursor c;
  struct ti_bytecode_proto f;
  size_t i;
  (void)ti_bytecode_begin(&c, d->data, d->len);
  ti_bytecode_head(&c, &f);
  CHECK(!c.failed);
  for (i = 0; i < f.nupvals; i++) {
    d->data[(size_t)(f.upvals.base - d->data) + i * 3] = 0;
    d->data[(size_t)(f.upvals.base - d->data) + i * 3 + 1] = 0;
  }
}

/* Replaces the function on top by its factory. Returns false, and pops it, if it has none. */
static bool to_factory(lua_State *L, int strip) {
  struct ti_buffer d = dump(L, strip), out;
  bool ok;
  ti_buffer_init(&out, &ti_alloc_default);
  ok = ti_bytecode_factory(d.data, d.len, &out);
  lua_pop(L, 1);
  if (ok) {
    CHECK(luaL_loadbufferx(L, (char *)out.data, out.len, "=dump", "b") == LUA_OK);
    CHECK(lua_getupvalue(L, -1, 1) == NULL);
  }
  ti_buffer_fini(&out);
  ti_buffer_fini(&d);
  return ok;
}

/* Checks two closures that the factory of the function on top returns: their code is that of the
** function, and each has upvalues of its own, all nil. Pops the function. [-1, +0, e] */
static void compare(lua_State *L, int strip) {
  struct ti_buffer was, is;
  int n = 0, i, j;
  const char *name;
  while (lua_getupvalue(L, -1, n + 1) != NULL) lua_pop(L, 1), n++;
  was = dump(L, strip);
  if (strip) { /* dumped again after loading: then it has names of upvalues, which are empty */
    CHECK(luaL_loadbufferx(L, (char *)was.data, was.len, "=dump", "b") == LUA_OK);
    ti_buffer_fini(&was);
    was = dump(L, 0);
    lua_pop(L, 1);
  }
  normalise(&was);
  CHECK(to_factory(L, strip));
  lua_pushvalue(L, -1);
  lua_call(L, 0, 1); /* factory, one */
  lua_pushvalue(L, -2);
  lua_call(L, 0, 1); /* factory, one, two */
  CHECK(lua_topointer(L, -1) != lua_topointer(L, -2));
  is = dump(L, 0);
  normalise(&is);
  CHECK(was.len == is.len && memcmp(was.data, is.data, is.len) == 0);
  for (i = 1; i <= n; i++) {
    name = lua_getupvalue(L, -1, i);
    CHECK(name != NULL && lua_isnil(L, -1));
    lua_pop(L, 1);
    CHECK(lua_upvalueid(L, -1, i) != lua_upvalueid(L, -2, i));
    for (j = 1; j < i; j++)
      if (lua_upvalueid(L, -1, i) == lua_upvalueid(L, -1, j)) break;
    CHECK(j == i);
    lua_pushinteger(L, i);
    CHECK(lua_setupvalue(L, -2, i) != NULL);
    lua_getupvalue(L, -2, i);
    CHECK(lua_isnil(L, -1));
    lua_pop(L, 1);
  }
  CHECK(lua_getupvalue(L, -1, n + 1) == NULL);
  if (n > 0) { /* a third closure that joins an upvalue of the second sees its value */
    lua_pushvalue(L, -3);
    lua_call(L, 0, 1);
    lua_upvaluejoin(L, -1, n, -2, n);
    lua_getupvalue(L, -1, n);
    CHECK(lua_tointeger(L, -1) == n);
    lua_pop(L, 2);
  }
  lua_pop(L, 3);
  ti_buffer_fini(&was);
  ti_buffer_fini(&is);
}

/* Pushes a function with n upvalues. [-0, +1, e] */
static void push_many_upvalues(lua_State *L, int n) {
  lua_pushinteger(L, n);
  lua_setglobal(L, "n");
  run(L, "local t = {} for i = 1, n do "
         "t[i] = 'local u' .. i .. ' = ' .. i .. '; ' .. (i % 100 == 0 and 'return (function() ' "
         "or '') end "
         "t[#t + 1] = 'return function() return 0' "
         "for i = 1, n do t[#t + 1] = ' + u' .. i end "
         "t[#t + 1] = ' end' .. (' end)()'):rep(n // 100) "
         "return assert(load(table.concat(t)))()");
}

static void test_factory(lua_State *L) {
  static const int counts[] = {0, 1, 2, 3, 60, 127, 128, BYTECODE_MAXUPVALS};
  size_t i;
  int strip;
  for (strip = 0; strip <= 1; strip++) {
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
      run(L, cases[i].body);
      compare(L, strip);
    }
    for (i = 0; i < sizeof counts / sizeof counts[0]; i++) {
      push_many_upvalues(L, counts[i]);
      compare(L, strip);
    }
  }
  push_many_upvalues(L, BYTECODE_MAXUPVALS + 1);
  CHECK(!to_factory(L, 0));
}

/* A script that checks closures which a factory made: they return what the original does, and
** errors name the original's file and line. `made` is lua_made. */
static const char behaviour[] =
    "local made = ...\n"
    "local function args(...) return select('#', ...), ... end\n"
    "local f = made(args)\n"
    "debug.setupvalue(f, 1, _ENV)\n"
    "local n, a, b, c = f('x', nil, nil)\n"
    "assert(n == 3 and a == 'x' and b == nil and c == nil)\n"
    "local depth\n"
    "local function fib(i) return i < 2 and i or fib(i - 1) + fib(i - 2) end\n"
    "f = made(fib)\n"
    "debug.setupvalue(f, 1, f)\n"
    "assert(f(15) == 610)\n"
    "local count = 0\n"
    "local function counter() count = count + 1; return function() return count end end\n"
    "f = made(counter)\n"
    "debug.setupvalue(f, 1, 40); f()\n"
    "assert(f()() == 42 and count == 0)\n"
    "local function fail() error('no') end -- line 17\n"
    "f = made(fail)\n"
    "debug.setupvalue(f, 1, _ENV)\n"
    "local ok, err = pcall(f)\n"
    "assert(err == 'case.lua:17: no', err)\n"
    "local ok, trace = xpcall(f, debug.traceback)\n"
    "assert(trace:find('case.lua:17: in', 1, true), trace)\n"
    "assert(debug.getinfo(f, 'S').source == '@case.lua')\n"
    "assert(debug.getinfo(f, 'S').linedefined == 17)\n"
    "local co = coroutine.wrap(function() return made(fib) end)\n"
    "f = co() debug.setupvalue(f, 1, f) co = nil collectgarbage()\n"
    "assert(f(10) == 55)\n"
    "for _, mode in ipairs{'incremental', 'generational'} do\n"
    "  collectgarbage(mode)\n"
    "  for i = 1, 300 do\n"
    "    local g = made(counter)\n"
    "    debug.setupvalue(g, 1, i); g()\n"
    "    if i % 10 == 0 then collectgarbage() end\n"
    "    assert(g()() == i + 2)\n"
    "  end\n"
    "end\n"
    "local hooked = 0\n"
    "debug.sethook(function() hooked = hooked + 1 end, 'crl', 1)\n"
    "f = made(fib) debug.setupvalue(f, 1, f) f = f(6)\n"
    "debug.sethook()\n"
    "assert(f == 8 and hooked > 20)\n"
    "return true\n";

/* (function) -> a closure of its factory */
static int lua_made(lua_State *L) {
  lua_settop(L, 1);
  if (!to_factory(L, 0)) return luaL_error(L, "no factory");
  lua_call(L, 0, 1);
  return 1;
}

static void test_behaviour(lua_State *L) {
  int status = luaL_loadbuffer(L, behaviour, sizeof behaviour - 1, "@case.lua");
  lua_pushcfunction(L, lua_made);
  if (status == LUA_OK) status = lua_pcall(L, 1, 1, 0);
  CHECK(status == LUA_OK && lua_toboolean(L, -1));
  if (status != LUA_OK) printf("%s\n", lua_tostring(L, -1));
  lua_settop(L, 0);
}

int main(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  test_globals(L);
  test_many_globals(L, 255);
  test_many_globals(L, 300);
  test_many_globals(L, 140000);
  test_factory(L);
  test_behaviour(L);
  lua_close(L);
  return check_done();
}
