/* link: tidepool -Wl,--wrap=realloc -Wl,--wrap=free */
/*
** Out of memory, everywhere: scripts run while the nth allocation fails, for one n after the other
** until none is left to fail.
**
** First in the thread of the owner's state, both in the state and in the core behind it; then in
** the threads of the workers, in their states and in the executor's own memory. Each failure
** is tried short (that allocation and the two after it, so that Lua's emergency collection does not
** make up for it) and long (every one from then on). Each time: the script ends well or with a
** clear error, the same script then ends well with the same executor, unless a worker could not
** be opened, and all memory is given back.
**
** Of the later n some are left out. TIDE_OOM: the one script to run, or all, with every n.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>
#include <unistd.h>

#include "../../csrc/tidepool.h"
#include "check.h"

void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);

enum { OWNER, WORKERS, SIDES };

/* Of the side that fails now: how many allocations it made, and which of them fail. */
static atomic_long made, first_failing, last_failing;
static atomic_int failing_side;
static atomic_long blocks; /* alive, on both sides */
static _Thread_local int side;

static bool fails(void) {
  long n;
  if (side != atomic_load(&failing_side)) return false;
  n = atomic_fetch_add(&made, 1) + 1;
  return n >= atomic_load(&first_failing) && n <= atomic_load(&last_failing);
}

void *__wrap_realloc(void *p, size_t size) {
  void *q = fails() ? NULL : __real_realloc(p, size);
  if (p == NULL && q != NULL) atomic_fetch_add(&blocks, 1);
  return q;
}

void __wrap_free(void *p) {
  if (p != NULL) atomic_fetch_sub(&blocks, 1);
  __real_free(p);
}

/* For states and for the executor: the wrapped functions above, as lua_Alloc. */
static void *alloc(void *ud, void *p, size_t osize, size_t nsize) {
  (void)ud;
  (void)osize;
  if (nsize > 0) return __wrap_realloc(p, nsize);
  __wrap_free(p);
  return NULL;
}

static void thread_start(int index, void *ud) {
  (void)index;
  (void)ud;
  side = WORKERS;
}

/* -------------------------------------------------------------- scripts -- */

/* Each is run with the module and an executor. What is global here is there before it. */
static const char prelude[] =
    "helped = {text = 'a global'}\n"
    "function helper(x) return helped.text, x end\n"
    "made = setmetatable({}, {__transfer = function() return 'string.rep', 'ab', 3 end})\n"
    "function echo(...) return ... end\n"
    "local function same(a, b)\n"
    "  if type(a) ~= 'table' or type(b) ~= 'table' then return a == b end\n"
    "  for k, v in pairs(a) do if not same(v, b[k]) then return false end end\n"
    "  for k in pairs(b) do if a[k] == nil then return false end end\n"
    "  return true\n"
    "end\n"
    "_G.same = same\n"
    "require 'tidepool'\n";

