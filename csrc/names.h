/*
** tidepool, floor 2: names, the objects that are sent by name.
**
** A table, function or userdata that belongs to a module which the other side can
** `require` travels as "module\0field" (or "module\0" for the module itself). The
** index from objects to names is rebuilt when package.loaded has grown.
**
** A module can be required if it is one of Lua's own, if package.preload has a C function
** for it, or if it is found in package.path or package.cpath. Of Lua's own libraries only
** C functions, tables and files count: a Lua function that a script put there goes by value.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_NAMES_H
#define TIDE_NAMES_H

#include <lua.h>

#include "transfer.h"

TIDE_INTERNAL_BEGIN

/* Brings the index up to date. The transfer userdata is at xidx. [-0, +0, e] */
void tide_names_refresh(lua_State *L, int xidx);
/* False if the index as it is has no name for the object at this address; quick. */
bool tide_names_maybe(const struct transfer *x, const void *object);
/* If the object at idx goes by name, pushes "module\0field" and answers true.
** [-0, +(0|1), m] */
bool tide_names_find(lua_State *L, int idx, int xidx);
/* Pushes the object that "module\0field" names; raises if there is none. [-0, +1, e] */
void tide_names_resolve(lua_State *L, const char *name, size_t len);
/* Pushes the function that a script named "module.function"; raises. [-0, +1, e] */
void tide_names_function(lua_State *L, const char *name, size_t len);
/* True if Lua's own libraries define this global. */
bool tide_names_isstandard(const char *name, size_t len);

TIDE_INTERNAL_END

#endif
