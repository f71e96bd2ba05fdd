/*
** luautil/lua_random: the generator of a state's math.random.
**
** SPDX-License-Identifier: MIT
*/
#include "luautil/lua_random.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "platform/entropy.h"

static const char registry_key = 0; /* the state's own math.randomseed */

/* Seeds the generator. It is an upvalue of Lua's own functions, so what a task put into `math` does
** not matter. [-0, +0, m] */
static void reseed(lua_State *L, struct ti_seed s) {
  luaL_checkstack(L, 3, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key) == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  lua_pushinteger(L, (lua_Integer)s.a);
  lua_pushinteger(L, (lua_Integer)s.b);
  lua_call(L, 2, 0);
}

void ti_lua_random_keep(lua_State *L) {
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

/* Returns the generator's memory, or NULL. [-0, +0, -] */
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

void ti_lua_random_save(lua_State *L, struct ti_random_state *s) {
  const void *p = generator(L, &s->size);
  if (p != NULL && s->size <= sizeof s->bytes)
    memcpy(s->bytes, p, s->size);
  else
    s->size = 0;
}

void ti_lua_random_restore(lua_State *L, const struct ti_random_state *s) {
  size_t size;
  void *p = generator(L, &size);
  if (p != NULL && s->size > 0 && size == s->size) memcpy(p, s->bytes, size);
}

void ti_lua_random_open(struct ti_lua_random *r, lua_State *L) {
  r->seeded = r->current = false;
  ti_lua_random_keep(L);
  reseed(L, ti_entropy_get());
}

void ti_lua_random_begin(struct ti_lua_random *r, lua_State *L, const struct ti_seeding *from) {
  r->current = from != NULL;
  if (from != NULL) {
    r->from = *from;
    ti_lua_random_item(r, L, 0);
  } else if (r->seeded) {
    r->seeded = false;
    reseed(L, ti_entropy_get());
  }
}

void ti_lua_random_item(struct ti_lua_random *r, lua_State *L, uint64_t offset) {
  const struct ti_seeding at = {r->from.stream, r->from.number + offset};
  r->seed = ti_seed_at(&at);
  r->children = 0;
  r->seeded = true;
  reseed(L, r->seed);
}
