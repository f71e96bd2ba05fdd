/*
** codec/globals: globals that came with a message.
**
** The receiver keeps what its own libraries and initializer defined. A global that came with an
** earlier message is replaced, and removed once the sender no longer defines it. Each message has a
** serial number in its receiver. In all functions the codec state is at stack index xidx.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_GLOBALS_H
#define TI_CODEC_GLOBALS_H

#include "util/message.h"
#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

/* Makes this state a worker's. The globals that it has now are its own, except those that came with
** a message (the initializer's) and are unchanged. `bare`: it has only those of Lua's own
** libraries, which are never sent. [-0, +0, m] */
void ti_globals_own(lua_State *L, bool bare);

/* Returns whether the state has a global with this name that no message replaces. [-0, +0, m] */
bool ti_globals_keeps(lua_State *L, int xidx, const char *name, size_t len);

/* Installs the value on top as the global `name` of the message with this serial number, unless the
** state keeps its own. [-1, +0, m] */
void ti_globals_install(lua_State *L, int xidx, lua_Integer serial, const char *name, size_t len);

/* Removes globals that earlier messages installed and m did not bring, if the code in m names them.
** `loose`: also those that it only maybe names. Does nothing in a state that is no worker's.
** [-0, +0, m] */
void ti_globals_sweep(lua_State *L, int xidx, lua_Integer serial, const struct ti_message *m,
                      bool loose);

TI_INTERNAL_END

#endif
