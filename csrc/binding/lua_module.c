/*
** binding/lua_module: the Lua module `tidepool.core`.
**
** The Lua half of the library builds the public module `tidepool` on it. Scripts use that.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_executor_handle.h"
#include "binding/lua_map_results.h"
#include "binding/lua_submit.h"

#include <string.h>
#include <time.h>

/* core.cpu_count() -> the number of processors that this process may use */
static int m_cpucount(lua_State *L) {
  lua_pushinteger(L, tide_cpu_count());
  return 1;
}

/* core.now() -> the seconds of a monotonic clock */
static int m_now(lua_State *L) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  lua_pushnumber(L, (lua_Number)t.tv_sec + (lua_Number)t.tv_nsec * 1e-9);
  return 1;
}

/* core.error_kind(value) -> the kind's name, or nil if it is no error object of the library */
static int m_errorkind(lua_State *L) {
  int kind;
  if (lua_isnone(L, 1)) return ti_lua_support_arg_error(L, 1, "value expected");
  kind = tide_errorkind(L, 1);
  lua_pushstring(L, kind == TIDE_OK ? NULL : tide_kindname(kind));
  return 1;
}

/* core.error_message(value) -> the message of an error of the library, without its position */
static int m_errormessage(lua_State *L) {
  luaL_checkany(L, 1);
  tide_pusherrormessage(L, 1);
  return 1;
}

/* core.string_errors([on]) -> whether errors were strings before the call */
static int m_stringerrors(lua_State *L) {
  int on, before;
  if (lua_isnoneornil(L, 1)) {
    before = tide_stringerrors(L, 0);
    (void)tide_stringerrors(L, before);
  } else {
    if (lua_type(L, 1) != LUA_TBOOLEAN) return ti_lua_support_type_error(L, 1, "boolean");
    on = lua_toboolean(L, 1);
    before = tide_stringerrors(L, on);
  }
  lua_pushboolean(L, before);
  return 1;
}

/* core.error(kind, message) -> an error object */
static int m_error(lua_State *L) {
  const char *name = luaL_checkstring(L, 1), *message = luaL_checkstring(L, 2);
  int kind;
  for (kind = TIDE_OK + 1; kind <= TIDE_EARG; kind++) {
    const char *word = tide_kindname(kind);
    if (word && strcmp(word, name) == 0) {
      tide_pusherror(L, kind, message);
      return 1;
    }
  }
  return luaL_argerror(L, 1, lua_pushfstring(L, "unknown kind '%s'", name));
}

/* core.current_task_name() -> the name of the task that runs here, or nil outside a task */
static int m_currenttaskname(lua_State *L) {
  lua_pushstring(L, tide_current_name(L));
  return 1;
}

/* core.current_task() -> the task's name or nil, the index of the worker, the task's number */
static int m_currenttask(lua_State *L) {
  lua_pushstring(L, tide_current_name(L));
  lua_pushinteger(L, tide_current_worker(L));
  lua_pushinteger(L, tide_current_id(L));
  return 3;
}

/* core.asked() -> the kind of the stop request for the task that runs here, or nil */
static int m_asked(lua_State *L) {
  lua_pushstring(L, tide_kindname(tide_current_stop(L)));
  return 1;
}

/* core.limited(ex) -> whether the executor has limits for its tasks */
static int m_limited(lua_State *L) {
  lua_pushboolean(L, tide_executor_limited(ti_lua_executor_handle_check(L, 1)));
  return 1;
}

/* core.inline(ex) -> whether the executor runs tasks inside submit */
static int m_inline(lua_State *L) {
  lua_pushboolean(L, tide_executor_inline(ti_lua_executor_handle_check(L, 1)));
  return 1;
}

/* core.type(value) -> "executor", "future", "share", "array" or nil */
static int m_type(lua_State *L) {
  luaL_checkany(L, 1);
  if (luaL_testudata(L, 1, TI_LUA_FUTURE))
    lua_pushliteral(L, "future");
  else if (luaL_testudata(L, 1, TI_LUA_EXECUTOR))
    lua_pushliteral(L, "executor");
  else if (luaL_testudata(L, 1, TI_LUA_SHARE))
    lua_pushliteral(L, "share");
  else if (tide_toarray(L, 1))
    lua_pushliteral(L, "array");
  else
    lua_pushnil(L);
  return 1;
}

/* core.iterable(value) -> "function" if it can be called, "sequence" if it has a length and items;
** else nil, and words to follow "got" in an error message */
static int m_iterable(lua_State *L) {
  int t = lua_type(L, 1);
  if (t == LUA_TFUNCTION || luaL_getmetafield(L, 1, "__call") != LUA_TNIL) {
    lua_pushliteral(L, "function");
    return 1;
  }
  if ((t == LUA_TTABLE && !ti_lua_support_push_dictionary(L, 1)) ||
      (t == LUA_TUSERDATA && luaL_getmetafield(L, 1, "__len") != LUA_TNIL)) {
    lua_pushliteral(L, "sequence");
    return 1;
  }
  lua_pushnil(L);
  if (t == LUA_TTABLE)
    lua_insert(L, -2);
  else
    ti_lua_support_push_type_name(L, 1);
  return 2;
}

/* core.dictionary(t) -> words to follow "got" if its length hides its contents, else nil */
static int m_dictionary(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  if (!ti_lua_support_push_dictionary(L, 1)) lua_pushnil(L);
  return 1;
}

