/*
** tidepool, floor 2: error, the library's error objects.
**
** The one place where they are made: {kind = "timeout", message = "…", where = "file:line: "}
** with a metatable that every state makes once and that keeps its identity when it is sent.
** `where` is the script's line that called, if there is one; tostring puts it first.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_ERROR_H
#define TIDE_ERROR_H

#include <lua.h>

#include "fault.h"

TIDE_INTERNAL_BEGIN

/* Pushes an error object. [-0, +1, m] */
void tide_error_push(lua_State *L, int fault, const char *message);
/* Pushes the object made of the kind and the message on top. [-1, +1, m] */
void tide_error_wrap(lua_State *L, int fault);
/* Raises an error object with a formatted message (as lua_pushfstring). [-0, +0, e] */
int tide_error_raise(lua_State *L, int fault, const char *fmt, ...);
/* Pushes where the script is, as `file:line: `, or "" if no line of Lua is known. [-0, +1, m] */
void tide_error_where(lua_State *L);
/* Raises a string, as luaL_error does, with the place of tide_error_where. [-0, +0, e] */
int tide_error_plain(lua_State *L, const char *fmt, ...);
/* The fault of the error object at idx, FAULT_NONE if it is none. [-0, +0, m] */
int tide_error_kind(lua_State *L, int idx);
/* Pushes the metatable. [-0, +1, m] */
void tide_error_metatable(lua_State *L);

TIDE_INTERNAL_END

#endif
