/* link: tidepool -Wl,--wrap=malloc,--wrap=realloc */
/*
** borrow_test.c: borrowed strings outlive every state that they come from: the submitter's, a
** worker's that is replaced, and the executor. They are read by states and by C hosts without one,
** by several threads at once, and when memory runs out on the way.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lualib.h>

#include "codec/borrow.h"
#include "codec/pack.h"
#include "codec/unpack.h"
#include "platform/thread.h"
#include "executor_support.h"

enum { LEN = 300 * 1024, READERS = 4 };

/* The library's allocation; while `refused` is set, blocks of exactly LEN bytes fail. */
static atomic_bool refused;

void *__real_malloc(size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size); /* compilers turn realloc(NULL, size) into it */
void *__wrap_realloc(void *p, size_t size);

void *__wrap_malloc(size_t size) {
  return size == LEN && atomic_load(&refused) ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *p, size_t size) {
  return size == LEN && atomic_load(&refused) ? NULL : __real_realloc(p, size);
}

static lua_State *new_state(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  return L;
}

/* Pushes a long string that begins and ends with c. */
static void push_long(lua_State *L, char c) {
  luaL_Buffer b;
  char *p = luaL_buffinitsize(L, &b, LEN);
  memset(p, c, LEN);
  luaL_pushresultsize(&b, LEN);
}

static bool is_long(const char *s, size_t len, char c) {
  if (s == NULL || len != LEN) return false;
  for (size_t i = 0; i < LEN; i++)
    if (s[i] != c) return false;
  return true;
}

static bool long_at(lua_State *L, int idx, char c) {
  size_t len = 0;
  const char *s = lua_tolstring(L, idx, &len);
  return is_long(s, len, c);
}

/* ------------------------------------------------- two states, no threads -- */

static int unpack_body(lua_State *L) {
  return ti_unpack_values(L, (const struct ti_message *)lua_touserdata(L, 1), 0, UNPACK_ALL);
}

static int try_unpack(lua_State *L, struct ti_message *m) {
  lua_settop(L, 0);
  lua_pushcfunction(L, unpack_body);
  lua_pushlightuserdata(L, m);
  return lua_pcall(L, 1, LUA_MULTRET, 0);
}

static bool is_borrowed(const struct ti_message *m) {
  return m->nparts == 1 && ti_message_part(m, 0)->type == &ti_borrowed_part;
}

/* The bytes of L's heap, in KiB. */
static int used(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  return lua_gc(L, LUA_GCCOUNT);
}

static void test_states(void) {
  lua_State *from = new_state(), *to = new_state();
  struct ti_message m, again, later;
  int before;
  ti_message_init(&m, &counted_mem);
  ti_message_init(&again, &counted_mem);
  ti_message_init(&later, &counted_mem);
  before = used(from);
  push_long(from, 'a');
  lua_pushvalue(from, -1);
  lua_pushvalue(from, -1);
  CHECK(ti_pack_values(from, &m, 1, PACK_CALL) == LUA_OK && is_borrowed(&m));
  CHECK(ti_pack_values(from, &again, 1, PACK_CALL) == LUA_OK && is_borrowed(&again));
  CHECK(ti_message_part(&m, 0)->object ==
        ti_message_part(&again, 0)->object); /* one loan per string */
  CHECK(ti_pack_values(from, &later, 1, PACK_CALL) == LUA_OK);
  CHECK(used(from) - before >= LEN / 1024); /* only the loan keeps it */
  CHECK(try_unpack(to, &m) == LUA_OK && long_at(to, 1, 'a'));
  CHECK(try_unpack(from, &m) == LUA_OK && long_at(from, 1, 'a'));
  /* its own string, not a copy */
  CHECK(lua_tostring(from, 1) == ((struct ti_borrowed *)ti_message_part(&m, 0)->object)->data);
  lua_settop(from, 0);
  ti_message_fini(&m);
  ti_message_fini(&later);
  push_long(from, 'b'); /* writing drops the strings of returned loans: there are none */
  CHECK(ti_pack_values(from, &m, 1, PACK_CALL) == LUA_OK);
  CHECK(used(from) - before >= 2 * LEN / 1024);
  ti_message_fini(&m);
  ti_message_fini(&again);
  lua_pushnil(from);
  CHECK(ti_pack_values(from, &m, 1, PACK_CALL) == LUA_OK);
  CHECK(used(from) - before < LEN / 1024); /* now both loans were returned */
  ti_message_fini(&m);
  lua_close(from);
  lua_close(to);
}

