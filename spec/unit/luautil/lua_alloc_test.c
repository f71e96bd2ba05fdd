/* link: tidepool */
/*
** lua_alloc_test.c: no allocator is ever exchanged. A host's state always has the function and the
** ud that it was made with. The host gets back just the blocks that it gave, on the state's thread,
** in whatever order states, executors and messages end. A worker's state has one allocator from its
** first moment to its last.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lualib.h>

#include "platform/thread.h"
#include "executor_support.h"

/* ------------------------------------------------------- a host's allocator -- */

/* Precedes each block of a host's. */
union head {
  struct {
    const struct host *host;
    size_t size;
    union head *self;
  } is;
  max_align_t align;
};

struct host {
  struct ti_thread thread; /* that of the state */
  size_t blocks, foreign, elsewhere;
  lua_Alloc alloc; /* what the state was made with */
  void *ud;
};

static bool is_own(const struct host *h, const union head *b, size_t size) {
  return b->is.self == b && b->is.host == h && b->is.size == size;
}

static void *host_alloc(void *ud, void *p, size_t osize, size_t nsize) {
  struct host *h = (struct host *)ud;
  union head *b = p != NULL ? (union head *)p - 1 : NULL;
  if (!ti_thread_is_self(&h->thread)) h->elsewhere++;
  if (b != NULL && !is_own(h, b, osize)) {
    h->foreign++;
    return NULL;
  }
  if (nsize == 0) {
    if (b != NULL) {
      memset(b, 0, sizeof *b);
      h->blocks--;
    }
    free(b);
    return NULL;
  }
  if (b != NULL) b->is.self = NULL;
  {
    union head *c = (union head *)realloc(b, sizeof *c + nsize);
    if (c == NULL) {
      if (b != NULL) b->is.self = b;
      return NULL;
    }
    if (b == NULL) h->blocks++;
    c->is.self = c;
    c->is.host = h;
    c->is.size = nsize;
    return c + 1;
  }
}

static void check_alloc(lua_State *L, const struct host *h) {
  void *ud;
  CHECK(lua_getallocf(L, &ud) == h->alloc && ud == h->ud);
}

/* Checks that the state has its allocator. For scripts, and as a finalizer. */
static int same(lua_State *L) {
  check_alloc(L, (const struct host *)lua_touserdata(L, lua_upvalueindex(1)));
  return 0;
}

/* With that allocator, or with Lua's own. */
static lua_State *new_host(struct host *h, bool own) {
  lua_State *L;
  memset(h, 0, sizeof *h);
  h->thread = ti_thread_self();
  L = own ? luaL_newstate() : lua_newstate(host_alloc, h);
  if (L == NULL) exit(2);
  h->alloc = lua_getallocf(L, &h->ud);
  luaL_openlibs(L);
  tide_makeknown(L, NULL);
  lua_pushlightuserdata(L, h);
  lua_pushcclosure(L, same, 1);
  lua_setglobal(L, "same");
  /* one finalizer before all others of the library, one that runs first */
  if (luaL_dostring(L, "first = setmetatable({}, { __gc = same }) same()"
                       "tidepool = require 'tidepool' same()") != LUA_OK)
    CHECK(!"the library was loaded");
  return L;
}

static void close_host(lua_State *L, const struct host *h) {
  check_alloc(L, h);
  lua_close(L);
  CHECK(h->blocks == 0 && h->foreign == 0 && h->elsewhere == 0);
}

static void run(lua_State *L, const char *script) {
  if (luaL_dostring(L, script) == LUA_OK) return;
  printf("%s\n", luaL_tolstring(L, -1, NULL));
  CHECK(!"the script ran");
}

/* ------------------------------------------------------- a worker's allocator -- */

static atomic_int states_opened, states_closed, states_changed;

/* What a worker's state began with; first of its finalizers, so the last to run. */
struct birth {
  lua_Alloc alloc;
  void *ud;
};

static int still(lua_State *L) {
  const struct birth *b;
  void *ud;
  lua_getfield(L, LUA_REGISTRYINDEX, "spec.birth");
  b = (const struct birth *)lua_touserdata(L, -1);
  if (b == NULL || lua_getallocf(L, &ud) != b->alloc || ud != b->ud)
    atomic_fetch_add(&states_changed, 1);
  lua_pop(L, 1);
  return 0;
}

