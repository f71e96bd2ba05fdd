/* link: tidepool */
/*
** cfunction_test.c: a program's own module, functions and objects. What workers have of them is
** sent by name; what they do not have is refused with an explanation. Addresses are sent only if
** the program allows it.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lualib.h>

#include "include/tidepool.h"
#include "support.h"

int luaopen_tidepool_core(lua_State *L);

/* ------------------------------------------------------- module "core" -- */

static int l_add(lua_State *L) {
  lua_pushinteger(L, luaL_checkinteger(L, 1) + luaL_checkinteger(L, 2));
  return 1;
}

/* A function in no module. */
static int l_hostadd(lua_State *L) { return l_add(L); }

static int l_other(lua_State *L) {
  lua_pushliteral(L, "other");
  return 1;
}

/* A function with a userdata of its state as upvalue. */
static int l_get(lua_State *L) {
  lua_pushinteger(L, *(const int *)lua_touserdata(L, lua_upvalueindex(1)));
  return 1;
}

static atomic_int serial; /* of the objects: each state has its own */

static int l_number(lua_State *L) {
  lua_pushinteger(L, *(const int *)luaL_checkudata(L, 1, "core.db"));
  return 1;
}

static void new_db(lua_State *L) {
  *(int *)lua_newuserdatauv(L, sizeof(int), 0) = atomic_fetch_add(&serial, 1);
  if (luaL_newmetatable(L, "core.db")) {
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_number);
    lua_setfield(L, -2, "number");
  }
  lua_setmetatable(L, -2);
}

static int open_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"add", l_add}, {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_pushinteger(L, 5);
  lua_setfield(L, -2, "version");
  new_db(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "db");
  lua_newtable(L); /* core.http.get */
  lua_insert(L, -2);
  lua_pushcclosure(L, l_get, 1);
  lua_setfield(L, -2, "get");
  lua_setfield(L, -2, "http");
  return 1;
}

/* Module core, also a global; and a global function that is in no module. */
static void register_core(lua_State *L) {
  luaL_requiref(L, "core", open_core, 1);
  lua_pop(L, 1);
  lua_register(L, "hostadd", l_hostadd);
}

static void open_state(lua_State *L, void *ud) {
  (void)ud;
  register_core(L);
}

/* Opens another module with the same name. */
static void open_another(lua_State *L, void *ud) {
  (void)ud;
  luaL_requiref(L, "core", open_core, 1);
  lua_pushcfunction(L, l_other);
  lua_setfield(L, -2, "add");
  lua_pop(L, 1);
}

/* Opens the module under another name. */
static void open_renamed(lua_State *L, void *ud) {
  (void)ud;
  lua_register(L, "sum", l_add);
}

static void open_nothing(lua_State *L, void *ud) { (void)L, (void)ud; }

static int allow_add(lua_CFunction fn, void *ud) {
  atomic_fetch_add((atomic_int *)ud, 1);
  return fn == l_add;
}

/* -------------------------------------------------------------- sending -- */

static const char prelude[] =
    "local pool, tidepool = ...\n"
    "local function fails(words, f, ...)\n"
    "  local ok, err = pcall(f, ...)\n"
    "  assert(not ok, 'no error: ' .. words)\n"
    "  assert(tidepool.error_kind(err) == 'transfer', tostring(err))\n"
    "  assert(tostring(err):find(words, 1, true), tostring(err))\n"
    "end\n"
    "local function refused(words, ...) fails(words, pool.submit, pool, ...) end\n"
    "local function missing(words, ...)\n"
    "  local f = pool:submit(...)\n"
    "  fails(words, f.result, f)\n"
    "end\n"
    "local function run(...) return pool:submit(...):result() end\n"
    "local core = core\n";

