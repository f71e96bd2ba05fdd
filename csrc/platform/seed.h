/*
** platform/seed: where generators of random numbers begin.
**
** A seed is 128 bits. Seeds are derived from others by adding numbers: the same numbers in the same
** order give the same seed, and two numbers added to one seed never do.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_PLATFORM_SEED_H
#define TI_PLATFORM_SEED_H

#include <stddef.h>
#include <stdint.h>

#include "platform/compiler.h"

struct ti_seed {
  uint64_t a, b;
};

/* Mixes all bits of x; a bijection (the last steps of splitmix64). */
static inline uint64_t ti_seed_mix(uint64_t x) {
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

/* Returns the seed derived from s and x. */
static inline struct ti_seed ti_seed_add(struct ti_seed s, uint64_t x) {
  const uint64_t golden =
      UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / the golden ratio: splitmix64's step */
  s.a = ti_seed_mix(s.a ^ ti_seed_mix(x + golden));
  s.b = ti_seed_mix(s.b + s.a + golden);
  return s;
}

/* What a seed is for: what is derived for one has nothing to do with what is derived for others. */
enum ti_seed_use { SEED_TASKS = 1, SEED_ITEMS, SEED_INITIALIZER };

/* Returns the seed that the integer n names, for a use; below another seed, or NULL. */
static inline struct ti_seed ti_seed_of(const struct ti_seed *below, enum ti_seed_use use,
                                        uint64_t n) {
  struct ti_seed s = {0, 0};
  if (below != NULL) s = *below;
  return ti_seed_add(ti_seed_add(s, (uint64_t)use), n);
}

/* One of the seeds derived from `stream`. */
struct ti_seeding {
  struct ti_seed stream;
  uint64_t number;
};

static inline struct ti_seed ti_seed_at(const struct ti_seeding *s) {
  return ti_seed_add(s->stream, s->number);
}

#endif
