/* link: tidepool */
/*
** c_stack_test.c: the C stacks of workers. Small ones are refused. Accepted ones hold the most that
** Lua's own limit of C calls and a message of 1,000 levels need. What each case needs is measured:
** the stack is filled with a pattern when the thread starts, and checked when it ends.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lualib.h>

#include "include/tidepool.h"
#include "platform/thread.h"
#include "support.h"

enum { PAINT = 0xA5, PAGE = 4096 };

#if defined(__GNUC__)
#define RAW __attribute__((noinline, no_sanitize_address, no_sanitize_thread))
#else
#define RAW
#endif

static volatile unsigned char *lowest;
static size_t stack_room; /* below the thread's first function */
static size_t used;

RAW static void paint(int index, void *ud) {
  (void)index, (void)ud;
  stack_room = ti_thread_stack_room(NULL);
  lowest = (volatile unsigned char *)__builtin_frame_address(0) - stack_room;
  for (volatile unsigned char *p = lowest + PAGE;
       p < (volatile unsigned char *)__builtin_frame_address(0) - PAGE / 4; p++)
    *p = PAINT;
}

RAW static void measure(int index, void *ud) {
  size_t n = PAGE;
  (void)index, (void)ud;
  while (n < stack_room && lowest[n] == PAINT) n++;
  used = stack_room - n;
}

/* A chunk that is called in a worker with ex, the executor; raises, or returns, anything but what
** is wrong. */
struct stack_case {
  const char *name, *code;
};

static const struct stack_case cases[] = {
    {"nothing", "return 1"},
    {"gsub", "local function f() return (string.gsub('a', 'a', f)) end return pcall(f)"},
    {"gsub with captures",
     "local function f() return (string.gsub('aaaa', ('()'):rep(31), f)) end return pcall(f)"},
    {"format",
     "local t = setmetatable({}, { __tostring = function(t) return ('%s'):format(t) end }) "
     "return pcall(string.format, '%s', t)"},
    {"concat", "local t = setmetatable({}, { __len = function() return 2 end, "
               "__index = function(t) return table.concat(t) end }) return pcall(table.concat, t)"},
    {"sort", "local function f() local t = {} for i = 1, 64 do t[i] = i * 7919 % 64 end "
             "table.sort(t, function(a, b) f() return a < b end) end return pcall(f)"},
    {"pcall", "local function f() return pcall(f) end return f()"},
    {"error handlers", "local function f(e) error(e) end return xpcall(f, f)"},
    {"error handlers with gsub", "local function f() return (string.gsub('a', 'a', f)) end "
                                 "return xpcall(f, function(e) return f() end)"},
    {"coroutines", "local function f() return coroutine.wrap(f)() end return pcall(f)"},
    {"load", "local function f() return load(f) end return pcall(load, f)"},
    {"require", "package.preload.m = function(n) package.loaded[n] = nil return require(n) end "
                "return pcall(require, 'm')"},
    {"parser", "return load('return ' .. ('('):rep(190) .. '1' .. (')'):rep(190))"},
    {"nested functions", "return load(('return function() '):rep(190) .. (' end '):rep(190))"},
    {"match", "return string.match('b', ('a-'):rep(190))"},
    {"metamethods",
     "local t = setmetatable({}, {}) getmetatable(t).__add = function(a) return a + a end "
     "return pcall(function() return t + t end)"},
    {"a deep result", "local t = {} for _ = 1, 998 do t = { t } end return t"},
    {"a deep result by fields", "local t = {} for _ = 1, 998 do t = { x = t } end return t"},
    {"a deep result by metatables",
     "local t = {} for _ = 1, 998 do t = setmetatable({}, t) end return t"},
    {"a deep result by keys", "local t = {} for _ = 1, 998 do t = { [t] = 1 } end return t"},
    {"a deep result by upvalues",
     "local f = function() return 1 end "
     "for _ = 1, 990 do local g = f f = function() return g end end return f"},
    {"a share made deep in C calls",
     "local tidepool = require 'tidepool' local t = {} for _ = 1, 998 do t = { t } end "
     "local function f() pcall(tidepool.share, t) return (string.gsub('a', 'a', f)) end "
     "return pcall(f)"},
};

static int load_case(lua_State *L, const char *code) {
  lua_settop(L, 0);
  if (luaL_loadstring(L, code) != LUA_OK) {
    printf("%s\n", lua_tostring(L, -1));
    return 1;
  }
  return 0;
}

static lua_State *new_state(void) {
  lua_State *L = luaL_newstate();
  if (L == NULL) exit(2);
  luaL_openlibs(L);
  luaL_requiref(L, "tidepool.core", luaopen_tidepool_core, 0);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_tidepool_core);
  lua_setfield(L, -2, "tidepool.core"); /* for workers */
  lua_pop(L, 2);
  return L;
}

static tide_executor *executor(size_t stack_size) {
  tide_config cfg;
  tide_executor *ex = NULL;
  tide_config_init(&cfg);
  cfg.max_workers = 1;
  cfg.stack_size = stack_size;
  cfg.thread_start = paint;
  cfg.thread_stop = measure;
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_OK);
  if (ex == NULL) exit(2);
  return ex;
}

/* Returns how many bytes the case needs of a stack of that size. Any outcome will do. */
static size_t run(lua_State *L, const struct stack_case *c, size_t stack_size) {
  tide_executor *ex = executor(stack_size);
  tide_future *f;
  int n, outcome;
  if (load_case(L, c->code) != 0) exit(2);
  f = tide_submit(ex, L, 0, NULL);
  CHECK(tide_future_wait(f, NULL, TIDE_FOREVER) == TIDE_OK);
  outcome = tide_pushoutcome(L, f, &n);
  if (outcome != TIDE_OK) printf("%s: %d %s\n", c->name, outcome, luaL_tolstring(L, -1, NULL));
  CHECK(outcome == TIDE_OK);
  lua_settop(L, 0);
  tide_future_rele(f);
  CHECK(tide_executor_shutdown(ex, NULL, 0, TIDE_FOREVER) == TIDE_OK);
  tide_executor_rele(ex);
  return used;
}

