/*
** binding/lua_submit: submits for the Lua half, with options and seeds.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_submit.h"

#include <string.h>

#include "binding/lua_executor_handle.h"
#include "binding/lua_future_handle.h"

int ti_lua_submit_task(lua_State *L, tide_executor *ex, int fn, const tide_taskopts *o, bool quiet,
                       int meta) {
  int nargs = lua_gettop(L) - fn;
  struct ti_lua_future *b = ti_lua_future_new(L, meta);
  lua_insert(L, fn);
  b->f = tide_submit(ex, L, nargs, o);
  b->seen = quiet;
  b->task = true;
  return 1;
}

/* Reads the options of a task from the table or nil at `idx`. tidepool.executor has checked their
** ranges. [-0, +0, e] */
static void get_options(lua_State *L, int idx, tide_taskopts *o) {
  tide_taskopts_init(o);
  if (!lua_istable(L, idx)) return;
  lua_getfield(L, idx, "priority");
  o->priority = (int)luaL_optinteger(L, -1, 0);
  lua_getfield(L, idx, "time_limit");
  o->time_limit = (double)luaL_optnumber(L, -1, 0);
  lua_getfield(L, idx, "memory_limit");
  o->memory_limit = (size_t)luaL_optinteger(L, -1, 0);
  lua_getfield(L, idx, "name"); /* the table keeps the string alive */
  o->name = luaL_optstring(L, -1, NULL);
  lua_pop(L, 4);
}

int ti_lua_submit_plain(lua_State *L) {
  tide_executor *ex = ti_lua_executor_handle_check(L, 1);
  tide_taskopts o;
  get_options(L, 3, &o);
  ti_lua_support_check_task(L, 4);
  return ti_lua_submit_task(L, ex, 4, &o, lua_toboolean(L, 2), 0);
}

static bool is_counter_type(const tide_array *a) {
  return tide_array_type(a) == TIDE_I64 || tide_array_type(a) == TIDE_U64;
}

int ti_lua_submit_seeded(lua_State *L) {
  tide_executor *ex = ti_lua_executor_handle_check(L, 3);
  bool quiet = lua_toboolean(L, 4) != 0;
  tide_taskopts o;
  get_options(L, 5, &o);
  ti_lua_support_check_task(L, 6);
  if (lua_type(L, 1) == LUA_TSTRING) {
    o.seeding = TIDE_SEED_ITEM;
    luaL_argcheck(L, lua_rawlen(L, 1) == sizeof o.stream, 1, "no seed of a map");
    memcpy(&o.stream, lua_tostring(L, 1), sizeof o.stream);
    o.number = (lua_Unsigned)luaL_checkinteger(L, 2);
  } else {
    const tide_array *counter = tide_toarray(L, 2);
    luaL_argcheck(L, counter != NULL && tide_array_length(counter) == 1 && is_counter_type(counter),
                  2, "no counter");
    o.seeding = TIDE_SEED_TASK;
    o.seed = luaL_checkinteger(L, 1);
    o.counter = (unsigned long long *)tide_array_data(counter);
  }
  return ti_lua_submit_task(L, ex, 6, &o, quiet, 0);
}

int ti_lua_submit_map_seed(lua_State *L) {
  tide_executor *ex = ti_lua_executor_handle_check(L, 1);
  lua_Integer seed = luaL_optinteger(L, 2, 0);
  tide_stream s;
  if (!tide_map_stream(L, ex, lua_isnoneornil(L, 2) ? NULL : &seed, &s)) return 0;
  lua_pushlstring(L, (const char *)&s, sizeof s);
  return 1;
}
