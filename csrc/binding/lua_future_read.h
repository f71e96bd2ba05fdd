/*
** binding/lua_future_read: the methods that read the outcome of a future.
**
** lua_future puts them into its class. Each but traceback waits, and pumps before it returns.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_BINDING_LUA_FUTURE_READ_H
#define TI_BINDING_LUA_FUTURE_READ_H

#include "binding/lua_binding.h"

TI_BINDING_BEGIN

/* f:result, f:pcall, f:exception, f:traceback, f:wait [-n, +m, e] */
int ti_lua_future_read_result(lua_State *L);
int ti_lua_future_read_pcall(lua_State *L);
int ti_lua_future_read_exception(lua_State *L);
int ti_lua_future_read_traceback(lua_State *L);
int ti_lua_future_read_wait(lua_State *L);

TI_BINDING_END

#endif
