/*
** codec/reftype: userdata that are sent by reference.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_REFTYPE_H
#define TI_CODEC_REFTYPE_H

#include <lua.h>

#include "include/tidepool.h"
#include "util/message.h"

TI_INTERNAL_BEGIN

/* Marks the metatable at idx: its userdata are sent by reference, as `type` says. [-0, +0, m] */
void ti_reftype_set(lua_State *L, int idx, const tide_reftype *type);

/* Returns the type of the userdata at idx, or NULL. [-0, +0, -] */
const tide_reftype *ti_reftype_get(lua_State *L, int idx);

/* The part type of a C function. */
extern const char ti_reftype_cfunction_part;

/* Returns the type of a part, or NULL if it is no object sent by reference. */
const tide_reftype *ti_reftype_of(const struct ti_message_part *part);

TI_INTERNAL_END

#endif