/* Messages are read and released after their state has closed. Some were released before, and one
** string is in two of them. */
static void test_closed(void) {
  enum { N = 12 };
  lua_State *from = new_state(), *to = new_state();
  struct ti_message m[N], twice;
  for (int i = 0; i < N; i++) {
    ti_message_init(&m[i], &counted_mem);
    push_long(from, (char)('a' + i));
    if (i == 5) {
      ti_message_init(&twice, &counted_mem);
      lua_pushvalue(from, -1);
      CHECK(ti_pack_values(from, &twice, 1, PACK_CALL) == LUA_OK);
    }
    CHECK(ti_pack_values(from, &m[i], 1, PACK_CALL) == LUA_OK && is_borrowed(&m[i]));
    if (i % 3 == 0) ti_message_fini(&m[i]);
  }
  lua_close(from);
  for (int i = 0; i < N; i++) {
    if (i % 3 == 0) continue;
    CHECK(try_unpack(to, &m[i]) == LUA_OK && long_at(to, 1, (char)('a' + i)));
    ti_message_fini(&m[i]);
  }
  CHECK(try_unpack(to, &twice) == LUA_OK && long_at(to, 1, 'f'));
  ti_message_fini(&twice);
  lua_close(to);
  CHECK(memory_clean());
}

/* A finalizer of a closing state writes a message when nothing can be lent any more. */
static struct ti_message from_finalizer;

static int pack_late(lua_State *L) {
  push_long(L, 'z');
  CHECK(ti_pack_values(L, &from_finalizer, 1, PACK_CALL) == LUA_OK);
  CHECK(from_finalizer.nparts == 0);
  return 0;
}

static void test_finalizer(bool lend_before) {
  lua_State *from = new_state(), *to = new_state();
  struct ti_message m;
  ti_message_init(&from_finalizer, &counted_mem);
  ti_message_init(&m, &counted_mem);
  lua_newtable(from);
  lua_createtable(from, 0, 1);
  lua_pushcfunction(from, pack_late);
  lua_setfield(from, -2, "__gc");
  lua_setmetatable(from, -2);
  if (lend_before) {
    push_long(from, 'a');
    CHECK(ti_pack_values(from, &m, 1, PACK_CALL) == LUA_OK && is_borrowed(&m));
  }
  lua_close(from);
  CHECK(try_unpack(to, &from_finalizer) == LUA_OK && long_at(to, 1, 'z'));
  if (lend_before) CHECK(try_unpack(to, &m) == LUA_OK && long_at(to, 1, 'a'));
  ti_message_fini(&m);
  ti_message_fini(&from_finalizer);
  lua_close(to);
}

/* The outcomes of a host's state are copied: hosts get pointers to their strings. */
static void test_outcome(enum ti_pack_style style) {
  lua_State *L = new_state();
  struct ti_message m;
  ti_message_init(&m, &counted_mem);
  push_long(L, 'a');
  CHECK(ti_pack_values(L, &m, 1, style) == LUA_OK && m.nparts == 0);
  lua_close(L);
  CHECK(try_unpack(L = new_state(), &m) == LUA_OK && long_at(L, 1, 'a'));
  ti_message_fini(&m);
  lua_close(L);
}

/* A state closes without memory to copy what it lent: each reader gets an error. */
static void test_not_saved(void) {
  lua_State *from = new_state(), *to = new_state();
  struct ti_message m;
  ti_message_init(&m, &counted_mem);
  push_long(from, 'a');
  CHECK(ti_pack_values(from, &m, 1, PACK_CALL) == LUA_OK && is_borrowed(&m));
  atomic_store(&refused, true);
  lua_close(from);
  atomic_store(&refused, false);
  for (int i = 0; i < 2; i++) CHECK(try_unpack(to, &m) == LUA_ERRMEM);
  ti_message_fini(&m);
  lua_close(to);
}

/* ------------------------------------------------------- reading while it closes -- */

/* No finalizer of the reader runs while the lender may wait for it: this one closes the lender. */
static lua_State *to_close;

static int close_other(lua_State *L) {
  (void)L;
  if (to_close != NULL) lua_close(to_close);
  to_close = NULL;
  return 0;
}

