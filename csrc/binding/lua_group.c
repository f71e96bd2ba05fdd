/*
** binding/lua_group: groups for the Lua half: futures in the order in which they finish.
**
** Used by tidepool.wait and tidepool.map. Scripts do not see groups.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_future_handle.h"
#include "binding/lua_group_handle.h"

static struct ti_lua_group *check(lua_State *L, int arg) {
  return (struct ti_lua_group *)ti_lua_support_check_udata(L, arg, TI_LUA_GROUP);
}

/* group:add(future) -> false if it is in the group already */
static int group_add(lua_State *L) {
  struct ti_lua_future *f;
  check(L, 1);
  f = ti_lua_future_handle_check(L, 2);
  lua_pushboolean(L, ti_lua_group_handle_add(L, 1, 2, f->f));
  return 1;
}

/* group:wait(need, stop_on_failure, timeout) -> true, or false if the timeout passed first */
static int group_wait(lua_State *L) {
  struct ti_lua_group *b = check(L, 1);
  lua_Integer need = luaL_checkinteger(L, 2);
  double timeout = ti_lua_support_opt_timeout(L, 4);
  size_t size, n;
  int status;
  if (!b->g) ti_lua_support_arg_error(L, 1, "the group is closed");
  size = tide_group_size(b->g);
  n = need < 0 ? 0 : (size_t)need > size ? size : (size_t)need;
  status = tide_group_wait(b->g, L, n, lua_toboolean(L, 3), timeout);
  ti_lua_callback_pump(L);
  if (status != TIDE_OK && status != TIDE_ETIMEOUT) ti_lua_support_raise(L, status, NULL);
  lua_pushboolean(L, status == TIDE_OK);
  return 1;
}

/* group:next() -> the next finished future, or nil if none is finished now */
static int group_next(lua_State *L) {
  check(L, 1);
  if (!ti_lua_group_handle_take(L, 1)) lua_pushnil(L);
  return 1;
}

/* group:size() -> how many were added and not taken */
static int group_size(lua_State *L) {
  struct ti_lua_group *b = check(L, 1);
  lua_pushinteger(L, b->g ? (lua_Integer)tide_group_size(b->g) : 0);
  return 1;
}

/* group:close() removes all futures. Also the finalizer. */
static int group_close(lua_State *L) {
  check(L, 1);
  ti_lua_group_handle_close(L, 1);
  return 0;
}

static const luaL_Reg methods[] = {{"add", group_add},     {"wait", group_wait},
                                   {"next", group_next},   {"size", group_size},
                                   {"close", group_close}, {NULL, NULL}};

static const luaL_Reg metamethods[] = {
    {"__gc", group_close}, {"__close", group_close}, {NULL, NULL}};

static const struct ti_lua_class group_class = {TI_LUA_GROUP, metamethods, methods,
                                                NULL,         NULL,        NULL};

int ti_lua_group_new(lua_State *L) {
  ti_lua_group_handle_push(L, &group_class);
  return 1;
}
