/*
** luautil/stdlibs: Lua's own libraries and what is in them.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_LUAUTIL_STDLIBS_H
#define TI_LUAUTIL_STDLIBS_H

#include <stdbool.h>
#include <stddef.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

/* Returns the fields of the library `module` that may be sent by name, as " word word "; NULL if
** Lua has no such library. */
const char *ti_stdlibs_fields(const char *module, size_t len);
/* Returns the name of library i; NULL: there are no more. */
const char *ti_stdlibs_name(size_t i);
/* Returns whether the libraries define this global. */
bool ti_stdlibs_is_global(const char *name, size_t len);

TI_INTERNAL_END

#endif
