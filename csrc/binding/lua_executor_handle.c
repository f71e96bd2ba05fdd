/*
** binding/lua_executor_handle: the userdata that scripts have for executors.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_executor_handle.h"

tide_executor *ti_lua_executor_handle_check(lua_State *L, int arg) {
  struct ti_lua_executor *b =
      (struct ti_lua_executor *)ti_lua_support_check_udata(L, arg, TI_LUA_EXECUTOR);
  if (!b->ex) ti_lua_support_arg_error(L, arg, "the executor is collected already");
  return b->ex;
}
