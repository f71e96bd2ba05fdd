/*
** tidepool, floor 2: rng, the generator of a state's math.random.
**
** Lua seeds a new state from the time in seconds and an address, which states made one after the
** other have in common. Here each is seeded from the system's entropy, and for tasks that say so from
** a seed of their own.
**
** Only the state's own thread uses a struct rng.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_RNG_H
#define TIDE_RNG_H

#include <lua.h>
#include <stdbool.h>

#include "seed.h"

TIDE_INTERNAL_BEGIN

/* Where a state's generator was, to be put back. */
struct rng_state {
  size_t size; /* 0: unknown */
  unsigned char bytes[64];
};

struct rng {
  bool seeded;         /* the generator goes on from a task's seed: the next begins anew */
  bool current;        /* the task that runs has one */
  struct seeding from; /* that task's */
  struct seed seed;    /* what it, or the item of a map that runs, began with */
  uint64_t children;   /* tasks submitted by it so far that are seeded below it */
};

/* Remembers L's own math.randomseed, unless that was done before. [-0, +0, m] */
void tide_rng_keep(lua_State *L);
/* Stores where L's generator is, and puts it back. Lua keeps it in a userdata, an upvalue of
** math.randomseed; if it is not found there, nothing is done. [-0, +0, -], with 4 free slots */
void tide_rng_save(lua_State *L, struct rng_state *s);
void tide_rng_restore(lua_State *L, const struct rng_state *s);

/* Remembers L's own math.randomseed, before any code that may replace it, and seeds from the
** system's entropy. Nothing is done in a state without it. [-0, +0, m] */
void tide_rng_open(struct rng *r, lua_State *L);

/* Begins a task: seeds for it, or, for one without a seed (NULL), from entropy if the one before left
** a sequence that can be foreseen. [-0, +0, m] */
void tide_rng_begin(struct rng *r, lua_State *L, const struct seeding *from);

/* In a seeded task: begins the item that lies `offset` behind the first. [-0, +0, m] */
void tide_rng_item(struct rng *r, lua_State *L, uint64_t offset);

TIDE_INTERNAL_END

#endif
