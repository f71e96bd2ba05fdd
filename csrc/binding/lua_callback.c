/*
** binding/lua_callback: done-callbacks, and when they are called.
**
** While futures with callbacks are not done, the registry has a group that holds them. A pump takes
** the finished futures from it, in the order of finishing, and calls the callbacks of each in the
** order in which they were added. Every call that waits pumps before it returns.
**
** A future leaves the group before its callbacks run. So a callback may wait, submit and add
** callbacks. Callbacks never nest: what becomes due while one runs is called after it, by the pump
** that called it.
**
** An error in a callback is a warning and stops nothing. The error of a hook, such as that of
** Ctrl-C in lua.c, is raised: it is not the callback's.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_future_handle.h"
#include "binding/lua_group_handle.h"

/* Their addresses are the registry's keys: the group; whether a callback runs; the lists of
** callbacks, a table from the address of a future's userdata to its callbacks in order. */
static const char group_key = 0, calling_key = 0, lists_key = 0;

/* Pushes the table of lists. [-0, +1, m] */
static void pushlists(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &lists_key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &lists_key);
}

/* Message handler: turns the error into a string with a traceback. */
static int describe(lua_State *L) {
  const char *message = luaL_tolstring(L, 1, NULL);
  luaL_traceback(L, L, message, 1);
  return 1;
}

static void no_hook(lua_State *L, lua_Debug *ar) {
  (void)L;
  (void)ar;
}

/* Calls the function on top with the future at `fut`. An error becomes a warning. Sets a hook that
** does nothing for the duration of the call. If the hook is another one afterwards, a signal
** handler has set it, and the error is that hook's (lua.c's "interrupted!"). [-1, +0, e] */
static void call(lua_State *L, int fut) {
  bool mark = lua_gethook(L) == NULL, signalled;
  int status;
  lua_pushcfunction(L, describe);
  lua_insert(L, -2);
  lua_pushvalue(L, fut);
  if (mark) lua_sethook(L, no_hook, LUA_MASKCALL, 0);
  status = lua_pcall(L, 1, 0, -3);
  signalled = mark && lua_gethook(L) != no_hook;
  if (mark && !signalled) lua_sethook(L, NULL, 0, 0);
  if (status != LUA_OK) {
    const char *message = lua_tostring(L, -1);
    if (signalled) lua_error(L);
    lua_warning(L, "tidepool: error in done callback: ", 1);
    lua_warning(L, message ? message : "(error object without a message)", 0);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* Calls the callbacks of the future on top. [-1, +0, e] */
static void call_all(lua_State *L) {
  int fut = lua_gettop(L), list = fut + 1;
  struct ti_lua_future *b = (struct ti_lua_future *)lua_touserdata(L, fut);
  lua_Integer i;
  b->in_group = false;
  b->seen = true;
  pushlists(L);
  lua_rawgetp(L, -1, b);
  lua_pushnil(L);
  lua_rawsetp(L, -3, b);
  lua_remove(L, -2);
  /* if the state is closing, the future may be collected already */
  for (i = 1; b->f && lua_rawgeti(L, list, i) != LUA_TNIL; i++) call(L, fut);
  lua_settop(L, fut - 1);
}

/* Protected: takes the finished futures and calls their callbacks. -> the number of futures */
static int pump(lua_State *L) {
  lua_Integer handled = 0;
  /* a callback may have pumped: an empty group is removed from the registry */
  while (lua_rawgetp(L, LUA_REGISTRYINDEX, &group_key) == LUA_TUSERDATA) {
    if (!ti_lua_group_handle_take(L, -1)) {
      if (ti_lua_group_handle_close_empty(L, -1)) {
        lua_pushnil(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &group_key);
      }
      break;
    }
    lua_remove(L, -2);
    call_all(L);
    handled++;
  }
  lua_pushinteger(L, handled);
  return 1;
}

/* Returns whether a callback runs now. [-0, +0, -] */
static bool calling(lua_State *L) {
  bool is;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &calling_key);
  is = lua_toboolean(L, -1) != 0;
  lua_pop(L, 1);
  return is;
}

static void setcalling(lua_State *L, bool on) {
  lua_pushboolean(L, on);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &calling_key);
}