/* A value of the greatest depth that is allowed, as argument and result. */
static void test_deep_argument(lua_State *L, size_t stack_size) {
  tide_executor *ex = executor(stack_size);
  tide_future *f;
  int n;
  CHECK(load_case(L, "return ...") == 0);
  lua_newtable(L);
  for (int i = 0; i < 990; i++) {
    lua_newtable(L);
    lua_insert(L, -2);
    lua_setfield(L, -2, "x");
  }
  f = tide_submit(ex, L, 1, NULL);
  CHECK(tide_future_wait(f, NULL, TIDE_FOREVER) == TIDE_OK);
  CHECK(tide_pushoutcome(L, f, &n) == TIDE_OK && n == 1);
  for (n = 0; lua_istable(L, -1); n++) lua_getfield(L, -1, "x");
  CHECK(n == 991);
  lua_settop(L, 0);
  tide_future_rele(f);
  CHECK(tide_executor_shutdown(ex, NULL, 0, TIDE_FOREVER) == TIDE_OK);
  tide_executor_rele(ex);
}

/* Releasing a chain of objects, each of which refers to the next, takes no stack for each. */
static void test_long_chains(lua_State *L) {
  static const char code[] =
      "local core = ... local n = 100000 local p = core.future() p:set_result(1) "
      "for _ = 1, n do local q = core.future() q:set_result(p) p = q end p = nil "
      "collectgarbage() local s = core.share(1) for _ = 1, n do s = core.share { s } end s = nil "
      "collectgarbage()";
  CHECK(load_case(L, code) == 0);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, "tidepool.core");
  lua_remove(L, -2);
  CHECK(lua_pcall(L, 1, 0, 0) == LUA_OK);
  lua_settop(L, 0);
}

static void test_refused(void) {
  static const size_t small[] = {1, 16384, 65536, 131072, 262144, TI_THREAD_STACK_LEAST - 1};
  tide_config cfg;
  tide_executor *ex;
  CHECK(TI_THREAD_STACK_LEAST % TIDE_MIN_STACK_SIZE == 0);
  tide_config_init(&cfg);
  for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) {
    cfg.stack_size = small[i];
    CHECK(tide_executor_new(&ex, &cfg) == TIDE_EARG && ex == NULL);
  }
}

/* A script on a stack of the host's, which may be small. It packs what fits, and gets an error for
** the rest. */
struct script {
  size_t stack_room;
  int shallow, deep;
};

static const char share_deep[] =
    "local core, levels = ... local t = {} for _ = 1, levels do t = { t } end "
    "local ok, e = pcall(core.share, t) return ok, tostring(e)";

static int share(lua_State *L, int levels) {
  int ok;
  if (load_case(L, share_deep) != 0) return -1;
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, "tidepool.core");
  lua_remove(L, -2);
  lua_pushinteger(L, levels);
  if (lua_pcall(L, 2, 2, 0) != LUA_OK) return -1;
  ok = lua_toboolean(L, -2);
  CHECK(ok || strstr(lua_tostring(L, -1), "C stack") != NULL);
  return ok;
}

static void *run_script(void *arg) {
  struct script *s = (struct script *)arg;
  lua_State *L = new_state();
  s->stack_room = ti_thread_stack_room(NULL);
  s->shallow = share(L, 20);
  s->deep = share(L, 900);
  lua_close(L);
  return NULL;
}

/* Runs the script on a thread with a stack of that size. */
static struct script on_stack(size_t size) {
  struct script s = {0, -1, -1};
  struct ti_thread t;
  if (ti_thread_start(&t, size, run_script, &s) != 0) exit(2);
  ti_thread_join(&t);
  return s;
}

static void test_small_host_thread(void) {
  struct script s = on_stack(TI_THREAD_STACK);
  /* Thread-local data lies in the stack as well. ThreadSanitizer's takes hundreds of KiB of it. */
  size_t small = TI_THREAD_STACK_UNIT / 8 + (TI_THREAD_STACK - s.stack_room);
  CHECK(s.stack_room > TI_THREAD_STACK - TI_THREAD_STACK / 8 && s.shallow == 1 && s.deep == 1);
  s = on_stack(small);
  CHECK(s.stack_room < small && s.shallow == 1 && s.deep == 0);
}

int main(void) {
  lua_State *L = new_state();
  size_t most = 0;
  setvbuf(stdout, NULL, _IONBF, 0);
  test_refused();
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    size_t bytes = run(L, &cases[i], 0);
    CHECK(stack_room > TI_THREAD_STACK - TI_THREAD_STACK / 8 && stack_room <= TI_THREAD_STACK);
    printf("%-32s %4zu KiB\n", cases[i].name, bytes >> 10);
    if (bytes > most && i + 1 < sizeof cases / sizeof cases[0]) most = bytes;
    (void)run(L, &cases[i], TI_THREAD_STACK_LEAST); /* it only has to return */
    CHECK(stack_room > TI_THREAD_STACK_LEAST - TI_THREAD_STACK_LEAST / 8);
  }
  /* the last one packs as well, and would be refused in time */
  CHECK(most <= TI_THREAD_STACK_LUA);
  test_deep_argument(L, 0);
  test_deep_argument(L, TI_THREAD_STACK_LEAST);
  test_small_host_thread();
  test_long_chains(L);
  lua_close(L);
  return check_done();
}
