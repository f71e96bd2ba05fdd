/*
** arena_test.c: blocks keep what was written to them, memory is given back, and lack of memory
** changes nothing.
** One thread: ThreadSanitizer's run leaves this test out.
**
** SPDX-License-Identifier: MIT
*/
#include <stdint.h>

#include "util/arena.h"
#include "support.h"

enum { N = 4000 };

struct block {
  unsigned char *p;
  size_t size;
  unsigned char mark;
};

static uint64_t seed = 88172645463325252u;

static size_t below(size_t n) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (size_t)(seed % n);
}

static void start(struct ti_arena *a) {
  ti_arena_init(a, &counted_mem);
  a->off = false; /* also where a build switches it off */
}

static bool holds(const struct block *b, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (b->p[i] != b->mark) return false;
  return true;
}

static size_t some_size(void) {
  switch (below(8)) {
    case 0: return 1 + below(3000);
    case 1: return ARENA_SMALL - 4 + below(8);
    default: return 1 + below(120);
  }
}

/* Resizes a block, or frees it if size is 0. Returns false if out of memory: it is unchanged. */
static bool resize(struct ti_arena *a, struct block *b, size_t size) {
  size_t kept = b->size < size ? b->size : size;
  /* for a new block lua_Alloc says what it is for instead of its size */
  unsigned char *p = (unsigned char *)ti_arena_alloc(a, b->p, b->p != NULL ? b->size : 5, size);
  if (p == NULL && size > 0) {
    CHECK(b->p == NULL || holds(b, b->size));
    return false;
  }
  b->p = p;
  if (!holds(b, kept)) CHECK(!"the content came along");
  b->size = size;
  b->mark = (unsigned char)below(256);
  if (p != NULL) {
    CHECK((uintptr_t)p % 8 == 0);
    memset(p, b->mark, size);
  }
  return true;
}

static void test_random(void) {
  static struct block blocks[N];
  struct ti_arena a;
  size_t i, round;
  start(&a);
  memset(blocks, 0, sizeof blocks);
  for (round = 0; round < 200000; round++) {
    struct block *b = &blocks[below(N)];
    if (round % 1000 == 7) atomic_store(&memory.fail_at, 1 + (long)below(3));
    if (!holds(b, b->size)) CHECK(!"nothing else wrote to it");
    resize(&a, b, b->p != NULL && below(3) == 0 ? 0 : some_size());
    if (round % 40000 == 39999) /* nearly all are freed: chunks are given back in between */
      for (i = 0; i < N; i++)
        if (below(50) > 0 && blocks[i].p != NULL) resize(&a, &blocks[i], 0);
  }
  atomic_store(&memory.fail_at, 0);
  for (i = 0; i < N; i++) {
    if (!holds(&blocks[i], blocks[i].size)) CHECK(!"nothing else wrote to it");
    if (blocks[i].p != NULL) resize(&a, &blocks[i], 0);
  }
  CHECK(a.live == 0);
  ti_arena_fini(&a);
  CHECK(memory_clean());
  ti_arena_fini(&a);
}

/* All blocks of a state that once was big are freed, or all but every 10,000th. */
static void test_giving_back(size_t left) {
  enum { MANY = 200000 };
  struct ti_arena a;
  struct block *blocks = (struct block *)calloc(MANY, sizeof *blocks);
  size_t i, most;
  start(&a);
  for (i = 0; i < MANY; i++) CHECK(resize(&a, &blocks[i], 40 + i % 3 * 8));
  most = atomic_load(&memory.bytes);
  CHECK(most > (size_t)9 << 20);
  CHECK(most < (size_t)12 << 20); /* no header, and little waste */
  for (i = 0; i < MANY; i++)
    if (i % left != 0) resize(&a, &blocks[i], 0);
  CHECK(atomic_load(&memory.bytes) < (left < MANY ? (size_t)6 << 20 : (size_t)1 << 20));
  for (i = 0; i < MANY; i++) {
    if (!holds(&blocks[i], blocks[i].size)) CHECK(!"what was left is whole");
    if (blocks[i].p == NULL) CHECK(resize(&a, &blocks[i], 48)); /* and what is free is usable */
  }
  for (i = 0; i < MANY; i++) resize(&a, &blocks[i], 0);
  CHECK(a.live == 0 && atomic_load(&memory.bytes) < (size_t)1 << 20);
  ti_arena_fini(&a);
  CHECK(memory_clean());
  free(blocks);
}

static void test_off(void) {
  struct ti_arena a;
  void *p;
  start(&a);
  a.off = true;
  p = ti_arena_alloc(&a, NULL, 0, 8);
  CHECK(p != NULL && atomic_load(&memory.blocks) == 1 && atomic_load(&memory.bytes) == 8);
  p = ti_arena_alloc(&a, p, 8, 16);
  CHECK(p != NULL && atomic_load(&memory.bytes) == 16);
  CHECK(ti_arena_alloc(&a, p, 16, 0) == NULL && memory_clean());
  ti_arena_fini(&a);
}

int main(void) {
  test_random();
  test_giving_back(200000);
  test_giving_back(10000);
  test_off();
  return check_done();
}
