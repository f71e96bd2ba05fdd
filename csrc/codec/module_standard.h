/*
** codec/module_standard: names for Lua's own libraries and what is in them.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_MODULE_STANDARD_H
#define TI_CODEC_MODULE_STANDARD_H

#include "codec/module_builder.h"

TI_INTERNAL_BEGIN

/* Returns whether the value on top may be Lua's own library with these fields (stdlibs.h): most of
** them are there, and some are C functions. [-0, +0, m] */
bool ti_module_standard_is(lua_State *L, const char *fields);

/* Names Lua's own library `lib`, the value at index `value` of module m, and its fields. What has a
** name keeps it. [-0, +0, m] */
void ti_module_standard_name(struct ti_module_builder *b, int value, int m, const char *lib,
                             const char *fields);

/* Names the libraries that are globals while package.loaded has something else under their names. m
** is any of Lua's own modules. [-0, +0, m] */
void ti_module_standard_globals(struct ti_module_builder *b, int m);

TI_INTERNAL_END

#endif
