/*
** tidepool, floor 2: reftype, userdata that are sent by reference.
**
** SPDX-License-Identifier: MIT
*/
#include "reftype.h"

#include <lauxlib.h>

#include "code.h"
#include "lend.h"

const char tide_cfunction_part = 0;

static const char metatable_key = 0;

void tide_reftype_set(lua_State *L, int idx, const struct reftype *type) {
  void *p;
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 1, NULL);
  *(const void **)&p = type; /* light userdata are not const */
  lua_pushlightuserdata(L, p);
  lua_rawsetp(L, idx, &metatable_key);
}

const struct reftype *tide_reftype_get(lua_State *L, int idx) {
  const struct reftype *type;
  if (!lua_getmetatable(L, idx)) return NULL;
  lua_rawgetp(L, -1, &metatable_key);
  type = (const struct reftype *)lua_touserdata(L, -1);
  lua_pop(L, 2);
  return type;
}

const struct reftype *tide_reftype_of(const struct part *part) {
  if (part->type == &tide_code_part || part->type == &tide_cfunction_part ||
      part->type == &tide_loan_part)
    return NULL;
  return (const struct reftype *)part->type;
}
