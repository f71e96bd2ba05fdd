/*
** codec/function: Lua functions to code.
**
** A function's code is found by the closure (CODEC_CODES), else by its prototype, else by the
** content of its dump. So a closure that is made anew in a loop has code that is known. Code is
** returned without a reference: the codec state, at stack index xidx, keeps it.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_FUNCTION_H
#define TI_CODEC_FUNCTION_H

#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

/* Returns the code of the Lua function at idx if the closure is known, else NULL. [-0, +0, -] */
struct ti_code *ti_function_known(lua_State *L, int idx, int xidx);

/* Returns the code of a Lua function that is not known by itself: by its prototype, or by its
** content. The second function of a prototype that is found by content yields NULL, so that
** ti_function_code remembers it. Where prototypes are unknown, that holds for the same function's
** second time. Whether the function is sent by name is not checked; so code of a file is found by
** prototype only. `single_env`: the caller uses the code only if no upvalue but its `env` is an
** environment. Needs 4 stack slots. [-0, +0, -] */
struct ti_code *ti_function_find(lua_State *L, int idx, int xidx, bool single_env);

/* Returns whether another upvalue than c says is now the environment of the function with that
** code: debug.setupvalue and upvaluejoin can do that. Its code must then be made anew.
** [-0, +0, -] */
bool ti_function_moved(lua_State *L, int idx, const struct ti_code *c);

/* Returns the code of the Lua function at idx, made if necessary, and remembers it for the function
** and its prototype. [-0, +0, e] */
struct ti_code *ti_function_code(lua_State *L, int idx, int xidx);

/* Returns whether the upvalue with this name and the value on top is an environment: the table of
** globals, or an _ENV whose metatable has __index, as test frameworks and sandboxes make it. Names
** are looked up in it at the submit. In the receiver it is the table of globals. [-0, +0, -] */
bool ti_function_is_env(lua_State *L, const char *name);

TI_INTERNAL_END

#endif
