/*
** codec/pack_rebuild: objects that say how they are rebuilt, into a message.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>

#include "codec/pack_impl.h"
#include "codec/scalar.h"
#include "luautil/c_stack.h"

/* Puts the function at idx, which rebuilds the object at `up`. */
static void pack_rebuilder(struct ti_packer *P, int idx, const struct ti_value_path *up) {
  struct ti_value_path at = {up, STEP_NAMED, 0, 0, "__transfer function"};
  const struct ti_pack_opened *boundary = P->boundary;
  const struct ti_value_path *rebuilt = P->rebuilt;
  P->boundary = P->opened;
  P->rebuilt = up;
  ti_pack_value(P, idx, &at);
  P->boundary = boundary;
  P->rebuilt = rebuilt;
}

bool ti_pack_rebuild_put(struct ti_packer *P, int idx, const struct ti_value_path *up) {
  lua_State *L = P->L;
  struct ti_value_path at = {up, STEP_NAMED, 0, 0, "__transfer argument"};
  struct ti_pack_rebuild self = {P->open, lua_topointer(L, idx)};
  int base = lua_gettop(L), n;
  size_t len;
  const char *name;
  switch (luaL_getmetafield(L, idx, "__transfer")) {
    case LUA_TNIL: return false;
    case LUA_TFUNCTION: break;
    default:
      ti_value_path_refuse(L, up, "its __transfer is a %s, not a function", luaL_typename(L, -1));
  }
  if (!ti_c_stack_call()) ti_value_path_refuse(L, up, C_STACK_WORDS, C_STACK_LEFT);
  P->guard_next = true;
  ti_pack_guard_require(P);
  lua_pushvalue(L, idx);
  ti_pack_guard_lua_begin(P);
  lua_call(L, 1, LUA_MULTRET);
  ti_pack_guard_lua_end(P);
  n = lua_gettop(L) - base;
  if (n == 0 || (lua_type(L, base + 1) != LUA_TSTRING && !lua_isfunction(L, base + 1)))
    ti_value_path_refuse(
        L, up, "__transfer did not return a function or a 'module.function', and arguments");
  ti_pack_reserve(P); /* the results took what was reserved */
  ti_pack_tag(P, WIRE_REBUILD);
  ti_buffer_put_varint(P->b, (uint64_t)(n - 1));
  P->open = &self;
  if (lua_isfunction(L, base + 1)) {
    pack_rebuilder(P, base + 1, up);
  } else {
    name = lua_tolstring(L, base + 1, &len);
    ti_scalar_put_string(P->b, name, len);
  }
  for (int i = 2; i <= n; i++) {
    at.number = i - 1;
    ti_pack_value(P, base + i, &at);
  }
  P->open = self.outer;
  lua_settop(L, base);
  return true;
}
