/*
** luautil/library_copy: which copy of the library a state uses.
**
** If a program contains the library and its script loads the module from a file, there are two
** copies. Each has object types of its own. A state takes the copy that first makes something in
** it. From then on `require` gives that copy, and the other one is refused with a message.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_LUAUTIL_LIBRARY_COPY_H
#define TI_LUAUTIL_LIBRARY_COPY_H

#include <lua.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

struct ti_library_copy {
  const char *version;
  lua_CFunction core; /* opens the module tidepool.core */
};

/* Makes this copy the one of L. `from`: the file that it was loaded from; NULL: not known. Raises
** if L uses another one. [-0, +0, e] */
void ti_library_copy_claim(lua_State *L, const struct ti_library_copy *copy, const char *from);

/* The message for an object of another copy. */
#define TI_SECOND_COPY \
  "it belongs to a second copy of tidepool in this process, see docs/embedding.md"

TI_INTERNAL_END

#endif
