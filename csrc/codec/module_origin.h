/*
** codec/module_origin: where a worker would find a module.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_MODULE_ORIGIN_H
#define TI_CODEC_MODULE_ORIGIN_H

#include <lua.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

/* In the order in which canonical names are chosen. */
enum ti_module_origin {
  ORIGIN_OWN,   /* one of Lua's own libraries */
  ORIGIN_LUA,   /* a Lua file in package.path */
  ORIGIN_OTHER, /* a C function in package.preload, or a C library in package.cpath */
  ORIGIN_NONE   /* a worker does not find it */
};

/* Returns where a worker would find the module `name`, which is none of Lua's own. Pushes for
** ORIGIN_LUA its file as a source ("@file"), as functions of the file have it; else nil. Remembers
** the result in the table at index `origins`: "@file", true for ORIGIN_OTHER, false for
** ORIGIN_NONE. Calls package.searchpath, which may be the script's. [-0, +1, e] */
enum ti_module_origin ti_module_origin_find(lua_State *L, int origins, const char *name);

TI_INTERNAL_END

#endif
