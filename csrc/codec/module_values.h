/*
** codec/module_values: values that a module holds and a script may have put there.
**
** Nothing tells which of them made an open object (module_form.h). So a small table of data, or a
** closure that holds no more, is sent as name and copy. The receiving state takes what the name
** means there if that has the same content, else the copy. In both cases the content is right, and
** what is the module's own stays one object.
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
  MODULE_VALUE_SCRIPT, /* it holds a function of the script */
  MODULE_VALUE_OTHER   /* large, or it holds what can neither be copied nor compared */
};

/* Classifies the table or Lua function at idx. The codec state is at xidx. [-0, +0, m] */
enum ti_module_value ti_module_values_classify(lua_State *L, int idx, int xidx);

/* Replaces the table or function on top by what the name means here if that has the same content.
** Returns whether it did. A name that means nothing here is ignored. [-1, +1, e] */
bool ti_module_values_prefer(lua_State *L, const char *name, size_t len, int xidx);

TI_INTERNAL_END

#endif