static const struct script {
  const char *name, *text;
  const char *first; /* run before anything fails; may be NULL */
} scripts[] = {
    {"loading",
     "for name in pairs(package.loaded) do\n"
     "  if name:find '^tidepool' then package.loaded[name] = nil end\n"
     "end\n"
     "local t = require 'tidepool' assert(t.cpu_count() > 0)",
     NULL},
    {"scalars",
     "local t, ex = ... local f = ex:submit(echo, nil, true, 1, 0.5, 'text', nil)\n"
     "assert(select('#', f:result()) == 6)",
     NULL},
    {"tables",
     "local t, ex = ...\n"
     "local v = {1, 2, 3, {1.5, 2.5}, x = {y = 'z', 'a', 'b'}, [2.5] = false}\n"
     "local r = ex:submit(echo, v):result() assert(same(v, r))",
     NULL},
    {"shared",
     "local t, ex = ... local v = setmetatable({}, {__index = {a = 1}}) v.v = v\n"
     "local r = ex:submit(echo, v, {v, v}):result() assert(r.v == r and r.a == 1)",
     NULL},
    {"functions",
     "local t, ex = ... local n = 0\n"
     "local function up() n = n + 1 return n end\n"
     "local function both() up() return n, helper(n) end\n"
     "local n, text = ex:submit(both):result() assert(n == 1 and text == 'a global')\n"
     "assert(ex:submit(echo, up):result()() == 1)",
     NULL},
    {"names",
     "local t, ex = ... local p, m, s = ex:submit(echo, print, math, io.stdout):result()\n"
     "assert(p == print and m == math and s == io.stdout)\n"
     "assert(ex:submit('string.rep', 'x', 2):result() == 'xx')",
     NULL},
    {"references",
     "local t, ex = ... local p = t.future() p:set_result(3, 4)\n"
     "local e, q, c = ex:submit(echo, ex, p, coroutine.wrap):result()\n"
     "assert(e == ex and q == p and q:result() == 3 and c == coroutine.wrap)",
     NULL},
    {"share",
     "local t, ex = ... local v = {1, {2}, helper, made} local s = t.share(v) assert(s:get() == v)\n"
     "local function use(s) local v = s:get() return v[2][1], (v[3]()), v[4], s end\n"
     "for i = 1, 2 do\n"
     "  local n, text, ab, same = ex:submit(use, s):result()\n"
     "  assert(n == 2 and text == 'a global' and ab == 'ababab' and same == s)\n"
     "end s, v = nil, nil assert(ex:submit(echo, 1):result() == 1)",
     NULL},
    {"arrays",
     "local t, ex = ... local a = t.array('u16', {1, 2, 3}) local s = a:slice(2)\n"
     "local b, c, d = ex:submit(function(x, y) x[1] = 7 return y:copy(), x, x:slice(3) end,\n"
     "  a, s):result()\n"
     "assert(rawequal(c, a) and a[1] == 7 and b[1] == 2 and d[1] == 3 and #a:tostring() == 6)\n"
     "assert(t.array('i8', s:totable())[2] == 3)",
     NULL},
    {"rebuilt", "local t, ex = ... assert(ex:submit(echo, made):result() == 'ababab')", NULL},
    {"errors",
     "local t, ex = ...\n"
     "local function expect(e, ok) if not ok then error(e, 0) end end\n"
     "local e = ex:submit(error, {code = 3}):exception()\n"
     "expect(e, type(e) == 'table' and e.code == 3)\n"
     "local f = ex:submit(function() error('words', 0) end) e = f:exception()\n"
     "expect(e, e == 'words' and (f:traceback() or e):find 'words')\n"
     "e = ex:submit(function() return coroutine.create(print) end):exception()\n"
     "expect(e, t.error_kind(e) == 'transfer' and tostring(e):find 'coroutine')\n"
     "local ok ok, e = pcall(ex.submit, ex, echo, coroutine.create(print))\n"
     "expect(e, t.error_kind(e) == 'transfer')",
     NULL},
    /* which words a map has for it is its own affair */
    {"map",
     "local t, ex = ... local sum = 0\n"
     "local ok, e = pcall(function()\n"
     "  for i, x in ex:map(function(x) return x * x end, {1, 2, 3, 4, 5}) do sum = sum + x end\n"
     "  assert(sum == 55) local all = ex:map(math.max, {1, 5}, {3, 4}):collect()\n"
     "  assert(all[1] == 3 and all[2] == 5)\n"
     "end) if not ok then error(t.error_kind(e) and e or 'not enough memory', 0) end",
     NULL},
    {"wait",
     "local t, ex = ... local fs = {}\n"
     "for i = 1, 3 do fs[i] = ex:submit(echo, i) end\n"
     "local done, rest = t.wait(fs) assert(#done == 3 and #rest == 0)\n"
     "local n = 0 for f in t.as_completed(fs) do n = n + f:result() end assert(n == 6)",
     NULL},
    {"promises",
     "local t, ex = ... local p, called = t.future()\n"
     "p:add_done_callback(function(f) called = f:result() end)\n"
     "p:set_result({1, 2, echo}) called = called or p:result() assert(called[2] == 2)\n"
     "local q = t.future() q:set_exception({why = 1}) assert(q:exception().why == 1)",
     NULL},
    {"executors",
     "local t = ...\n"
     "local ex <close> = t.executor {max_workers = 1, max_tasks_per_worker = 1,\n"
     "  initializer = function(x) begun = x end, initargs = {'begun', n = 1}}\n"
     "local f = ex:submit(function() return begun end)\n"
     "assert(f:result() == 'begun') assert(ex:submit(echo, 2):result() == 2)\n"
     "assert(ex:shutdown() and ex:stats().finished == 2)",
     NULL},
    {"kept", "local r = f:result() assert(r[2][1] == 2)",
     "f = require 'tidepool'.future() f:set_result({1, {2}})"},
    /* it fills the cache of codes: the next function flushes it */
    {"much code",
     "local t = ... local p = t.future() p:set_result(assert(load 'return 1024'))\n"
     "assert(p:result()() == 1024)",
     "require 'tidepool'.future():set_result(load('return [[' .. ('x'):rep(4 << 20) .. ']]'))"},
    {"no stack", "fail_promise()", NULL},
};
enum { LOADING, FRESH }; /* the first two; the second finds no worker yet */
#define NSCRIPTS (sizeof scripts / sizeof *scripts)

/* A promise that is set when there is no room on the stack without growing it. */
static tide_future *promise;

static int fail_promise(lua_State *L) {
  lua_State *co = lua_newthread(L);
  tide_future_rele(promise);
  if (tide_promise_new(&promise) != TIDE_OK) return luaL_error(L, "not enough memory");
  luaL_checkstack(co, 38, NULL);
  for (int i = 0; i < 38; i++) lua_pushinteger(co, i);
  tide_promise_seterror(promise, co);
  return 0;
}

/* ------------------------------------------------------------------ run -- */

static tide_executor *host_executor;

static int make_owner(lua_State *L) {
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_tidepool_core);
  lua_setfield(L, -2, "tidepool.core");
  lua_pushcfunction(L, fail_promise);
  lua_setglobal(L, "fail_promise");
  if (luaL_dostring(L, prelude) != LUA_OK) lua_error(L);
  return 0;
}

