/*
** api/task_seed: where the random numbers of tasks begin.
**
** SPDX-License-Identifier: MIT
*/
#include "api/task_seed.h"

#include "api/inline_run.h"

_Static_assert(sizeof(unsigned long long) == sizeof(uint64_t), "the counters' type");

/* Returns the generator of the task that runs in L, or NULL if the task is not seeded.
** [-0, +0, -] */
static struct ti_lua_random *rng_of(lua_State *L) {
  struct ti_inline_run *r = ti_inline_run_top(L);
  if (r == NULL) return ti_worker_state_random(L);
  return r->name != NULL && r->rng.current ? &r->rng : NULL;
}

/* Takes the next number of a counter that other threads may use, too. */
static uint64_t take_number(struct ti_numbered *n, uint64_t *counter) {
  n->counter = counter;
  n->number = __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
  return n->number;
}

void ti_task_seed_undo(const struct ti_numbered *n) {
  uint64_t expected = n->number;
  if (n->counter != NULL)
    (void)__atomic_compare_exchange_n(n->counter, &expected, expected - 1, false, __ATOMIC_RELAXED,
                                      __ATOMIC_RELAXED);
}

bool ti_task_seed_of(tide_executor *ex, lua_State *L, const tide_taskopts *o,
                     struct ti_seeding *out, struct ti_numbered *n) {
  bool own = o != NULL && o->seeding == TIDE_SEED_TASK;
  uint64_t seed = own ? (uint64_t)o->seed : ex->seed;
  struct ti_lua_random *parent;
  n->counter = NULL;
  if (o != NULL && o->seeding == TIDE_SEED_ITEM) {
    out->stream.a = o->stream.bits[0];
    out->stream.b = o->stream.bits[1];
    out->number = o->number;
    return true;
  }
  if (!own && !ex->seeded) return false;
  parent = L != NULL ? rng_of(L) : NULL;
  out->stream = ti_seed_of(parent != NULL ? &parent->seed : NULL, SEED_TASKS, seed);
  if (parent != NULL)
    out->number = take_number(n, &parent->children);
  else if (own && o->counter == NULL)
    out->number = (uint64_t)o->number;
  else
    out->number = take_number(n, own ? (uint64_t *)(void *)o->counter : &ex->seeded_tasks);
  return true;
}

int tide_map_stream(lua_State *L, const tide_executor *ex, const lua_Integer *seed,
                    tide_stream *stream) {
  const struct ti_lua_random *parent;
  struct ti_seed s;
  if (seed == NULL && !ex->seeded) return 0;
  parent = rng_of(L);
  s = ti_seed_of(parent != NULL ? &parent->seed : NULL, SEED_ITEMS,
                 seed != NULL ? (uint64_t)*seed : ex->seed);
  stream->bits[0] = s.a;
  stream->bits[1] = s.b;
  return 1;
}

int tide_current_stream(lua_State *L, tide_stream *stream, lua_Unsigned *number) {
  const struct ti_lua_random *r = rng_of(L);
  if (r == NULL) return 0;
  if (stream != NULL) {
    stream->bits[0] = r->from.stream.a;
    stream->bits[1] = r->from.stream.b;
  }
  if (number != NULL) *number = (lua_Unsigned)r->from.number;
  return 1;
}

void tide_current_item(lua_State *L, lua_Unsigned offset) {
  struct ti_lua_random *r = rng_of(L);
  if (r != NULL) ti_lua_random_item(r, L, (uint64_t)offset);
}
