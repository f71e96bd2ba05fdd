/*
** binding/lua_future_handle: the userdata that scripts have for futures.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_future_handle.h"

struct ti_lua_future *ti_lua_future_handle_check(lua_State *L, int arg) {
  struct ti_lua_future *b =
      (struct ti_lua_future *)ti_lua_support_check_udata(L, arg, TI_LUA_FUTURE);
  if (!b->f) ti_lua_support_arg_error(L, arg, "the future is collected already");
  return b;
}

struct ti_lua_future *ti_lua_future_handle_self(lua_State *L) {
  struct ti_lua_future *b = (struct ti_lua_future *)ti_lua_support_self(L);
  return b && b->f ? b : ti_lua_future_handle_check(L, 1);
}

bool ti_lua_future_handle_done(const struct ti_lua_future *b) {
  return tide_future_status(b->f) >= TIDE_FINISHED;
}
