/*
** codec/pack_fast: the fast path of the writer.
**
** Most calls and results qualify for it. A value does if it is nil, a boolean, a number, a light
** userdata, a short string, or one of a few userdata that can be sent by reference without raising
** (`quick` in tide_reftype). A call does if its arguments do, and its function is a Lua function
** whose code was sent before. That must name no global of the script, and its upvalues must qualify
** or be the globals, each in a cell of its own.
**
** In such a message nothing occurs twice that must stay one object. So it needs no memo, no index
** of names and no protected call. The reader cannot tell the difference.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_PACK_FAST_H
#define TI_CODEC_PACK_FAST_H

#include <lua.h>

#include "util/message.h"

TI_INTERNAL_BEGIN

/* Appends n values to m; `call`: the first is the function of a call. Above them, on top, is the
** codec state, or nil if the state has none yet. Returns false if they do not qualify; nothing has
** changed then, except perhaps m->bytes.failed (and m's parts with it). Calls no function of Lua
** that can raise. [-(n + 1|0), +0, -] */
bool ti_pack_fast_values(lua_State *L, struct ti_message *m, int n, bool call);

TI_INTERNAL_END

#endif
