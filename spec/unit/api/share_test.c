/* link: tidepool */
/*
** share_test.c: shares from C. Many states read one value at once, each with one copy, which is
** released when the last user is gone. A userdata in the value counts how often it was decoded, and
** how many of it are alive.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "include/tidepool.h"
#include "platform/thread.h"
#include "support.h"

enum { READERS = 8, ROUNDS = 20 };

/* -------------------------------------------------------- what is counted -- */

static atomic_int pushed, held;

static const tide_reftype counted_type;

static void *counted_hold(lua_State *L, int idx) {
  (void)L;
  (void)idx;
  atomic_fetch_add(&held, 1);
  return &held;
}

static void counted_push(lua_State *L, void *object) {
  (void)object;
  atomic_fetch_add(&pushed, 1);
  lua_newuserdatauv(L, 1, 0);
  lua_newtable(L);
  tide_setreftype(L, -1, &counted_type);
  lua_setmetatable(L, -2);
}

static void counted_rele(void *object) {
  (void)object;
  atomic_fetch_sub(&held, 1);
}

static const tide_reftype counted_type = {"counted", counted_hold, counted_push, counted_rele,
                                          NULL};

/* Pushes {counted, 1, …, 1000, text = "text"}. */
static int make_value(lua_State *L) {
  lua_newtable(L);
  counted_push(L, NULL);
  lua_rawseti(L, -2, 1);
  for (int i = 1; i <= 1000; i++) {
    lua_pushinteger(L, i);
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushliteral(L, "text");
  lua_setfield(L, -2, "text");
  return 1;
}

static bool is_value(lua_State *L) {
  bool ok = lua_type(L, -1) == LUA_TTABLE && lua_rawlen(L, -1) == 1001;
  ok = ok && lua_rawgeti(L, -1, 1001) == LUA_TNUMBER && lua_tointeger(L, -1) == 1000;
  lua_pop(L, 1);
  ok = ok && lua_getfield(L, -1, "text") == LUA_TSTRING;
  lua_pop(L, 1);
  return ok;
}

static tide_share *new_share(lua_State *L) {
  make_value(L);
  atomic_store(&pushed, 0);
  return tide_share_new(L);
}

/* ----------------------------------------------------------- many readers -- */

static struct gate start;
static tide_share *shared;

static void *read_it(void *arg) {
  lua_State *L = luaL_newstate();
  (void)arg;
  gate_enter(&start);
  for (int i = 0; i < ROUNDS; i++) {
    tide_pushshared(L, shared);
    CHECK(is_value(L));
    lua_pop(L, 1);
    lua_gc(L, LUA_GCCOLLECT);
  }
  lua_close(L);
  return NULL;
}

static void test_readers(void) {
  struct ti_thread threads[READERS];
  lua_State *L = luaL_newstate();
  shared = new_share(L);
  lua_close(L); /* it needs no state */
  gate_init(&start);
  for (int i = 0; i < READERS; i++) spawn(&threads[i], read_it, NULL);
  gate_await(&start, READERS);
  gate_open(&start);
  for (int i = 0; i < READERS; i++) ti_thread_join(&threads[i]);
  gate_fini(&start);
  CHECK(atomic_load(&pushed) == READERS * ROUNDS); /* there was no handle to keep it */
  CHECK(atomic_load(&held) == 1);
  tide_share_rele(shared);
  CHECK(atomic_load(&held) == 0);
}

/* -------------------------------------------------------------- one state -- */

static void test_state(void) {
  lua_State *L = luaL_newstate(), *other = luaL_newstate();
  tide_share *s = new_share(L);
  tide_pushshare(L, s);
  tide_pushshare(L, s);
  CHECK(lua_rawequal(L, 1, 2)); /* one handle */
  CHECK(tide_share_keep(L, 1, s) == 0);
  tide_pushshared(L, s);
  CHECK(is_value(L));
  lua_gc(L, LUA_GCCOLLECT);
  tide_pushshared(L, s);
  CHECK(lua_rawequal(L, 3, 4));
  CHECK(atomic_load(&pushed) == 1);
  tide_share_unpack(L, s);
  CHECK(is_value(L) && !lua_rawequal(L, 4, 5));
  tide_pushshare(other, s);
  CHECK(tide_share_hold(s) == s);
  tide_share_rele(s);
  tide_share_rele(s);
  lua_close(L);
  CHECK(atomic_load(&held) == 1);
  tide_pushshared(other, *(tide_share **)lua_touserdata(other, 1));
  CHECK(is_value(other));
  lua_close(other);
  CHECK(atomic_load(&held) == 0);
  tide_share_rele(NULL);
  tide_share_unkeep(NULL);
}

static int share_coroutine(lua_State *L) {
  make_value(L);
  lua_newthread(L);
  lua_setfield(L, -2, "thread");
  tide_share_new(L);
  return 0;
}

static void test_refusal(void) {
  lua_State *L = luaL_newstate();
  lua_pushcfunction(L, share_coroutine);
  CHECK(lua_pcall(L, 0, 0, 0) == LUA_ERRRUN);
  CHECK(tide_errorkind(L, -1) == TIDE_ETRANSFER);
  lua_getfield(L, -1, "message");
  CHECK(strcmp(lua_tostring(L, -1), "shared value, field thread: cannot send a coroutine") == 0);
  lua_close(L);
  CHECK(atomic_load(&held) == 0);
}

/* ---------------------------------------------------------------- workers -- */

/* (share as a light userdata): reads it. */
static int use(lua_State *L) {
  tide_pushshared(L, (tide_share *)lua_touserdata(L, 1));
  if (!is_value(L)) return luaL_error(L, "another value");
  lua_gc(L, LUA_GCCOLLECT);
  return 0;
}

static int collect(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  lua_gc(L, LUA_GCCOLLECT);
  return 0;
}

static void run(tide_executor *ex, lua_CFunction fn, tide_share *s) {
  tide_value arg;
  tide_future *f;
  arg.type = TIDE_TPOINTER;
  arg.u.pointer = s;
  CHECK(tide_submit_cfunction(&f, ex, fn, &arg, 1, NULL) == TIDE_OK);
  CHECK(tide_future_wait(f, NULL, TIDE_FOREVER) == TIDE_OK);
  CHECK(tide_future_outcome(f) == TIDE_OK);
  tide_future_rele(f);
}

static void test_worker(bool collected) {
  tide_executor *ex;
  tide_config cfg;
  lua_State *L = luaL_newstate();
  tide_share *s = new_share(L);
  lua_close(L);
  tide_config_init(&cfg);
  cfg.max_workers = 1;
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_OK);
  for (int i = 0; i < ROUNDS; i++) run(ex, use, s);
  CHECK(atomic_load(&pushed) == 1);
  CHECK(atomic_load(&held) == 1);
  tide_share_rele(s);
  CHECK(atomic_load(&held) == 1); /* the worker has it */
  if (collected) {
    run(ex, collect, NULL); /* ends, and finds no user left */
    run(ex, collect, NULL);
    CHECK(atomic_load(&held) == 0);
  }
  CHECK(tide_executor_shutdown(ex, NULL, 0, TIDE_FOREVER) == TIDE_OK);
  tide_executor_rele(ex);
  CHECK(atomic_load(&held) == 0);
}

int main(void) {
  test_state();
  test_refusal();
  test_readers();
  test_worker(true);
  test_worker(false);
  return check_done();
}