/* Calls the C function below the n arguments on top. Meanwhile other pumps call no callbacks.
** [-(n+1), +nresults, e] */
static void guarded(lua_State *L, int n, int nresults) {
  int status;
  setcalling(L, true);
  status = lua_pcall(L, n, nresults, 0);
  setcalling(L, false);
  if (status != LUA_OK) lua_error(L);
}

int ti_lua_callback_pump(lua_State *L) {
  int handled;
  bool due;
  luaL_checkstack(L, 8, NULL);
  tide_warnings(L);
  due = lua_rawgetp(L, LUA_REGISTRYINDEX, &group_key) != LUA_TNIL;
  lua_pop(L, 1);
  /* inside a callback, the surrounding pump calls them; inside an inline task, the script does */
  if (!due || calling(L) || tide_current_inline(L)) return 0;
  lua_pushcfunction(L, pump);
  guarded(L, 0, 1);
  handled = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return handled;
}

/* A future is in the group for a moment after its status says that it is done. */
void ti_lua_callback_pump_done(lua_State *L, const struct ti_lua_future *b) {
  ti_lua_callback_pump(L);
  while (b->in_group && !calling(L) && !tide_current_inline(L)) {
    bool due = lua_rawgetp(L, LUA_REGISTRYINDEX, &group_key) != LUA_TNIL;
    if (due) due = ti_lua_group_handle_wait(L, -1);
    lua_pop(L, 1);
    if (!due) break;
    ti_lua_callback_pump(L);
  }
}

/* (future, callback): calls the callback. */
static int call_one(lua_State *L) {
  call(L, 1);
  return 0;
}

/* Calls the callback at 2 with the done future at 1, then pumps. [-2, +0, e] */
static void call_now(lua_State *L) {
  bool nested = calling(L);
  lua_pushcfunction(L, call_one);
  lua_insert(L, 1);
  if (nested)
    lua_call(L, 2, 0);
  else
    guarded(L, 2, 0);
  ti_lua_callback_pump(L);
}

static int callback_gc(lua_State *L) {
  if (ti_lua_support_self(L)) ti_lua_group_handle_close(L, 1);
  return 0;
}

static const luaL_Reg methods[] = {{NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__gc", callback_gc}, {NULL, NULL}};

/* The class of the state's group. Scripts do not see it. */
static const struct ti_lua_class callback_class = {
    TI_LUA_CALLBACK, metamethods, methods, NULL, NULL, NULL};

/* Pushes the state's group. [-0, +1, e] */
static void pushgroup(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &group_key) == LUA_TUSERDATA) return;
  lua_pop(L, 1);
  ti_lua_group_handle_push(L, &callback_class);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &group_key);
}

int ti_lua_callback_add(lua_State *L) {
  struct ti_lua_future *b = ti_lua_future_handle_check(L, 1);
  if (!ti_lua_support_is_callable(L, 2)) ti_lua_support_type_error(L, 2, "function");
  lua_settop(L, 2);
  if (ti_lua_future_handle_done(b) && b->in_group)
    ti_lua_callback_pump(L); /* callbacks that were added before come first */
  if (ti_lua_future_handle_done(b) && !b->in_group) {
    b->seen = true;
    call_now(L);
    return 0;
  }
  if (!b->in_group) { /* first: the group keeps the future, whose address is the key, alive */
    pushgroup(L);
    b->in_group = ti_lua_group_handle_add(L, -1, 1, b);
  }
  pushlists(L);
  if (lua_rawgetp(L, -1, b) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -3, b);
  }
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  return 0;
}
