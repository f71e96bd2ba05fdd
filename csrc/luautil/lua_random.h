/*
** luautil/lua_random: the generator of a state's math.random.
**
** Lua seeds a new state from the time in seconds and an address, which states made one after the
** other have in common. Here each is seeded from the system's entropy, and for tasks that say so
** from a seed of their own.
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

/* Where a state's generator was, to be put back. */
struct ti_random_state {
  size_t size; /* 0: unknown */
  unsigned char bytes[64];
};

struct ti_lua_random {
  bool seeded;            /* the generator goes on from a task's seed: the next begins anew */
  bool current;           /* the task that runs has one */
  struct ti_seeding from; /* that task's */
  struct ti_seed seed;    /* what it, or the item of a map that runs, began with */
  uint64_t children;      /* tasks submitted by it so far that are seeded below it */
};

/* Remembers L's own math.randomseed, unless that was done before. [-0, +0, m] */
void ti_lua_random_keep(lua_State *L);
/* Stores where L's generator is, and puts it back. Lua keeps it in a userdata, an upvalue of
** math.randomseed; if it is not found there, nothing is done. [-0, +0, -], with 4 free slots */
void ti_lua_random_save(lua_State *L, struct ti_random_state *s);
void ti_lua_random_restore(lua_State *L, const struct ti_random_state *s);

/* Remembers L's own math.randomseed, before any code that may replace it, and seeds from the
** system's entropy. Nothing is done in a state without it. [-0, +0, m] */
void ti_lua_random_open(struct ti_lua_random *r, lua_State *L);

/* Begins a task: seeds for it, or, for one without a seed (NULL), from entropy if the one before
** left a sequence that can be foreseen. [-0, +0, m] */
void ti_lua_random_begin(struct ti_lua_random *r, lua_State *L, const struct ti_seeding *from);

/* In a seeded task: begins the item that lies `offset` behind the first. [-0, +0, m] */
void ti_lua_random_item(struct ti_lua_random *r, lua_State *L, uint64_t offset);

TI_INTERNAL_END

#endif