static void test_reader_collects(int mode) {
  lua_State *to = new_state();
  struct ti_message m;
  ti_message_init(&m, &counted_mem);
  to_close = new_state();
  push_long(to_close, 'c');
  CHECK(ti_pack_values(to_close, &m, 1, PACK_CALL) == LUA_OK && is_borrowed(&m));
  lua_gc(to, mode, 0, 0, 0);
  lua_newtable(to);
  lua_createtable(to, 0, 1);
  lua_pushcfunction(to, close_other);
  lua_setfield(to, -2, "__gc");
  lua_setmetatable(to, -2);
  while (to_close != NULL) CHECK(try_unpack(to, &m) == LUA_OK && long_at(to, 1, 'c'));
  CHECK(try_unpack(to, &m) == LUA_OK && long_at(to, 1, 'c'));
  lua_close(to);
  ti_message_fini(&m);
}

/* No hook of the reader does, either. */
static void hook_calls(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_getinfo(L, "f", ar);
  if (lua_tocfunction(L, -1) != unpack_body) close_other(L);
  lua_pop(L, 1);
}

static void test_reader_hook(void) {
  lua_State *to = new_state();
  struct ti_message m;
  ti_message_init(&m, &counted_mem);
  to_close = new_state();
  push_long(to_close, 'h');
  CHECK(ti_pack_values(to_close, &m, 1, PACK_CALL) == LUA_OK && is_borrowed(&m));
  lua_sethook(to, hook_calls, LUA_MASKCALL | LUA_MASKRET, 0);
  CHECK(try_unpack(to, &m) == LUA_OK && long_at(to, 1, 'h'));
  lua_sethook(to, NULL, 0, 0);
  close_other(to);
  CHECK(try_unpack(to, &m) == LUA_OK && long_at(to, 1, 'h'));
  ti_message_fini(&m);
  lua_close(to);
}

/* Refuses large blocks while *ud is true. */
static void *no_large_alloc(void *ud, void *p, size_t osize, size_t nsize) {
  if (nsize >= LEN && *(const bool *)ud) return NULL;
  return ti_alloc_default.alloc(NULL, p, osize, nsize);
}

/* A reader without memory for its own copy unpins the string all the same. */
static void test_reader_without_memory(void) {
  bool short_of = true;
  lua_State *from = new_state(), *to = lua_newstate(no_large_alloc, &short_of);
  struct ti_message m;
  ti_message_init(&m, &ti_alloc_default);
  push_long(from, 'n');
  CHECK(ti_pack_values(from, &m, 1, PACK_CALL) == LUA_OK && is_borrowed(&m));
  CHECK(try_unpack(to, &m) == LUA_ERRMEM);
  short_of = false;
  lua_close(from);
  CHECK(try_unpack(to, &m) == LUA_OK && long_at(to, 1, 'n'));
  ti_message_fini(&m);
  lua_close(to);
}

/* Threads read again and again while the state closes. */
struct closing {
  struct ti_message m;
  atomic_int reading;
  atomic_bool closed;
};

static void *read_message(void *ud) {
  struct closing *c = (struct closing *)ud;
  lua_State *L = new_state();
  bool begun = false, closed;
  do {
    closed = atomic_load(&c->closed);
    CHECK(try_unpack(L, &c->m) == LUA_OK && long_at(L, 1, 'x'));
    if (!begun) atomic_fetch_add(&c->reading, 1);
    begun = true;
  } while (!closed);
  lua_close(L);
  return NULL;
}

static void test_closes_amid(void) {
  struct ti_thread t[READERS];
  struct closing c;
  lua_State *from = new_state();
  ti_message_init(&c.m, &counted_mem);
  atomic_init(&c.reading, 0);
  atomic_init(&c.closed, false);
  push_long(from, 'x');
  CHECK(ti_pack_values(from, &c.m, 1, PACK_CALL) == LUA_OK && is_borrowed(&c.m));
  for (int i = 0; i < READERS; i++) spawn(&t[i], read_message, &c);
  while (atomic_load(&c.reading) < READERS) ti_thread_relax();
  lua_close(from);
  atomic_store(&c.closed, true);
  for (int i = 0; i < READERS; i++) ti_thread_join(&t[i]);
  ti_message_fini(&c.m);
}

/* A message's own memory fails at every place. */
static void test_no_memory(void) {
  lua_State *L = new_state();
  int status = LUA_ERRRUN;
  for (long n = 1; status != LUA_OK && n < 100; n++) {
    struct ti_message m;
    ti_message_init(&m, &counted_mem);
    push_long(L, 'a');
    push_long(L, 'b');
    atomic_store(&memory.fail_at, n);
    status = ti_pack_values(L, &m, 2, PACK_CALL);
    atomic_store(&memory.fail_at, 0);
    ti_message_fini(&m);
    lua_settop(L, 0);
  }
  CHECK(status == LUA_OK && memory_clean());
  lua_close(L);
}

