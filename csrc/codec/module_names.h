/*
** codec/module_names: the objects that are sent by name.
**
** A table, function or userdata that belongs to a module which the other side can `require`
** travels as a name: the module and the steps from its value to the object (module_index.h has the
** form). The index from objects to names is made anew when package.loaded, package.preload or the
** paths have changed. That is noticed by the identity of all that they hold, which is compared with
** what it was; a name is followed again before it is sent, so one that has become stale is not
** used.
**
** A module can be required if it is one of Lua's own, if package.preload has a C function
** for it, or if it is found in package.path or package.cpath. Of Lua's own libraries only
** C functions, tables and files count: a Lua function that a script put there goes by value.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_MODULE_NAMES_H
#define TI_CODEC_MODULE_NAMES_H

#include <lua.h>

#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

/* Whether the index is out of date. Runs no Lua code. [-0, +0, m] */
bool ti_module_names_stale(lua_State *L, int xidx);
/* Brings the index up to date. May run Lua code (package.searchpath). The transfer userdata is at
** xidx. [-0, +0, e] */
void ti_module_names_refresh(lua_State *L, int xidx);
enum ti_module_name {
  NAMES_NONE,
  NAMES_OWN, /* the name means the same in every state that loads the module */
  NAMES_OPEN /* a table or Lua function that a script may have put where it is */
};
/* If the object at idx has a name that leads to it now, pushes that, behind one byte. [-0, +(0|1),
** m] */
enum ti_module_name ti_module_names_find(lua_State *L, int idx, int xidx);
/* Pushes the object that a name means; raises if there is none. [-0, +1, e] */
void ti_module_names_resolve(lua_State *L, const char *name, size_t len, int xidx);
/* Whether the Lua function at idx is defined in a module's file; `*file`: in any. [-0, +0, m] */
bool ti_module_names_in_file(lua_State *L, int idx, int xidx, bool *file);
/* Pushes the function that a script named "module.function"; raises. [-0, +1, e] */
void ti_module_names_function(lua_State *L, const char *name, size_t len);
TI_INTERNAL_END

#endif
