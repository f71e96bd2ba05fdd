/*
** check.h: what the C tests share: counted checks and a seeded random number.
**
** CHECK may be called from any thread. A test ends with `return check_done();`.
**
** SPDX-License-Identifier: MIT
*/
#ifndef CHECK_H
#define CHECK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_int check_passed, check_failed;

#define CHECK(what) check_count((what), #what, __FILE__, __LINE__)

static inline void check_count(bool ok, const char *what, const char *file, int line) {
  atomic_fetch_add(ok ? &check_passed : &check_failed, 1);
  if (ok) return;
  printf("%s:%d: %s\n", file, line, what);
  fflush(stdout); /* also if the test crashes or is killed next */
}

static inline int check_done(void) {
  printf("%d passed, %d failed\n", atomic_load(&check_passed), atomic_load(&check_failed));
  return atomic_load(&check_failed) != 0;
}

/* Returns TIDE_SEED, or `otherwise`; prints it. */
static inline uint64_t check_seed(uint64_t otherwise) {
  const char *given = getenv("TIDE_SEED");
  uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : otherwise;
  printf("TIDE_SEED=%llu\n", (unsigned long long)seed);
  return seed;
}

/* Returns a number below n. Each thread has a state of its own, seeded with any value. */
static inline size_t check_random(uint64_t *state, size_t n) {
  uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return (size_t)((z ^ (z >> 31)) % n);
}

#endif
