/*
** codec/module_index: which objects the loaded modules hold, and their names.
**
** Terms
**   canonical name  the one of a module's names that messages use: one with a file in Lua before
**                   one of a C library; one whose file made a function directly in the module
**   before others; then the shortest, then the first in byte order
**   alias           another name in package.loaded of the same value
**   own             an object with evidence that the module's own file made it
**
** The index is made by a breadth-first walk from all modules that a worker can require. A walk
** follows fields with string keys, metatables of tables, and upvalues of the functions that the
** module's own files define. It calls no metamethod; only package.searchpath is called.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_MODULE_INDEX_H
#define TI_CODEC_MODULE_INDEX_H

#include <lua.h>

#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

/* What the first byte of a name in NAMES says; the name follows. */
enum {
  INDEX_FIXED = '!', /* a function of Lua's own libraries, which each state has: always valid */
  INDEX_OWN = '+',   /* the object is the module's own */
  INDEX_OPEN = '?'   /* a table or function that the module holds; nothing tells who made it */
};

/* A name is "canonical{\1Kalias}*\0{step}*". K is one of ALIAS_…. A step is STEP_…, then
** for a field `varint length, bytes`; for an upvalue `varint number, varint length, bytes`. */
enum { ALIAS_LOAD = 'l', ALIAS_SET = 's' };
enum { NAME_FIELD = '.', NAME_UPVALUE = '^', NAME_METATABLE = 'm' };

/* Fills NAMES, FILES and the filter anew from package.loaded. Raises what package.searchpath
** raises; the old index then stays. The transfer userdata is at xidx. [-0, +0, e] */
void ti_module_index_build(lua_State *L, int xidx);

/* Returns false if the index as it is has no name for the object at this address. Takes a few
** instructions. */
bool ti_module_index_maybe(const struct ti_codec_state *x, const void *object);
/* From now on ti_module_index_maybe is true for the object. The index has been made. */
void ti_module_index_mark(struct ti_codec_state *x, const void *object);

TI_INTERNAL_END

#endif