static int last(lua_State *L) {
  atomic_fetch_add(&states_closed, 1);
  return still(L);
}

static void open_state(lua_State *L, void *ud) {
  struct birth *b = (struct birth *)lua_newuserdatauv(L, sizeof *b, 0);
  (void)ud;
  atomic_fetch_add(&states_opened, 1);
  b->alloc = lua_getallocf(L, &b->ud);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, last);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_setfield(L, LUA_REGISTRYINDEX, "spec.birth");
  lua_pushcfunction(L, still);
  lua_setglobal(L, "still");
}

static void close_state(lua_State *L, void *ud) {
  (void)ud;
  still(L);
}

static tide_executor *new_pool(size_t workers, lua_Alloc alloc, void *ud) {
  tide_config cfg;
  executor_config(&cfg, (int)workers);
  cfg.open_state = open_state;
  cfg.close_state = close_state;
  cfg.alloc = alloc;
  cfg.alloc_ud = ud;
  return executor_start(&cfg);
}

static void end_pool(tide_executor *ex) {
  CHECK(tide_executor_shutdown(ex, NULL, 0, TIDE_FOREVER) == TIDE_OK);
  tide_executor_rele(ex);
}

static void set_pool(lua_State *L, tide_executor *ex) {
  tide_pushexecutor(L, ex);
  lua_setglobal(L, "pool");
}

/* ------------------------------------------------------------------- cases -- */

static const char results[] =
    "local function make(n) still() return ('r'):rep(n) end\n"
    "local function list(n) still() local t = {} for i = 1, n do t[i] = i end return t end\n"
    "for i = 1, 6 do\n"
    "  assert(#pool:submit(make, 1 << 20):result() == 1 << 20) same()\n"
    "  assert(#pool:submit(list, 100000):result() == 100000) same()\n"
    "end\n"
    "local f = pool:submit(make, 3 << 20)\n"
    "for _ = 1, 3 do assert(#f:result() == 3 << 20) same() end\n";

static const char sending[] =
    "local function length(...) still() return #(...), ... end\n"
    "for i = 1, 4 do\n"
    "  local s = tostring(i):rep(200000)\n"
    "  local n, back = pool:submit(length, s, { s }):result()\n"
    "  assert(n == #s and back == s) same()\n"
    "end\n"
    "local s = ('s'):rep(100000)\n"
    "local shared = tidepool.share { s, text = s } same()\n"
    "assert(pool:submit(function(x) still() return #x:get().text end, shared):result() == #s)\n"
    "local p = tidepool.future()\n"
    "p:set_result(s) same()\n"
    "assert(pool:submit(function() still() return p:result() end):result() == s)\n"
    "assert(not pcall(pool.submit, pool, length, s, coroutine.create(print))) same()\n"
    "local inline <close> = tidepool.executor { inline = true }\n"
    "assert(inline:submit(function(x) return x .. x end, s):result() == s .. s) same()\n";

/* Limits, states that are replaced, and executors of a task's own. */
static const char bounded[] =
    "local function hoard() local t = {} while true do t[#t + 1] = {} end end\n"
    "local function more(s) still() local t = s .. s still() return t end\n"
    "local s = ('b'):rep(70000)\n"
    "local ex <close> = tidepool.executor { max_workers = 2, memory_limit = 16 << 20,\n"
    "  max_tasks_per_worker = 2 }\n"
    "for _ = 1, 3 do\n"
    "  local ok, err = ex:submit(hoard):pcall() same()\n"
    "  assert(not ok and err.kind == 'memory_limit')\n"
    "  assert(#ex:submit(function(x) return x .. x end, s):result() == 2 * #s) same()\n"
    "end\n"
    "local limited = pool:with { memory_limit = 8 << 20 }\n"
    "assert(not limited:submit(hoard):pcall()) same()\n"
    "assert(#limited:submit(more, s):result() == 2 * #s) same()\n"
    "local function nested(x)\n"
    "  still()\n"
    "  local tidepool = require 'tidepool'\n"
    "  local own <close> = tidepool.executor(1)\n"
    "  local back = own:submit(function(y) return y .. y end, x):result()\n"
    "  own:submit(function(y) return y end, x)\n"
    "  still()\n"
    "  return back\n"
    "end\n"
    "assert(pool:submit(nested, s):result() == s .. s) same()\n";