/* Runs the script with a pool of the config, in a state that has core. */
static void ask(const tide_config *cfg, const char *script) {
  lua_State *L = luaL_newstate();
  tide_executor *ex;
  luaL_openlibs(L);
  register_core(L);
  luaL_requiref(L, "tidepool.core", luaopen_tidepool_core, 0);
  lua_pop(L, 1);
  CHECK(tide_executor_new(&ex, cfg) == TIDE_OK);
  tide_executor_adopt(ex, L);
  lua_pushfstring(L, "%s%s", prelude, script);
  if (luaL_loadbuffer(L, lua_tostring(L, -1), lua_rawlen(L, -1), "=ask") != LUA_OK) {
    CHECK(!"the script is one");
  } else {
    tide_pushexecutor(L, ex);
    luaL_requiref(L, "tidepool.core", luaopen_tidepool_core, 0);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
      printf("%s\n", luaL_tolstring(L, -1, NULL));
      CHECK(!"the script runs");
    }
  }
  tide_executor_rele(ex);
  lua_close(L);
}

static void test_without(void) {
  tide_config cfg;
  tide_config_init(&cfg);
  cfg.max_workers = 1;
  ask(&cfg,
      "local hostadd = hostadd\n"
      "refused('upvalue core, field', function() return core.version end)\n"
      "refused(\"module 'core', which\", function() return core.version end)\n"
      "refused(\"argument 1, field f: cannot send the C function 'core.add': "
      "workers do not have \"\n"
      "  .. \"module 'core', which only this program has\", print, { f = core.add })\n"
      "refused('open_state', function() return core.version end)\n"
      "refused(\"global core, field\", function() return _ENV.core.version end)\n"
      "refused(\"workers do not have global 'hostadd'\", function() return hostadd(1, 2) end)\n"
      "refused(\"argument 1: cannot send the C function 'core.add'\", print, core.add)\n"
      "refused(\"'core.http.get'\", print, { x = core.http })\n"
      "refused(\"cannot send a userdata (core.db)\", print, core.db)\n"
      "refused(\"It is in module 'mine'\", function(m) return m.n end, (function()\n"
      "  package.loaded.mine = { n = 1, handle = io.tmpfile() } "
      "return package.loaded.mine end)())\n"
      "local ok, err = pool:submit(function() return require 'core' end):pcall()\n"
      "assert(not ok and err:find(\"module 'core' not found\", 1, true) "
      "and err:find 'open_state', err)\n"
      "assert(run(function() return 1 end) == 1)\n"
      /* what has no name */
      "refused('cannot send a C function that', print, (('a b'):gmatch '%a'))\n"
      "refused('cannot send a coroutine', print, coroutine.wrap(print))\n"
      "missing('result 1: cannot send a C function that', "
      "function() return (('a'):gmatch '.') end)\n"
      "missing('error value: cannot send a C', function() error((('a'):gmatch '.')) end)\n");
}

static void test_open_state(void) {
  tide_config cfg;
  tide_config_init(&cfg);
  cfg.max_workers = 1;
  cfg.open_state = open_state;
  ask(&cfg,
      "local hostadd, db = hostadd, core.db\n"
      "for i = 1, 3 do\n"
      "assert(run(function() return core.version end) == 5)\n"
      "assert(run(function() return core.add(2, 3) end) == 5)\n"
      "assert(run(function() return _ENV.core.add(2, 4) end) == 6)\n"
      "assert(run(function() return _G.hostadd(2, 5) end) == 7)\n"
      "assert(run(function() return hostadd(2, 6) end) == 8)\n"
      "assert(run(core.add, 2, 7) == 9)\n"
      "assert(run(function(t) return t.f(2, 8) end, { f = core.add }) == 10)\n"
      "assert(run(function() return core == require 'core' and core == _ENV.core end))\n"
      "local http = core.http\n"
      "local here, there = core.db:number(), run(function() return db:number() end)\n"
      "assert(here ~= there and run(function() return http.get() end) == there)\n"
      "assert(run(core.http.get) == there and core.http.get() == here)\n"
      "assert(run(function() return core.add end) == core.add)\n"
      "assert(run(function() return core end) == core)\n"
      "assert(select(2, pool:submit(function() error(core.http) end):pcall()) == core.http)\n"
      "local shared = tidepool.share { core = core, f = core.http.get }\n"
      "assert(run(function() local s = shared:get() return s.core.add(1, s.f()) end) "
      "== there + 1)\n"
      "local p = tidepool.future()\n"
      "p:set_result(core.add, core.http.get)\n"
      "assert(select(2, p:result()) == core.http.get)\n"
      "end\n"
      /* what is the script's own is sent by value or refused, as always */
      "local mine = { add = core.add, n = 1 }\n"
      "assert(run(function() mine.n = mine.add(mine.n, 1) return mine.n end) == 2 "
      "and mine.n == 1)\n"
      "refused('field co: cannot send a coroutine', print, { co = coroutine.create(print) })\n"
      "own = { co = coroutine.create(print) }\n"
      "refused('global own, field co: cannot send a coroutine', function() return own end)\n"
      /* what only this state got later */
      "core.later = ('x'):gmatch '.'\n"
      "missing(\"has no 'core.later'\", core.later)\n"
      "latertoo = { f = core.later }\n"
      "refused('cannot send a C function that', (('a'):gmatch '.'))\n");
}

