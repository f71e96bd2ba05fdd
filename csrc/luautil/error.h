/*
** luautil/error: the library's error objects.
**
** They are made here alone: {kind = "timeout", message = "…", where = "file:line: "} with a
** metatable that each state makes once and that keeps its identity when it is sent. `where` is the
** line of the script that called, if known; tostring puts it first. A state may have strings in
** place of these objects, for hosts that print with lua_tostring.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_LUAUTIL_ERROR_H
#define TI_LUAUTIL_ERROR_H

#include <lua.h>
#include <stdbool.h>

#include "util/errcode.h"

TI_INTERNAL_BEGIN

/* Pushes an error object. [-0, +1, m] */
void ti_error_push(lua_State *L, int code, const char *message);
/* Makes an error object of the kind and the message on top. [-1, +1, m] */
void ti_error_wrap(lua_State *L, int code);
/* Raises an error object with a formatted message (as lua_pushfstring). [-0, +0, e] */
int ti_error_raise(lua_State *L, int code, const char *fmt, ...);
/* Pushes the place of the script, `file:line: `, or "" if no line of Lua is known. [-0, +1, m] */
void ti_error_where(lua_State *L);
/* Raises a string, as luaL_error does, with the place of ti_error_where. [-0, +0, e] */
int ti_error_plain(lua_State *L, const char *fmt, ...);
/* Returns the error code of the object at idx, or of a string that stands for one; TIDE_OK if it is
** neither. [-0, +0, m] */
int ti_error_kind(lua_State *L, int idx);
/* Pushes its message, without the place. [-0, +1, m] */
void ti_error_message(lua_State *L, int idx);

/* Returns whether errors made by or arriving in L are strings: "file:line: message (tidepool:
** kind)". [-0, +0, -] */
bool ti_error_strings(lua_State *L);
/* Sets that. Returns what was set before. [-0, +0, m] */
bool ti_error_set_strings(lua_State *L, bool on);
/* Makes the error object on top, with or without its metatable, such a string. [-1, +1, m] */
void ti_error_to_text(lua_State *L);
/* Pushes the metatable of error objects. [-0, +1, m] */
void ti_error_metatable(lua_State *L);

TI_INTERNAL_END

#endif
