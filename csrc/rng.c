/*
** tidepool, floor 2: rng, the generator of a state's math.random.
**
** SPDX-License-Identifier: MIT
*/
#include "rng.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "entropy.h"

static const char registry_key = 0; /* the state's own math.randomseed */

/* Seeds the generator. It is an upvalue of Lua's own functions: what a task put into `math` since
** does not matter. [-0, +0, m] */
static void reseed(lua_State *L, struct seed s) {
  luaL_checkstack(L, 3, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key) == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  lua_pushinteger(L, (lua_Integer)s.a);
  lua_pushinteger(L, (lua_Integer)s.b);
  lua_call(L, 2, 0);
}

void tide_rng_keep(lua_State *L) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 4, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key) == LUA_TNIL &&
      luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE)) {
    lua_pushliteral(L, LUA_MATHLIBNAME);
    if (lua_rawget(L, -2) == LUA_TTABLE) {
      lua_pushliteral(L, "randomseed");
      lua_rawget(L, -2);
      if (lua_iscfunction(L, -1)) lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
    }
  }
  lua_settop(L, top);
}

/* The generator's memory, or NULL. [-0, +0, -] */
static void *generator(lua_State *L, size_t *size) {
  void *p = NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
  if (lua_iscfunction(L, -1) && lua_getupvalue(L, -1, 1) != NULL) {
    if (lua_type(L, -1) == LUA_TUSERDATA) p = lua_touserdata(L, -1);
    *size = (size_t)lua_rawlen(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return p;
}

void tide_rng_save(lua_State *L, struct rng_state *s) {
  const void *p = generator(L, &s->size);
  if (p != NULL && s->size <= sizeof s->bytes)
    memcpy(s->bytes, p, s->size);
  else
    s->size = 0;
}

void tide_rng_restore(lua_State *L, const struct rng_state *s) {
  size_t size;
  void *p = generator(L, &size);
  if (p != NULL && s->size > 0 && size == s->size) memcpy(p, s->bytes, size);
}

void tide_rng_open(struct rng *r, lua_State *L) {
  r->seeded = r->current = false;
  tide_rng_keep(L);
  reseed(L, tide_entropy());
}

void tide_rng_begin(struct rng *r, lua_State *L, const struct seeding *from) {
  r->current = from != NULL;
  if (from != NULL) {
    r->from = *from;
    tide_rng_item(r, L, 0);
  } else if (r->seeded) {
    r->seeded = false;
    reseed(L, tide_entropy());
  }
}

void tide_rng_item(struct rng *r, lua_State *L, uint64_t offset) {
  const struct seeding at = {r->from.stream, r->from.number + offset};
  r->seed = tide_seed_at(&at);
  r->children = 0;
  r->seeded = true;
  reseed(L, r->seed);
}
