/*
** codec/pack_fast: calls and results as most are, written the short way.
**
** A plain value is nil, a boolean, a number, a light userdata, a short string, or one of a few
** userdata that can be sent by reference without raising (`quick` in reftype.h). A call is plain if
** its arguments are, and its function is a Lua function whose code was sent before, that names no
** global of the script, and whose upvalues are plain (or the globals), each in a cell of its own.
** In such a message nothing occurs twice that must stay one; so it needs no memo, no index of names
** and no protected call. The reader cannot tell the difference.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_PACK_FAST_H
#define TI_CODEC_PACK_FAST_H

#include <lua.h>

#include "util/message.h"

TI_INTERNAL_BEGIN

/* Appends n values, a call's if `call`, to m. Above them, on top, is the state's transfer userdata,
** or nil if it has none yet. All are popped. False, and nothing has changed but perhaps
** m->bytes.failed (and then m's parts), if they are not plain. Calls nothing in Lua that can raise.
** [-(n + 1|0), +0, -] */
bool ti_pack_fast_values(lua_State *L, struct ti_message *m, int n, bool call);

TI_INTERNAL_END

#endif
