/* link: tidepool */
/*
** inline_executor_test.c: tide_config.run_inline. What such an executor refuses, tasks that run in
** the state that submits, and two states that share one executor on two threads.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "include/tidepool.h"
#include "platform/thread.h"
#include "support.h"

enum { ROUNDS = 200 };

static tide_executor *ex;

static tide_config config(void) {
  tide_config cfg;
  tide_config_init(&cfg);
  CHECK(cfg.run_inline == 0);
  cfg.run_inline = 1;
  return cfg;
}

static void refuse(void) {
  tide_config cfg = config();
  tide_future *f;
  cfg.time_limit = 1;
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_EARG);
  cfg = config();
  cfg.memory_limit = 1;
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_EARG);
  cfg = config();
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_OK && tide_executor_inline(ex));
  CHECK(tide_submit_named(&f, ex, "math.abs", NULL, 0, NULL) == TIDE_EARG && f == NULL);
  CHECK(tide_submit_cfunction(&f, ex, luaopen_base, NULL, 0, NULL) == TIDE_EARG && f == NULL);
}

/* Protected: (bytes): submits with that memory limit. */
static int limited(lua_State *L) {
  tide_taskopts o;
  tide_taskopts_init(&o);
  o.memory_limit = 1000;
  lua_getglobal(L, "print");
  tide_future_rele(tide_submit(ex, L, 0, &o));
  return 0;
}

/* Protected: tasks that count in their worker's globals, not in this state's. */
static int rounds(lua_State *L) {
  for (int i = 1; i <= ROUNDS; i++) {
    tide_future *f;
    tide_value v;
    size_t n;
    luaL_loadstring(L, "N = (N or 0) + 1 return N");
    f = tide_submit(ex, L, 0, NULL);
    CHECK(tide_future_values(f, &v, 1, &n) == TIDE_OK && n == 1);
    CHECK(v.type == TIDE_TINTEGER && v.u.integer == i);
    CHECK(tide_future_interrupt(f) == 0 && tide_future_cancel(f) == 0);
    tide_future_rele(f);
  }
  CHECK(lua_getglobal(L, "N") == LUA_TNIL);
  CHECK(tide_current_inline(L) == 0 && tide_current_name(L) == NULL);
  return 0;
}

static void *in_a_state(void *ud) {
  lua_State *L = luaL_newstate();
  (void)ud;
  luaL_openlibs(L);
  lua_pushcfunction(L, rounds);
  CHECK(lua_pcall(L, 0, 0, 0) == LUA_OK);
  lua_close(L);
  return NULL;
}

int main(void) {
  struct ti_thread thread;
  lua_State *L;
  tide_stats st;
  refuse();
  CHECK(ti_thread_start(&thread, 0, in_a_state, NULL) == 0);
  in_a_state(NULL);
  ti_thread_join(&thread);
  L = luaL_newstate();
  luaL_openlibs(L);
  lua_pushcfunction(L, limited);
  CHECK(lua_pcall(L, 0, 0, 0) == LUA_ERRRUN);
  CHECK(strstr(lua_tostring(L, -1), "inline") != NULL);
  tide_executor_stats(ex, &st);
  CHECK(st.finished == 2 * (size_t)ROUNDS && st.failed == 0 && st.running == 0 && st.workers == 0);
  CHECK(tide_executor_shutdown(ex, L, 0, TIDE_FOREVER) == TIDE_OK);
  tide_executor_rele(ex);
  lua_close(L);
  return check_done();
}
