/*
** tidepool, floor 2: rng, the generator of a state's math.random.
**
** SPDX-License-Identifier: MIT
*/
#include "rng.h"

#include <lauxlib.h>
#include <lualib.h>

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

void tide_rng_open(struct rng *r, lua_State *L) {
  int top = lua_gettop(L);
  r->seeded = r->current = false;
  luaL_checkstack(L, 2, NULL);
  if (lua_getglobal(L, LUA_MATHLIBNAME) == LUA_TTABLE &&
      lua_getfield(L, -1, "randomseed") == LUA_TFUNCTION)
    lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
  lua_settop(L, top);
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
