/*
** codec/reftype: userdata that are sent by reference.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_REFTYPE_H
#define TI_CODEC_REFTYPE_H

#include <lua.h>

#include "util/message.h"

TI_INTERNAL_BEGIN

/* As tide_reftype in tidepool.h, which says what the functions do. */
struct ti_reftype {
  const char *name;
  void *(*hold)(lua_State *L, int idx);
  void (*push)(lua_State *L, void *object);
  void (*rele)(void *object);
  void *(*quick)(lua_State *L, int idx);
};

/* Marks the metatable at idx. [-0, +0, m] */
void ti_reftype_set(lua_State *L, int idx, const struct ti_reftype *type);
/* The type of the userdata at idx, or NULL. [-0, +0, -] */
const struct ti_reftype *ti_reftype_get(lua_State *L, int idx);

/* Part type of a C function in a message. */
extern const char ti_reftype_cfunction_part;
/* The type of a part, or NULL if it is no object sent by reference. */
const struct ti_reftype *ti_reftype_of(const struct ti_message_part *part);

TI_INTERNAL_END

#endif
