/*
** tidepool, floor 0: seed, where generators of random numbers begin.
**
** A seed is 128 bits. Seeds are derived from others by adding numbers: the same numbers in the same
** order give the same seed, and two numbers added to one seed never do.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_SEED_H
#define TIDE_SEED_H

#include <stddef.h>
#include <stdint.h>

#include "internal.h"

struct seed {
  uint64_t a, b;
};

/* Mixes all bits of x; a bijection (the last steps of splitmix64). */
static inline uint64_t tide_seed_mix(uint64_t x) {
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

/* Returns the seed derived from s and x. */
static inline struct seed tide_seed_add(struct seed s, uint64_t x) {
  const uint64_t golden =
      UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / the golden ratio: splitmix64's step */
  s.a = tide_seed_mix(s.a ^ tide_seed_mix(x + golden));
  s.b = tide_seed_mix(s.b + s.a + golden);
  return s;
}

/* What a seed is for: what is derived for one has nothing to do with what is derived for others. */
enum seed_use { SEED_TASKS = 1, SEED_ITEMS, SEED_INITIALIZER };

/* Returns the seed that the integer n names, for a use; below another seed, or NULL. */
static inline struct seed tide_seed_of(const struct seed *below, enum seed_use use, uint64_t n) {
  struct seed s = {0, 0};
  if (below != NULL) s = *below;
  return tide_seed_add(tide_seed_add(s, (uint64_t)use), n);
}

/* One of the seeds derived from `stream`. */
struct seeding {
  struct seed stream;
  uint64_t number;
};

static inline struct seed tide_seed_at(const struct seeding *s) {
  return tide_seed_add(s->stream, s->number);
}

#endif
