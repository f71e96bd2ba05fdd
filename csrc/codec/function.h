/*
** codec/function: Lua functions to code and back.
**
** A function's code is found by the closure itself (weak table), else by the content
** of its dump: a closure made anew in a loop has code that is known. The other side
** loads a piece of code once and then makes fresh closures of it, each with fresh
** upvalues.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_FUNCTION_H
#define TI_CODEC_FUNCTION_H

#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

/* The code of the Lua function at idx if it is known already, else NULL; borrowed. [-0, +0, -] */
struct ti_code *ti_function_known(lua_State *L, int idx, int xidx);
/* Returns the code of a Lua function that is not known by itself: by its prototype, or by its
** content. The second function of a prototype that is found by content yields NULL, so that
** ti_function_code remembers it. Where prototypes are unknown, that holds for the same function's
** second time. Whether the function goes by name is not checked; so code of a file is found by
** prototype only. `plain`: the caller uses the code only if no upvalue but its `env` is an
** environment. Needs 4 stack slots. [-0, +0, -] */
struct ti_code *ti_function_find(lua_State *L, int idx, int xidx, bool plain);
/* Whether another upvalue than c says is the environment of the function with that code now:
** debug.setupvalue and upvaluejoin can do that. Then its code is to be made anew. [-0, +0, -] */
bool ti_function_moved(lua_State *L, int idx, const struct ti_code *c);
/* The code of the Lua function at idx, which is remembered for it; borrowed, kept by the transfer
** userdata at xidx. [-0, +0, e] */
struct ti_code *ti_function_code(lua_State *L, int idx, int xidx);
/* Whether the upvalue with this name and the value on top is an environment: the globals, or an
** _ENV that inherits (its metatable has __index: test frameworks and sandboxes make such). Its
** names are looked up at the submit, and on the other side it is that state's globals. [-0, +0,
** -] */
bool ti_function_is_env(lua_State *L, const char *name);
/* Pushes a new closure of c, all its upvalues fresh. [-0, +1, e] */
void ti_function_push(lua_State *L, struct ti_code *c, int xidx);

TI_INTERNAL_END

#endif
