/*
** tidepool, floor 2: reftype, userdata that are sent by reference.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_REFTYPE_H
#define TIDE_REFTYPE_H

#include <lua.h>

#include "internal.h"

TIDE_INTERNAL_BEGIN

/* As tide_reftype in tidepool.h, which says what the functions do. */
struct reftype {
  const char *name;
  void *(*hold)(lua_State *L, int idx);
  void (*push)(lua_State *L, void *object);
  void (*rele)(void *object);
};

/* Marks the metatable at idx. [-0, +0, m] */
void tide_reftype_set(lua_State *L, int idx, const struct reftype *type);
/* The type of the userdata at idx, or NULL. [-0, +0, -] */
const struct reftype *tide_reftype_get(lua_State *L, int idx);

/* Part type of a C function in a message. */
extern const char tide_cfunction_part;

TIDE_INTERNAL_END

#endif
