/*
** codec/function_load: code to Lua functions.
**
** A piece of code is loaded once, as a factory: a function that returns a new closure of the code's
** function at each call. The codec state, at stack index xidx, keeps code and factory.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_FUNCTION_LOAD_H
#define TI_CODEC_FUNCTION_LOAD_H

#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

/* Pushes a new closure of c, whose upvalues are all fresh. [-0, +1, e] */
void ti_function_load_push(lua_State *L, struct ti_code *c, int xidx);

TI_INTERNAL_END

#endif
