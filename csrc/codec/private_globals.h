/*
** codec/private_globals: globals of the functions of a shared value.
**
** The globals that come with a task become the worker's, and those of the next task replace them
** (globals.h). The functions of a shared value live longer than one task. So the globals that came
** with them are private: a table of their own, which falls back on the state's globals and takes
** their place as an upvalue of these functions.
**
** While a message is read, its functions are noted in a list: a table at stack index `list`.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_PRIVATE_GLOBALS_H
#define TI_CODEC_PRIVATE_GLOBALS_H

#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

/* Notes the function on top if its upvalue number i is the table of globals. [-0, +0, m] */
void ti_private_globals_note(lua_State *L, int list, int i);

/* Makes the value on top the private global `name`, unless the state's own libraries or initializer
** defined one. The codec state is at xidx. [-1, +0, m] */
void ti_private_globals_put(lua_State *L, int list, int xidx, const char *name, size_t len);

/* Gives the functions noted their private globals, if there are any. [-0, +0, m] */
void ti_private_globals_finish(lua_State *L, int list);

TI_INTERNAL_END

#endif
