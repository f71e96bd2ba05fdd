/*
** tidepool, floor 2: unpack, a message to Lua values.
**
** The mirror of pack: both follow wire.h. The bytes are treated as hostile: every length
** is checked against what remains, every part against what it is used as. Code and C
** functions are parts, so bytes alone can never make the state run anything.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_UNPACK_H
#define TIDE_UNPACK_H

#include <lua.h>

#include "message.h"

TIDE_INTERNAL_BEGIN

/* Pushes the values that tide_pack appended at `offset`, and answers their number. Installs the
** globals that came along (globals.h). Raises an error object of kind transfer if the message
** is damaged, else what `require` or a function that rebuilds a value raised. The message
** may be read by several threads at once. [-0, +n, e] */
int tide_unpack(lua_State *L, const struct message *m, size_t offset);
/* As tide_unpack, of one value at offset 0; its globals do not become the state's (enclose.h). */
void tide_unpack_enclosed(lua_State *L, const struct message *m);

TIDE_INTERNAL_END

#endif
