/*
** tidepool, floor 2: reftype, userdata that are sent by reference.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_REFTYPE_H
#define TIDE_REFTYPE_H

#include <lua.h>

#include "message.h"

TIDE_INTERNAL_BEGIN

/* As tide_reftype in tidepool.h, which says what the functions do. */
struct reftype {
  const char *name;
  void *(*hold)(lua_State *L, int idx);
  void (*push)(lua_State *L, void *object);
  void (*rele)(void *object);
  void *(*quick)(lua_State *L, int idx);
};

/* Marks the metatable at idx. [-0, +0, m] */
void tide_reftype_set(lua_State *L, int idx, const struct reftype *type);
/* The type of the userdata at idx, or NULL. [-0, +0, -] */
const struct reftype *tide_reftype_get(lua_State *L, int idx);

/* Part type of a C function in a message. */
extern const char tide_cfunction_part;
/* The type of a part, or NULL if it is no object sent by reference. */
const struct reftype *tide_reftype_of(const struct part *part);

TIDE_INTERNAL_END

#endif
