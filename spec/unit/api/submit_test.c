/* link: tidepool */
/*
** submit_test.c: tide_taskopts.nowait. A full queue refuses at once, although on_full says to wait.
** Where a place is free it makes no difference.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>

#include "include/tidepool.h"
#include "support.h"

static struct gate shut;

static int park(lua_State *L) {
  (void)L;
  gate_enter(&shut);
  return 0;
}

static int submit(tide_executor *ex, tide_future **f, int nowait) {
  tide_taskopts o;
  tide_taskopts_init(&o);
  CHECK(o.nowait == 0);
  o.nowait = nowait;
  return tide_submit_cfunction(f, ex, park, NULL, 0, &o);
}

/* Protected: the same from a state; raises. */
static int submit_here(lua_State *L) {
  tide_taskopts o;
  tide_taskopts_init(&o);
  o.nowait = 1;
  lua_pushcfunction(L, park);
  tide_future_rele(tide_submit((tide_executor *)lua_touserdata(L, lua_upvalueindex(1)), L, 0, &o));
  return 0;
}

/* All functions of this program may be sent. */
static int any(lua_CFunction fn, void *ud) {
  (void)fn, (void)ud;
  return 1;
}

int main(void) {
  lua_State *L = luaL_newstate();
  tide_executor *ex;
  tide_config cfg;
  tide_future *f[3];
  gate_init(&shut);
  tide_config_init(&cfg);
  cfg.max_workers = 1;
  cfg.max_queue = 1;
  cfg.on_full = TIDE_ONFULL_BLOCK;
  cfg.cfunction = any;
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_OK);
  CHECK(submit(ex, &f[0], 1) == TIDE_OK);
  CHECK(submit(ex, &f[1], 1) == TIDE_OK);
  CHECK(submit(ex, &f[2], 1) == TIDE_EFULL);
  CHECK(f[2] == NULL);
  lua_pushlightuserdata(L, ex);
  lua_pushcclosure(L, submit_here, 1);
  CHECK(lua_pcall(L, 0, 0, 0) == LUA_ERRRUN);
  CHECK(tide_errorkind(L, -1) == TIDE_EFULL);
  gate_open(&shut);
  CHECK(submit(ex, &f[2], 0) == TIDE_OK); /* waits for a free place */
  CHECK(tide_executor_shutdown(ex, NULL, 0, TIDE_FOREVER) == TIDE_OK);
  for (int i = 0; i < 3; i++) {
    CHECK(tide_future_outcome(f[i]) == TIDE_OK);
    tide_future_rele(f[i]);
  }
  CHECK(submit(ex, &f[0], 1) == TIDE_ESHUTDOWN);
  tide_executor_rele(ex);
  lua_close(L);
  gate_fini(&shut);
  return check_done();
}