/* -------------------------------------------------------------- executors -- */

static tide_executor *new_pool(size_t max_tasks) {
  tide_config cfg;
  executor_config(&cfg, 1);
  cfg.max_tasks_per_worker = max_tasks;
  return executor_start(&cfg);
}

static void end_pool(tide_executor *ex) {
  CHECK(tide_executor_shutdown(ex, NULL, 0, TIDE_FOREVER) == TIDE_OK);
  tide_executor_rele(ex);
}

static int identity(lua_State *L) { return lua_gettop(L); }

/* Returns the future of a task that returns its one argument, the string on L's stack. */
static tide_future *submit_echo(tide_executor *ex, lua_State *L) {
  lua_pushcfunction(L, identity);
  lua_insert(L, -2);
  return tide_submit(ex, L, 1, NULL);
}

static void check_value(const tide_future *f, char c) {
  tide_value v;
  size_t n;
  CHECK(tide_future_values(f, &v, 1, &n) == TIDE_OK && n == 1 && v.type == TIDE_TSTRING);
  CHECK(v.type == TIDE_TSTRING && is_long(v.u.string.data, v.u.string.len, c));
}

/* The submitter's state closes while its task is queued in a pool of the host. The worker's state
** ends with the task, and then the executor ends, too. */
static void test_submitter_closes(void) {
  tide_executor *ex = new_pool(1);
  lua_State *L = new_state(), *to = new_state();
  tide_future *gate, *f, *cancelled;
  int n;
  gate_init(&parked);
  CHECK(tide_submit_cfunction(&gate, ex, wait_at_gate, NULL, 0, NULL) == TIDE_OK);
  gate_await(&parked, 1);
  push_long(L, 'x');
  f = submit_echo(ex, L);
  push_long(L, 'y');
  cancelled = submit_echo(ex, L);
  CHECK(tide_future_cancel(cancelled));
  tide_future_rele(cancelled);
  lua_close(L);
  gate_open(&parked);
  CHECK(tide_future_wait(f, NULL, TIDE_FOREVER) == TIDE_OK);
  check_value(f, 'x');
  CHECK(tide_future_wait(gate, NULL, TIDE_FOREVER) == TIDE_OK);
  tide_future_rele(gate);
  end_pool(ex);
  check_value(f, 'x');
  CHECK(tide_pushoutcome(to, f, &n) == TIDE_OK && n == 1 && long_at(to, -1, 'x'));
  tide_future_rele(f);
  lua_close(to);
  gate_fini(&parked);
}

struct reader {
  struct ti_thread thread;
  tide_future *f;
};

static void *read_future(void *ud) {
  const struct reader *r = (const struct reader *)ud;
  lua_State *L = new_state();
  int n;
  for (int i = 0; i < 20; i++) {
    check_value(r->f, 'r');
    CHECK(tide_pushoutcome(L, r->f, &n) == TIDE_OK && n == 1 && long_at(L, -1, 'r'));
    lua_settop(L, 0);
  }
  lua_close(L);
  tide_future_rele(r->f);
  return NULL;
}

/* Several threads read while the worker's state is being replaced. */
static void test_readers(void) {
  tide_executor *ex = new_pool(1);
  lua_State *L = new_state();
  struct reader r[READERS];
  tide_future *f;
  push_long(L, 'r');
  f = submit_echo(ex, L);
  CHECK(tide_future_wait(f, L, TIDE_FOREVER) == TIDE_OK);
  for (int i = 0; i < READERS; i++) {
    r[i].f = tide_future_hold(f);
    spawn(&r[i].thread, read_future, &r[i]);
  }
  tide_future_rele(f);
  lua_close(L);
  end_pool(ex);
  for (int i = 0; i < READERS; i++) ti_thread_join(&r[i].thread);
}

int main(void) {
  test_states();
  test_closed();
  test_finalizer(false);
  test_finalizer(true);
  test_outcome(PACK_RESULTS);
  test_outcome(PACK_ERROR);
  test_not_saved();
  test_reader_collects(LUA_GCINC);
  test_reader_collects(LUA_GCGEN);
  test_reader_hook();
  test_reader_without_memory();
  test_closes_amid();
  test_no_memory();
  test_submitter_closes();
  test_readers();
  CHECK(memory_clean());
  return check_done();
}