static void test_scripts(bool own, lua_Alloc alloc, void *ud, bool executor_first) {
  struct host h;
  lua_State *L = new_host(&h, own);
  tide_executor *ex = new_pool(2, alloc, ud);
  set_pool(L, ex);
  run(L, results);
  run(L, sending);
  run(L, bounded);
  if (executor_first) end_pool(ex);
  close_host(L, &h);
  if (!executor_first) end_pool(ex);
}

/* A script's own executor, which its closing state waits for, while tasks hold strings that they
** borrow from it. */
static void test_own_executor(bool own) {
  struct host h;
  lua_State *L = new_host(&h, own);
  run(L, "ex = tidepool.executor(1)\n"
         "local function length(s) return #s end\n"
         "fs = {}\n"
         "for i = 1, 50 do fs[i] = ex:submit(length, tostring(i):rep(100000)) end\n"
         "shared = tidepool.share(('s'):rep(100000))\n"
         "late = setmetatable({}, { __gc = function()\n"
         "  same() assert(fs[50]:result() == 200000) same() end })\n");
  close_host(L, &h);
}

/* The state closes while tasks with its strings are queued in a host's executor: they read
** copies. Shares of it outlive it, too. */
static void test_state_closes_first(bool own) {
  enum { N = 5 };
  struct host h, other;
  lua_State *L = new_host(&h, own), *to;
  tide_executor *ex = new_pool(1, NULL, NULL);
  tide_future *gate, *f[N];
  tide_share *s;
  gate_init(&parked);
  CHECK(tide_submit_cfunction(&gate, ex, wait_at_gate, NULL, 0, NULL) == TIDE_OK);
  gate_await(&parked, 1);
  for (int i = 0; i < N; i++) {
    CHECK(luaL_loadstring(L, "still() return #(...), ...") == LUA_OK);
    CHECK(luaL_dostring(L, "return ('q'):rep(150000)") == LUA_OK);
    f[i] = tide_submit(ex, L, 1, NULL);
  }
  CHECK(luaL_dostring(L, "return { ('s'):rep(150000) }") == LUA_OK);
  s = tide_share_new(L);
  close_host(L, &h);
  gate_open(&parked);
  CHECK(tide_future_wait(gate, NULL, TIDE_FOREVER) == TIDE_OK);
  tide_future_rele(gate);
  for (int i = 0; i < N; i++) {
    tide_value v[2];
    size_t n;
    CHECK(tide_future_wait(f[i], NULL, TIDE_FOREVER) == TIDE_OK);
    CHECK(tide_future_values(f[i], v, 2, &n) == TIDE_OK && n == 2 && v[0].u.integer == 150000);
    CHECK(v[1].type == TIDE_TSTRING && v[1].u.string.len == 150000 &&
          v[1].u.string.data[149999] == 'q');
    tide_future_rele(f[i]);
  }
  to = new_host(&other, own);
  set_pool(to, ex);
  tide_pushshare(to, s);
  tide_share_rele(s);
  lua_setglobal(to, "shared");
  run(to, "assert(#shared:get()[1] == 150000) same()\n"
          "local n = pool:submit(function(x) still() return #x:get()[1] end, shared):result()\n"
          "assert(n == 150000)");
  close_host(to, &other);
  end_pool(ex);
  gate_fini(&parked);
}

int main(void) {
  for (int own = 0; own < 2; own++) {
    test_scripts(own, NULL, NULL, true);
    test_scripts(own, NULL, NULL, false);
    test_scripts(own, counted_alloc, &memory, true);
    test_own_executor(own);
    test_state_closes_first(own);
  }
  CHECK(atomic_load(&states_opened) > 0);
  CHECK(atomic_load(&states_opened) == atomic_load(&states_closed));
  CHECK(atomic_load(&states_changed) == 0);
  CHECK(memory_clean());
  return check_done();
}