static void test_names_that_mean_something_else(void) {
  tide_config cfg;
  tide_config_init(&cfg);
  cfg.max_workers = 1;
  cfg.open_state = open_another;
  ask(&cfg, "missing(\"'core.add' is another function\", core.add, 1, 2)\n"
            "missing(\"has no 'hostadd'\", hostadd, 1, 2)\n"
            "assert(run(function() return core.add(1, 2) end) == 'other')\n");
  cfg.open_state = open_renamed;
  ask(&cfg, "assert(run(core.add, 1, 2) == 3)\n"
            "assert(run(function(f) return f == sum and f end, core.add) == core.add)\n"
            "missing(\"has no 'hostadd'\", hostadd, 1, 2)\n");
  cfg.open_state = open_nothing;
  ask(&cfg, "missing(\"has no 'core'\", function() return core.version end)\n"
            "missing('open_state', function() return _ENV.core.version end)\n"
            "assert(run(function() return 1 end) == 1)\n");
}

static void test_cfunction(void) {
  tide_config cfg;
  atomic_int asked;
  atomic_init(&asked, 0);
  tide_config_init(&cfg);
  cfg.max_workers = 1;
  cfg.cfunction = allow_add;
  cfg.ud = &asked;
  ask(&cfg, "assert(run(core.add, 1, 2) == 3)\n"
            "assert(run(function(f) return f end, core.add) == core.add)\n"
            "assert(run(function(t) return t.f(1, 3) end, { f = core.add }) == 4)\n"
            "refused(\"cannot send the C function 'hostadd'\", hostadd)\n"
            "refused(\"cannot send the C function 'core.http.get'\", core.http.get)\n"
            "assert(run(function() return string.format('%d', 5) end) == '5')\n");
  CHECK(atomic_load(&asked) >= 4);
}

/* The program names the function: the hook is not called. */
static void test_submit_cfunction(void) {
  tide_config cfg;
  tide_executor *ex;
  tide_future *f;
  tide_value args[2] = {{.type = TIDE_TINTEGER, .u.integer = 3},
                        {.type = TIDE_TINTEGER, .u.integer = 4}};
  tide_value v;
  size_t n;
  tide_config_init(&cfg);
  cfg.max_workers = 1;
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_OK);
  CHECK(tide_submit_cfunction(&f, ex, l_add, args, 2, NULL) == TIDE_OK);
  CHECK(tide_future_wait(f, NULL, TIDE_FOREVER) == TIDE_OK);
  CHECK(tide_future_values(f, &v, 1, &n) == TIDE_OK && n == 1 && v.u.integer == 7);
  tide_future_rele(f);
  CHECK(tide_executor_shutdown(ex, NULL, 0, TIDE_FOREVER) == TIDE_OK);
  tide_executor_rele(ex);
}

int main(void) {
  test_without();
  test_open_state();
  test_names_that_mean_something_else();
  test_cfunction();
  test_submit_cfunction();
  return check_done();
}
