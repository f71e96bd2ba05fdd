/*
** codec/private_globals: functions with the globals that came with them.
**
** The globals that come with a task become the worker's, and the next task's replace them
** (globals.h). A shared value's functions live longer than one task, so theirs go into a table of
** their own, which falls back on the state's globals; the functions get it for these.
**
** While a message is unpacked, its functions are noted in a list: a table at a stack index.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_PRIVATE_GLOBALS_H
#define TI_CODEC_PRIVATE_GLOBALS_H

#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

/* Notes the function on top, if its upvalue number i is the table of globals. [-0, +0, m] */
void ti_private_globals_note(lua_State *L, int list, int i);
/* The value on top is the global `name` of the functions noted, unless the state's own libraries or
** initializer defined one. The transfer userdata is at xidx. [-1, +0, m] */
void ti_private_globals_put(lua_State *L, int list, int xidx, const char *name, size_t len);
/* Gives the functions their globals, if there are any. [-0, +0, m] */
void ti_private_globals_finish(lua_State *L, int list);

TI_INTERNAL_END

#endif
