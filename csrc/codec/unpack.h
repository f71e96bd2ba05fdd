/*
** codec/unpack: a message to Lua values.
**
** The mirror of pack: both follow wire.h. The bytes are treated as hostile: every length
** is checked against what remains, every part against what it is used as.
**
** But what is read right may still be meant ill. Lua cannot verify bytecode: code that no
** compiler wrote does to the process whatever it likes. That is why code is a part, which bytes
** cannot forge. And bytes alone can name any function of any module, with arguments for it
** (REBUILD), or set a global that the state's own code then calls. So bytes that anyone outside
** of this process may have written are for UNPACK_DATA only, whatever checked them before.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_UNPACK_H
#define TI_CODEC_UNPACK_H

#include <lua.h>

#include "util/message.h"

TI_INTERNAL_BEGIN

enum ti_unpack_allowed {
  UNPACK_DATA, /* nothing that runs, or that is trusted by what runs: functions and what names or
               ** calls them, globals, light userdata are refused with kind transfer */
  UNPACK_ALL   /* this process packed the message */
};

/* Pushes the values that ti_pack_values appended at `offset`, and answers their number. Installs
** the globals that came along (globals.h). Raises an error object of kind transfer if the message
** is damaged or holds what is not allowed, else what `require` or a function that rebuilds a value
** raised. The message may be read by several threads at once. [-0, +n, e] */
int ti_unpack_values(lua_State *L, const struct ti_message *m, size_t offset,
                     enum ti_unpack_allowed allowed);
/* As ti_unpack_values with UNPACK_ALL, of one value at offset 0; its globals do not become the
** state's (private_globals.h). */
void ti_unpack_enclosed(lua_State *L, const struct ti_message *m);

TI_INTERNAL_END

#endif
