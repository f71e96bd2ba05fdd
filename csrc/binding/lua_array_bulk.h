/*
** binding/lua_array_bulk: many elements of an array at once.
**
** The methods that lua_array puts into its class.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_BINDING_LUA_ARRAY_BULK_H
#define TI_BINDING_LUA_ARRAY_BULK_H

#include "binding/lua_binding.h"

TI_BINDING_BEGIN

/* a:slice, a:fill, a:copy, a:tostring, a:totable [-n, +1, e] */
int ti_lua_array_bulk_slice(lua_State *L);
int ti_lua_array_bulk_fill(lua_State *L);
int ti_lua_array_bulk_copy(lua_State *L);
int ti_lua_array_bulk_to_string(lua_State *L);
int ti_lua_array_bulk_to_table(lua_State *L);

TI_BINDING_END

#endif