/* Protected: a script's function is the argument. */
static int run_script(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "tidepool");
  lua_call(L, 1, 1);
  tide_pushexecutor(L, host_executor);
  lua_call(L, 2, 0);
  return 0;
}

static int failure(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

/* Runs the script at index 1; the status, the kind of the error, and its text on top. */
static int run(lua_State *L, int *kind) {
  int status;
  lua_settop(L, 1);
  lua_pushcfunction(L, run_script);
  lua_pushvalue(L, 1);
  status = lua_pcall(L, 1, 0, 0);
  if (status != LUA_OK) {
    atomic_store(&failing_side, SIDES);
    *kind = tide_errorkind(L, -1);
    lua_pushcfunction(L, failure);
    lua_insert(L, -2);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) CHECK(!"an error that is no text");
  }
  return status;
}

/* The error that run left. */
static const char *message(lua_State *L) {
  const char *s = lua_tostring(L, -1);
  return s != NULL ? s : "(no text)";
}

static void make_executor(lua_State *L) {
  tide_config cfg;
  tide_config_init(&cfg);
  cfg.max_workers = 1;
  cfg.thread_start = thread_start;
  cfg.alloc = alloc;
  CHECK(tide_executor_new(&host_executor, &cfg) == TIDE_OK);
  CHECK(luaL_loadstring(L, "begun = {...}") == LUA_OK);
  lua_pushliteral(L, "an argument");
  tide_executor_setinitializer(host_executor, L, 1);
}

/* So that what fails afterwards in the worker is the script, not the opening of the state. */
static void open_worker(void) {
  tide_future *f;
  CHECK(tide_submit_named(&f, host_executor, "os.time", NULL, 0, NULL) == TIDE_OK);
  CHECK(tide_future_wait(f, NULL, TIDE_FOREVER) == TIDE_OK);
  tide_future_rele(f);
}

/* One failure; false when there was no allocation left to fail. */
static bool try_one(const struct script *script, int which, long n, bool lasting) {
  lua_State *L;
  int status, kind = TIDE_OK;
  bool reached;
  const char *text;
  atomic_store(&failing_side, SIDES); /* none */
  L = lua_newstate(alloc, NULL);
  lua_pushcfunction(L, make_owner);
  if (lua_pcall(L, 0, 0, 0) == LUA_OK) make_executor(L);
  if ((script->first != NULL && luaL_dostring(L, script->first) != LUA_OK) ||
      luaL_loadstring(L, script->text) != LUA_OK) {
    printf("%s: %s\n", script->name, message(L));
    exit(1);
  }
  if (which == WORKERS && script != &scripts[FRESH]) open_worker();
  atomic_store(&made, 0);
  atomic_store(&first_failing, n);
  atomic_store(&last_failing, lasting ? n + 1000000000 : n + 2);
  atomic_store(&failing_side, which);
  status = run(L, &kind);
  reached = atomic_load(&made) >= n;
  atomic_store(&failing_side, SIDES);
  if (status != LUA_OK) {
    text = message(L);
    /* the latter is what luaL_checkstack says */
    if (strstr(text, "not enough memory") == NULL && strstr(text, "stack overflow") == NULL) {
      printf("%s: side %d, allocation %ld: %s\n", script->name, which, n, text);
      CHECK(!"a clear error");
    }
  }
  CHECK(status == LUA_OK || reached);
  if (kind != TIDE_EBROKEN && run(L, &kind) != LUA_OK) {
    text = message(L);
    printf("%s: side %d, after allocation %ld failed: %s\n", script->name, which, n, text);
    CHECK(!"usable afterwards");
  }
  CHECK(tide_executor_shutdown(host_executor, NULL, 0, TIDE_FOREVER) == TIDE_OK);
  lua_close(L);
  tide_executor_rele(host_executor);
  tide_future_rele(promise);
  promise = NULL;
  if (atomic_load(&blocks) != 0) {
    printf("%s: side %d, allocation %ld: %ld blocks left\n", script->name, which, n,
           atomic_load(&blocks));
    CHECK(!"all memory given back");
    atomic_store(&blocks, 0);
  }
  return reached;
}

int main(void) {
  const char *only = getenv("TIDE_OOM");
  atomic_store(&failing_side, SIDES);
  for (size_t i = 0; i < NSCRIPTS; i++) {
    if (only != NULL && strcmp(only, scripts[i].name) != 0 && strcmp(only, "all") != 0) continue;
    for (int which = OWNER; which < SIDES; which++) {
      for (int lasting = 0; lasting < 2; lasting++) {
        long n = 1;
        alarm(60); /* anew for each: all may take longer where they are watched closely */
        while (try_one(&scripts[i], which, n, lasting != 0)) {
          n += only == NULL && n >= 50 ? n / 10 : 1;
          alarm(60);
        }
        printf("%s: %s, %s: to %ld\n", scripts[i].name, which == OWNER ? "owner" : "workers",
               lasting ? "long" : "short", n);
        fflush(stdout);
      }
    }
  }
  return check_done();
}
