/*
** codec/module_values: values that a module holds and a script may have put there.
**
** A small table of data, or a closure that holds no more, goes both ways: as a name and as a copy.
** The receiving state takes what the name means there if that is alike, else the copy. So whoever
** made the table, the content is right, and what is a module's own stays the same.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_MODULE_VALUES_H
#define TI_CODEC_MODULE_VALUES_H

#include <lua.h>
#include <stdbool.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

enum ti_module_value {
  MODULE_VALUE_DATA,   /* small, and all of it can be compared */
  MODULE_VALUE_SCRIPT, /* it holds a function of the script's */
  MODULE_VALUE_OTHER   /* large, or it holds what can neither be copied nor compared */
};

/* What the table or Lua function at idx is. The transfer userdata is at xidx. [-0, +0, m] */
enum ti_module_value ti_module_values_judge(lua_State *L, int idx, int xidx);
/* Replaces the table or function on top by what the name means here if that is alike; answers if it
** did. [-1, +1, e] */
bool ti_module_values_prefer(lua_State *L, const char *name, size_t len, int xidx);

TI_INTERNAL_END

#endif
