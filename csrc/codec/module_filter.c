/*
** codec/module_filter: whether an object may have a module name, in a few instructions.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/module_filter.h"

#include <lauxlib.h>

/* Two bits for an object's address. */
static size_t hash1(const void *p) { return ((uintptr_t)p >> 4) * 0x9E3779B97F4A7C15u >> 51; }
static size_t hash2(const void *p) { return ((uintptr_t)p >> 5) * 0xC2B2AE3D27D4EB4Fu >> 51; }

bool ti_module_filter_maybe(const struct ti_codec_state *x, const void *object) {
  size_t a = hash1(object), b = hash2(object);
  return x->filter != NULL && (x->filter[a >> 3] >> (a & 7) & 1) &&
         (x->filter[b >> 3] >> (b & 7) & 1);
}

void ti_module_filter_add(struct ti_codec_state *x, const void *object) {
  size_t a = hash1(object), b = hash2(object);
  x->filter[a >> 3] |= (unsigned char)(1u << (a & 7));
  x->filter[b >> 3] |= (unsigned char)(1u << (b & 7));
}

void ti_module_filter_fill(lua_State *L, struct ti_codec_state *x) {
  if (x->filter == NULL)
    x->filter = (unsigned char *)ti_alloc_zero(&ti_alloc_default, CODEC_FILTER);
  if (x->filter == NULL) luaL_error(L, "not enough memory");
  memset(x->filter, 0, CODEC_FILTER);
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    ti_module_filter_add(x, lua_topointer(L, -2));
    lua_pop(L, 1);
  }
}
