/*
** codec/unpack: a message to Lua values.
**
** The mirror of pack: both follow wire.h. The bytes are treated as hostile: every length is checked
** against what remains, every part against what it is used as.
**
** A well-formed message may still do harm. Lua cannot verify bytecode, so forged code could corrupt
** the process. That is why code is a part, which bytes cannot forge. But bytes alone can name any
** function of any module with arguments for it (REBUILD), or set a global that the state's own code
** then calls. So bytes that anyone outside of this process may have written are for UNPACK_DATA
** only, whatever checked them before.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_UNPACK_H
#define TI_CODEC_UNPACK_H

#include <lua.h>

#include "util/message.h"

TI_INTERNAL_BEGIN

enum ti_unpack_allowed {
  UNPACK_DATA, /* refuses with kind transfer what runs or is trusted by what runs: functions, module
               ** names and paths, REBUILD, globals, light userdata */
  UNPACK_ALL   /* this process packed the message */
};

/* Pushes the values that ti_pack_values appended at `offset`, and returns their number. Installs
** the globals that came along (globals.h). Raises an error object of kind transfer if the message
** is damaged or holds what is not allowed. Also raises what `require` or a function that rebuilds a
** value raised. Several threads may read one message at once. [-0, +n, e] */
int ti_unpack_values(lua_State *L, const struct ti_message *m, size_t offset,
                     enum ti_unpack_allowed allowed);

/* Does the same for one value at offset 0 with UNPACK_ALL. Its functions get private globals
** (private_globals.h). [-0, +1, e] */
void ti_unpack_private(lua_State *L, const struct ti_message *m);

TI_INTERNAL_END

#endif
