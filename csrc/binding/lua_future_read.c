/*
** binding/lua_future_read: the methods that read the outcome of a future.
**
** An outcome is decoded at the first read and kept in the userdata, so every read gives the same
** objects. Scalars are not kept, except large ones that are read twice.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_future_read.h"

#include "binding/lua_future_handle.h"

enum { LARGE = 64 << 10 }; /* bytes; from this size on, messages borrow strings */

/* Waits for the future in argument 1, then pumps. Returns false if the timeout passed first.
** [-0, +0, e] */
static bool wait_for(lua_State *L, struct ti_lua_future *b, double timeout) {
  int status = TIDE_OK;
  if (!ti_lua_future_handle_done(b)) status = tide_future_wait(b->f, L, timeout);
  if (status == TIDE_OK && b->in_group)
    ti_lua_callback_pump_done(L, b);
  else
    ti_lua_callback_pump(L);
  if (status != TIDE_OK && status != TIDE_ETIMEOUT) ti_lua_support_raise(L, status, NULL);
  return status == TIDE_OK;
}

/* Pops the n values from `first` on, and keeps them for the future in argument 1. [-n, +0, m] */
static void keep(lua_State *L, struct ti_lua_future *b, int first, int n) {
  if (n != 1) {
    luaL_checkstack(L, 2, NULL);
    lua_createtable(L, n, 0);
    lua_insert(L, first);
    for (int i = n; i >= 1; i--) lua_rawseti(L, first, i);
  }
  lua_setiuservalue(L, 1, TI_LUA_FUTURE_OUTCOME);
  b->nvalues = n;
}

/* Returns whether the outcome is large and consists of scalars. They are equal each time that they
** are decoded. */
static bool is_large_and_scalar(const tide_future *f) {
  enum { MOST = 8 };
  tide_value v[MOST];
  size_t n;
  if (tide_future_weight(f) < LARGE || tide_future_values(f, v, MOST, &n) != TIDE_OK || n > MOST)
    return false;
  for (size_t i = 0; i < n; i++)
    if (v[i].type == TIDE_TOTHER) return false;
  return true;
}

/* Decodes the outcome of the future in argument 1. Returns false if its user value has the *n
** values now. Returns true, and pushes them, if they are large scalars that are read for the first
** time: values that a future keeps survive it by a cycle of the collector. [-0, +(0|n), e] */
static bool decode(lua_State *L, struct ti_lua_future *b, int *n) {
  int base = lua_gettop(L), outcome = tide_pushoutcome(L, b->f, n);
  if (b->nvalues >= 0) { /* a `__transfer` function or a finalizer has read it meanwhile */
    lua_settop(L, base);
    return false;
  }
  b->outcome = (unsigned char)outcome;
  if (!b->decoded && is_large_and_scalar(b->f)) {
    b->decoded = true;
    return true;
  }
  keep(L, b, base + 1, *n);
  return false;
}

/* Pushes the values or the error of the done future in argument 1. Returns how many. Scalars are
** decoded each time and not kept. [-0, +n, e] */
static int push_values(lua_State *L, struct ti_lua_future *b) {
  int i, list;
  b->seen = true;
  if (b->nvalues < 0) {
    int base = lua_gettop(L), plain = tide_pushplain(L, b->f, &i);
    if (plain != 0) b->outcome = TIDE_OK;
    if (plain == 1) return i;
    if (plain == 2)
      keep(L, b, base + 1, i);
    else if (decode(L, b, &i))
      return i;
  }
  luaL_checkstack(L, b->nvalues + 1, "too many results");
  lua_getiuservalue(L, 1, TI_LUA_FUTURE_OUTCOME);
  if (b->nvalues == 1) return 1;
  list = lua_gettop(L);
  for (i = 1; i <= b->nvalues; i++) lua_rawgeti(L, list, i);
  lua_remove(L, list);
  return b->nvalues;
}

/* Lets tidepool.traceback find the traceback of the error on top, which the script gets.
** [-0, +0, m] */
static void remember(lua_State *L, const struct ti_lua_future *b) {
  tide_pushtraceback(L, b->f);
  ti_lua_trace_remember(L, -2);
}

/* Pushes the error object of a wait whose timeout passed first. [-0, +1, m] */
static void push_timeout(lua_State *L, double timeout) {
  lua_pushfstring(L, "the future is not done after %f seconds", (lua_Number)timeout);
  tide_pusherror(L, TIDE_ETIMEOUT, lua_tostring(L, -1));
  lua_remove(L, -2);
}

/* f:result([timeout]) -> the task's values, or raises its error */
int ti_lua_future_read_result(lua_State *L) {
  struct ti_lua_future *b = ti_lua_future_handle_self(L);
  double timeout = ti_lua_support_opt_timeout(L, 2);
  int n;
  if (!wait_for(L, b, timeout)) {
    push_timeout(L, timeout);
    return lua_error(L);
  }
  n = push_values(L, b);
  if (b->outcome == TIDE_OK) return n;
  remember(L, b);
  return lua_error(L);
}

/* f:pcall([timeout]) -> true and the values, or false and the error */
int ti_lua_future_read_pcall(lua_State *L) {
  struct ti_lua_future *b = ti_lua_future_handle_self(L);
  double timeout = ti_lua_support_opt_timeout(L, 2);
  int n, at;
  if (!wait_for(L, b, timeout)) {
    lua_pushboolean(L, 0);
    push_timeout(L, timeout);
    return 2;
  }
  lua_pushboolean(L, 0);
  at = lua_gettop(L);
  n = push_values(L, b);
  if (b->outcome == TIDE_OK) {
    lua_pushboolean(L, 1);
    lua_replace(L, at);
  } else {
    remember(L, b);
  }
  return n + 1;
}

/* f:exception([timeout]) -> nil, or the error. Raises kind cancelled. */
int ti_lua_future_read_exception(lua_State *L) {
  struct ti_lua_future *b = ti_lua_future_handle_self(L);
  double timeout = ti_lua_support_opt_timeout(L, 2);
  if (!wait_for(L, b, timeout)) {
    push_timeout(L, timeout);
    return lua_error(L);
  }
  push_values(L, b);
  if (b->outcome == TIDE_ECANCELLED) return lua_error(L);
  if (b->outcome == TIDE_OK)
    lua_pushnil(L);
  else if (lua_isnil(L, -1))
    lua_pushliteral(L, "<no error object>");
  else
    remember(L, b);
  return 1;
}

/* f:traceback() -> the worker's traceback of a failed task, or nil. Never waits. */
int ti_lua_future_read_traceback(lua_State *L) {
  struct ti_lua_future *b = ti_lua_future_handle_self(L);
  if (!ti_lua_future_handle_done(b)) {
    lua_pushnil(L);
  } else {
    b->seen = true;
    tide_pushtraceback(L, b->f);
  }
  return 1;
}

/* f:wait([timeout]) -> true if it is done, false if the timeout passed first */
int ti_lua_future_read_wait(lua_State *L) {
  struct ti_lua_future *b = ti_lua_future_handle_self(L);
  lua_pushboolean(L, wait_for(L, b, ti_lua_support_opt_timeout(L, 2)));
  return 1;
}
