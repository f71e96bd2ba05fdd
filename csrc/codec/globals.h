/*
** codec/globals: those that come along with a function.
**
** The receiver keeps what its own libraries and initializer defined. A global that came with
** an earlier message is replaced, and removed once the sender no longer defines it.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_GLOBALS_H
#define TI_CODEC_GLOBALS_H

#include "util/message.h"
#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

/* Makes this state a worker's: the globals it has now are its own, but for those that came with
** a message (the initializer's) and are unchanged. `bare`: it has those of Lua's own libraries
** only, which do not come along anyway. [-0, +0, m] */
void ti_globals_own(lua_State *L, bool bare);
/* Whether the state has a global with this name that no message replaces. [-0, +0, m] */
bool ti_globals_keeps(lua_State *L, int xidx, const char *name, size_t len);
/* Installs the value on top as global `name`, for the message with this serial. [-1, +0, m] */
void ti_globals_install(lua_State *L, int xidx, lua_Integer serial, const char *name, size_t len);
/* Removes what other messages installed, the code in m names, and m did not bring. `loose`: what it
** maybe names, too. [-0, +0, m] */
void ti_globals_sweep(lua_State *L, int xidx, lua_Integer serial, const struct ti_message *m,
                      bool loose);

TI_INTERNAL_END

#endif
