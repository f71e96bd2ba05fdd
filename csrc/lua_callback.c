/*
** tidepool, floor 4: lua_callback, done callbacks and when they are called.
**
** While a state has futures with callbacks that are not done, its registry keeps
** one group that holds them. Pumping takes what has finished from it, in the order
** of finishing, and calls the callbacks in the order in which they were added.
** Every call that waits pumps before it returns.
**
** A future is taken out before its callbacks run, so a callback may wait, submit,
** add callbacks and pump. An error in one is a warning and stops nothing.
**
** SPDX-License-Identifier: MIT
*/
#include "lua_binding.h"

#define CALLBACKS 2 /* user value of a future: its callbacks, in the order added */

static const char group_key = 0; /* its address is the registry's key */

/* Message handler: the error as a string, with a traceback. */
static int describe(lua_State *L) {
  const char *message = luaL_tolstring(L, 1, NULL);
  luaL_traceback(L, L, message, 1);
  return 1;
}

/* Calls the function on top with the future at `fut`; an error becomes a warning. [-1, +0, m] */
static void call(lua_State *L, int fut) {
  lua_pushcfunction(L, describe);
  lua_insert(L, -2);
  lua_pushvalue(L, fut);
  if (lua_pcall(L, 1, 0, -3) != LUA_OK) {
    const char *message = lua_tostring(L, -1);
    lua_warning(L, "tidepool: error in done callback: ", 1);
    lua_warning(L, message ? message : "(error object without a message)", 0);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* Calls the callbacks of the future on top. [-1, +0, m] */
static void call_all(lua_State *L) {
  int fut = lua_gettop(L), list = fut + 1;
  struct tide_lua_future *b = (struct tide_lua_future *)lua_touserdata(L, fut);
  lua_Integer i;
  b->watched = false;
  b->seen = true;
  lua_getiuservalue(L, fut, CALLBACKS);
  lua_pushnil(L);
  lua_setiuservalue(L, fut, CALLBACKS);
  /* a state that closes may have collected the future already */
  for (i = 1; b->f && lua_rawgeti(L, list, i) != LUA_TNIL; i++) call(L, fut);
  lua_settop(L, fut - 1);
}

int tide_lua_pump(lua_State *L) {
  int handled = 0;
  luaL_checkstack(L, 8, NULL);
  /* looked up each time: a callback may have pumped, which lets go of an empty group */
  while (lua_rawgetp(L, LUA_REGISTRYINDEX, &group_key) == LUA_TUSERDATA) {
    if (!tide_lua_grouptake(L, -1)) {
      if (tide_lua_groupclose(L, -1)) {
        lua_pushnil(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &group_key);
      }
      break;
    }
    lua_remove(L, -2);
    call_all(L);
    handled++;
  }
  lua_pop(L, 1);
  return handled;
}

/* Pushes the state's group. [-0, +1, e] */
static void pushgroup(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &group_key) == LUA_TUSERDATA) return;
  lua_pop(L, 1);
  tide_lua_pushgroup(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &group_key);
}

int tide_lua_adddonecallback(lua_State *L) {
  struct tide_lua_future *b = tide_lua_checkfuture(L, 1);
  if (lua_type(L, 2) != LUA_TFUNCTION) tide_lua_typeerror(L, 2, "function");
  lua_settop(L, 2);
  if (tide_lua_done(b) && b->watched) tide_lua_pump(L); /* the earlier ones come first */
  if (tide_lua_done(b) && !b->watched) {
    b->seen = true;
    call(L, 1);
    return 0;
  }
  if (lua_getiuservalue(L, 1, CALLBACKS) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, CALLBACKS);
  }
  lua_pushvalue(L, 2);
  lua_rawseti(L, 3, (lua_Integer)lua_rawlen(L, 3) + 1);
  if (!b->watched) {
    pushgroup(L);
    b->watched = tide_lua_groupadd(L, -1, 1, b);
  }
  return 0;
}
