/*
** codec/module_require: the module of a name, in the state that receives it.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_MODULE_REQUIRE_H
#define TI_CODEC_MODULE_REQUIRE_H

#include "codec/codec_state.h"
#include "codec/module_form.h"

TI_INTERNAL_BEGIN

/* Pushes what require(name) returns. [-0, +1, e] */
void ti_module_require_push(lua_State *L, const char *name, size_t len);

/* Pushes the module of a name. A worker also gets the module under its aliases: those that have
** files of their own are required first, and what they raise or return is ignored. What an alias
** was before is noted in CODEC_ALIASED, and restored when the name is used as a canonical one. The
** codec state is at xidx. [-0, +1, e] */
void ti_module_require_form(lua_State *L, const struct ti_module_form *f, int xidx);

TI_INTERNAL_END

#endif
