/*
** codec/reftype: userdata that are sent by reference.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/reftype.h"

#include <lauxlib.h>

#include "codec/code.h"
#include "codec/borrowed.h"

const char ti_reftype_cfunction_part = 0;

static const char metatable_key = 0;

void ti_reftype_set(lua_State *L, int idx, const tide_reftype *type) {
  void *p;
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 1, NULL);
  *(const void **)&p = type; /* light userdata are not const */
  lua_pushlightuserdata(L, p);
  lua_rawsetp(L, idx, &metatable_key);
}

const tide_reftype *ti_reftype_get(lua_State *L, int idx) {
  const tide_reftype *type;
  if (!lua_getmetatable(L, idx)) return NULL;
  lua_rawgetp(L, -1, &metatable_key);
  type = (const tide_reftype *)lua_touserdata(L, -1);
  lua_pop(L, 2);
  return type;
}

const tide_reftype *ti_reftype_of(const struct ti_message_part *part) {
  if (part->type == &ti_code_part || part->type == &ti_reftype_cfunction_part ||
      part->type == &ti_borrowed_part)
    return NULL;
  return (const tide_reftype *)part->type;
}