/* core.where() -> the calling line of the script, as `file:line: `, or "" */
static int m_where(lua_State *L) {
  tide_pushwhere(L);
  return 1;
}

/* core.closable(value) -> whether it is nil, false, or has `__close` */
static int m_closable(lua_State *L) {
  lua_pushboolean(L, !lua_toboolean(L, 1) || luaL_getmetafield(L, 1, "__close") != LUA_TNIL);
  return 1;
}

/* core.callable(value) -> whether it is a function or has `__call` */
static int m_callable(lua_State *L) {
  lua_pushboolean(L, ti_lua_support_is_callable(L, 1));
  return 1;
}

/* core.sendable(...) -> true, or false and the error object that sending them would raise */
static int m_sendable(lua_State *L) {
  int ok = tide_sendable(L, lua_gettop(L)) == TIDE_OK;
  lua_pushboolean(L, ok);
  if (ok) return 1;
  lua_insert(L, -2);
  return 2;
}

static void setcount(lua_State *L, const char *name, size_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, name);
}

/* core.live() -> counts of live objects of this state's executors, for leak tests */
static int m_live(lua_State *L) {
  tide_live live;
  tide_live_counts(L, &live);
  lua_createtable(L, 0, 5);
  setcount(L, "executors", live.executors);
  setcount(L, "tasks", live.tasks);
  setcount(L, "states", live.states);
  setcount(L, "threads", live.threads);
  setcount(L, "groups", live.groups);
  return 1;
}

/* Functions of the public module. Errors about their arguments name them. */
static const luaL_Reg public_functions[] = {
    {"future", ti_lua_future_new_promise}, {"share", ti_lua_share_new},
    {"array", ti_lua_array_bulk_new},      {"cpu_count", m_cpucount},
    {"error_kind", m_errorkind},           {"traceback", ti_lua_trace_traceback},
    {"string_errors", m_stringerrors},     {NULL, NULL}};

/* core.signal_problem(n) -> why n cannot be interrupt_signal, or nil */
static int m_signalproblem(lua_State *L) {
  lua_pushstring(L, tide_signal_problem((int)luaL_checkinteger(L, 1)));
  return 1;
}

static const luaL_Reg functions[] = {{"executor", ti_lua_config_new_executor},
                                     {"submit", ti_lua_submit_plain},
                                     {"submit_seeded", ti_lua_submit_seeded},
                                     {"map_seed", ti_lua_submit_map_seed},
                                     {"group", ti_lua_group_new},
                                     {"now", m_now},
                                     {"error", m_error},
                                     {"error_message", m_errormessage},
                                     {"current_task_name", m_currenttaskname},
                                     {"current_task", m_currenttask},
                                     {"asked", m_asked},
                                     {"limited", m_limited},
                                     {"inline", m_inline},
                                     {"signal_problem", m_signalproblem},
                                     {"type", m_type},
                                     {"iterable", m_iterable},
                                     {"callable", m_callable},
                                     {"dictionary", m_dictionary},
                                     {"where", m_where},
                                     {"closable", m_closable},
                                     {"sendable", m_sendable},
                                     {"live", m_live},
                                     {"run_items", ti_lua_map_worker_run_items},
                                     {"offer", ti_lua_map_worker_offer},
                                     {"remember", ti_lua_trace_remember_of},
                                     {"own", ti_lua_unseen_own},
                                     {"peek", ti_lua_unseen_peek},
                                     {"drop", ti_lua_unseen_drop},
                                     {"warn", ti_lua_unseen_warn},
                                     {"on_unseen", ti_lua_unseen_register},
                                     {"list", ti_lua_map_worker_list},
                                     {"slice", ti_lua_map_worker_slice},
                                     {"map", ti_lua_map_iterator_new},
                                     {"map_state", ti_lua_map_iterator_state},
                                     {"map_pack", ti_lua_map_results_pack},
                                     {"map_clear", ti_lua_map_results_clear},
                                     {"map_flat", ti_lua_map_results_flat},
                                     {"map_unpack", ti_lua_map_results_unpack},
                                     {"map_row", ti_lua_map_results_row},
                                     {"map_load", ti_lua_map_iterator_load},
                                     {"map_value", ti_lua_map_iterator_value},
                                     {"map_move", ti_lua_map_iterator_move},
                                     {"map_run", ti_lua_map_iterator_run},
                                     {"map_pause", ti_lua_map_iterator_pause},
                                     {NULL, NULL}};

int luaopen_tidepool_core(lua_State *L) {
  tide_live live;
  const char *from = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL; /* of `require` */
  ti_lua_version_check(L);
  tide_makeknown(L, from != NULL && from[0] != ':' ? from : NULL);
  tide_live_counts(L,
                   &live); /* makes L's owner now: what a script makes later is finalised first */
  luaL_newlib(L, functions);
  ti_lua_support_set_functions(L, public_functions);
  lua_pushliteral(L, TIDE_VERSION);
  lua_setfield(L, -2, "version");
  lua_createtable(L, 0, 3);
  ti_lua_executor_push_class(L);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, "executor");
  lua_pop(L, 1);
  ti_lua_future_push_class(L);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, "future");
  lua_pop(L, 1);
  ti_lua_map_iterator_push_class(L);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, "map");
  lua_pop(L, 1);
  ti_lua_array_push_methods(L);
  lua_setfield(L, -2, "array");
  lua_setfield(L, -2, "methods");
  return 1;
}
