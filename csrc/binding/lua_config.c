/*
** binding/lua_config: a new executor from a table of checked options.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_binding.h"

#include <string.h>

/* Returns an integer option. tidepool.executor has checked its range. [-0, +0, e] */
static lua_Integer integer(lua_State *L, const char *name, lua_Integer dflt) {
  lua_Integer v = dflt;
  if (lua_getfield(L, 1, name) != LUA_TNIL) v = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return v;
}

static int any_cfunction(lua_CFunction fn, void *ud) {
  (void)fn, (void)ud;
  return 1;
}

static void fill(lua_State *L, tide_config *c) {
  tide_config_init(c);
  c->max_workers = (int)integer(L, "max_workers", c->max_workers);
  c->max_threads = (int)integer(L, "max_threads", c->max_threads);
  c->max_tasks_per_worker = (size_t)integer(L, "max_tasks_per_worker", 0);
  c->max_queue = (size_t)integer(L, "max_queue", 0);
  c->memory_limit = (size_t)integer(L, "memory_limit", 0);
  c->interrupt_signal = (int)integer(L, "interrupt_signal", 0);
  c->seeded = lua_getfield(L, 1, "seed") != LUA_TNIL;
  c->seed = lua_tointeger(L, -1);
  lua_pop(L, 1);
  if (lua_getfield(L, 1, "idle_timeout") == LUA_TNUMBER) c->idle_timeout = lua_tonumber(L, -1);
  lua_pop(L, 1);
  if (lua_getfield(L, 1, "spin_time") == LUA_TNUMBER) c->spin_time = lua_tonumber(L, -1);
  lua_pop(L, 1);
  if (lua_getfield(L, 1, "time_limit") == LUA_TNUMBER) c->time_limit = lua_tonumber(L, -1);
  c->run_inline = lua_getfield(L, 1, "inline") == LUA_TBOOLEAN && lua_toboolean(L, -1);
  lua_pop(L, 1);
  c->daemon = lua_getfield(L, 1, "daemon") == LUA_TBOOLEAN && lua_toboolean(L, -1);
  if (lua_getfield(L, 1, "cfunctions") == LUA_TBOOLEAN && lua_toboolean(L, -1))
    c->cfunction = any_cfunction;
  lua_pop(L, 1);
  if (lua_getfield(L, 1, "isolation") == LUA_TSTRING && strcmp(lua_tostring(L, -1), "task") == 0)
    c->isolation = TIDE_ISOLATION_TASK;
  lua_pop(L, 3);
  if (lua_getfield(L, 1, "on_full") == LUA_TSTRING && strcmp(lua_tostring(L, -1), "error") == 0)
    c->on_full = TIDE_ONFULL_ERROR;
  lua_pop(L, 1);
  /* stays on the stack: the config borrows it */
  if (lua_getfield(L, 1, "thread_name_prefix") == LUA_TSTRING)
    c->thread_name_prefix = lua_tostring(L, -1);
}

int ti_lua_config_new_executor(lua_State *L) {
  tide_config c;
  tide_executor **box;
  int status;
  luaL_checktype(L, 1, LUA_TTABLE);
  if (lua_gettop(L) < 3) lua_settop(L, 3);
  if (!lua_isnil(L, 2)) ti_lua_support_check_task(L, 2);
  if (!lua_isnil(L, 3)) ti_lua_support_check_task(L, 3);
  box = ti_lua_executor_new_box(L);
  lua_insert(L, 2);
  fill(L, &c);
  status = tide_executor_new(box, &c);
  if (status != TIDE_OK) return ti_lua_support_raise(L, status, NULL);
  lua_pop(L, 1);
  tide_executor_adopt(*box, L);
  if (!lua_isnil(L, 3) || !lua_isnil(L, 4)) tide_executor_setopening(*box, L, lua_gettop(L) - 4);
  lua_settop(L, 2);
  return 1;
}
