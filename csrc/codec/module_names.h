/*
** codec/module_names: the objects that are sent by name.
**
** A table, function or userdata that belongs to a module which the other side can `require` is sent
** as a name: the module and the steps from its value to the object (module_form.h). An index finds
** an object's name (module_index.h). The name is followed again before it is sent, so that a stale
** one is never used.
**
** A module can be required if it is one of Lua's own, if package.preload has a C function for it,
** or if it is found in package.path or package.cpath. Of Lua's own libraries C functions, tables
** and files have names. A Lua function that a script put there is sent by value.
**
** In all functions the codec state is at stack index xidx.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_MODULE_NAMES_H
#define TI_CODEC_MODULE_NAMES_H

#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

enum ti_module_name {
  NAMES_NONE,
  NAMES_OWN, /* the name means the same in every state that loads the module */
  NAMES_OPEN /* a table or Lua function that a script may have put where it is */
};

/* Pushes the name of the object at idx, behind one byte, if it has one that leads to it now; with
** NAMES_NONE nothing. [-0, +(0|1), m] */
enum ti_module_name ti_module_names_find(lua_State *L, int idx, int xidx);

/* Pushes the object that a name means. Raises an error of kind transfer if there is none.
** [-0, +1, e] */
void ti_module_names_resolve(lua_State *L, const char *name, size_t len, int xidx);

/* Returns whether the Lua function at idx is defined in a module's file. Sets *file if it is
** defined in any file. [-0, +0, m] */
bool ti_module_names_in_file(lua_State *L, int idx, int xidx, bool *file);

/* Pushes the function that a script named "module.function". Raises an error of kind transfer if
** there is none. [-0, +1, e] */
void ti_module_names_function(lua_State *L, const char *name, size_t len);

TI_INTERNAL_END

#endif
