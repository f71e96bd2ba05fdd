/*
** luautil/lua_random: the generator of a state's math.random.
**
** Lua seeds a new state from the time in seconds and an address, which successive states may share.
** Here each state is seeded from the system's entropy. Tasks may have a seed of their own.
**
** Only the state's own thread uses a struct ti_lua_random.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_LUAUTIL_LUA_RANDOM_H
#define TI_LUAUTIL_LUA_RANDOM_H

#include <lua.h>
#include <stdbool.h>

#include "platform/seed.h"

TI_INTERNAL_BEGIN

/* The saved state of a generator. */
struct ti_random_state {
  size_t size; /* 0: unknown */
  unsigned char bytes[64];
};

struct ti_lua_random {
  bool seeded;  /* the generator continues from a task's seed: the next task must seed anew */
  bool current; /* the running task has a seed */
  struct ti_seeding from; /* that task's */
  struct ti_seed seed;    /* the seed of the task, or of the map's item that runs */
  uint64_t children;      /* tasks that it submitted so far whose seeds derive from its own */
};

/* Keeps L's own math.randomseed in the registry, unless that was done before. [-0, +0, m] */
void ti_lua_random_keep(lua_State *L);
/* Saves and restores the state of L's generator. Lua keeps it in a userdata, an upvalue of
** math.randomseed; if it is not found there, nothing is done. Needs 4 free slots. [-0, +0, -] */
void ti_lua_random_save(lua_State *L, struct ti_random_state *s);
void ti_lua_random_restore(lua_State *L, const struct ti_random_state *s);

/* Keeps L's own math.randomseed, before any code may replace it, and seeds from the system's
** entropy. Does nothing in a state without it. [-0, +0, m] */
void ti_lua_random_open(struct ti_lua_random *r, lua_State *L);

/* Begins a task: seeds from `from`. Without a seed (NULL) it seeds from entropy if the task before
** left a predictable sequence. [-0, +0, m] */
void ti_lua_random_begin(struct ti_lua_random *r, lua_State *L, const struct ti_seeding *from);

/* Begins, in a seeded task, the item that lies `offset` behind the first. [-0, +0, m] */
void ti_lua_random_item(struct ti_lua_random *r, lua_State *L, uint64_t offset);

TI_INTERNAL_END

#endif
