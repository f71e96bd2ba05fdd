/*
** block_cache_test.c: large blocks keep their content when they grow and shrink, are used again,
** and are given back in the end. Those of a shared cache also when threads share it.
**
** SPDX-License-Identifier: MIT
*/
#include "util/block_cache.h"
#include "util/shared_cache.h"
#include "platform/thread.h"
#include "support.h"

enum { KIB = 1024, MIB = 1024 * KIB, SLOTS = 24, ROUNDS = 2000 };

static uint64_t seed;

static size_t rnd(size_t n) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (size_t)(seed % n);
}

/* Sizes of all kinds: passed on, kept, mapped; also just at the limits. */
static size_t any_size(void) {
  static const size_t border[] = {64 * KIB, 128 * KIB, 1536 * KIB, 2 * MIB, 4 * MIB};
  switch (rnd(4)) {
    case 0: return 1 + rnd(64 * KIB);
    case 1: return border[rnd(5)] - 1 + rnd(3);
    case 2: return 64 * KIB + rnd(MIB);
    default: return MIB + rnd(5 * MIB);
  }
}

/* Marks a block at both ends, so that overlaps and lost bytes show. */
static void mark(unsigned char *p, size_t size, unsigned char what) {
  p[0] = p[size - 1] = what;
  p[size / 2] = what;
}

static void test_model(void) {
  struct ti_block_cache b;
  unsigned char *p[SLOTS] = {NULL};
  size_t size[SLOTS] = {0};
  ti_block_cache_init(&b, &counted_mem, BLOCK_CACHE_STATE);
  for (int r = 0; r < ROUNDS; r++) {
    size_t i = rnd(SLOTS), n = rnd(3) == 0 ? 0 : any_size();
    unsigned char *q;
    if (p[i] != NULL) CHECK(p[i][0] == i + 1 && p[i][size[i] - 1] == i + 1);
    q = (unsigned char *)ti_block_cache_alloc(&b, p[i], p[i] != NULL ? size[i] : 5, n);
    CHECK(n == 0 ? q == NULL : q != NULL);
    if (n > 0 && q == NULL) exit(1);
    if (n > 0 && p[i] != NULL)
      CHECK(q[0] == i + 1 && (n <= size[i] / 2 || q[size[i] / 2] == i + 1));
    p[i] = q;
    size[i] = n;
    if (n > 0) mark(q, n, (unsigned char)(i + 1));
    CHECK(b.kept <= 8 * MIB || b.kept <= b.used + 6 * MIB);
  }
  for (size_t i = 0; i < SLOTS; i++) {
    if (p[i] == NULL) continue;
    if (size[i] >= BLOCK_CACHE_LARGE && i % 2 == 0)
      ti_alloc_free(&ti_block_cache_any_thread, p[i], size[i]);
    else
      ti_block_cache_alloc(&b, p[i], size[i], 0);
  }
  ti_block_cache_fini(&b);
  CHECK(b.kept == 0 && memory_clean());
}

static void test_warm(void) {
  struct ti_block_cache b;
  void *p, *q;
  ti_block_cache_init(&b, &counted_mem, BLOCK_CACHE_STATE);
  p = ti_block_cache_alloc(&b, NULL, 0, MIB);
  CHECK(p != NULL && b.used >= MIB && b.kept == 0);
  CHECK(ti_block_cache_alloc(&b, p, MIB, 0) == NULL);
  CHECK(b.used == 0 && b.kept >= MIB);
  q = ti_block_cache_alloc(&b, NULL, 0, MIB - 100); /* takes the same */
  CHECK(q == p && b.kept == 0);
  CHECK(ti_block_cache_alloc(&b, q, MIB - 100, MIB) == q);
  CHECK(ti_block_cache_alloc(&b, NULL, 0, SIZE_MAX - 1) == NULL);
  ti_block_cache_alloc(&b, q, MIB, 0);
  p = ti_block_cache_alloc(&b, NULL, 0, 64 * (size_t)MIB); /* too much to be kept */
  CHECK(p != NULL);
  ti_block_cache_alloc(&b, p, 64 * (size_t)MIB, 0);
  q = ti_block_cache_alloc(&b, NULL, 0, 30 * (size_t)MIB);
  CHECK(q != NULL);
  ti_block_cache_alloc(&b, q, 30 * (size_t)MIB, 0);
  ti_block_cache_fini(&b);
}

/* ----------------------------------------------------------- shared cache -- */

struct sharing {
  struct ti_shared_cache cache;
  struct ti_alloc mem;
  _Atomic(unsigned char *) slot; /* what one thread fills, another frees */
};

static void *fill_and_free(void *ud) {
  struct sharing *s = (struct sharing *)ud;
  size_t size = 200 * KIB;
  for (int i = 0; i < 300; i++) {
    unsigned char *p = (unsigned char *)ti_alloc_new(&s->mem, size);
    CHECK(p != NULL);
    memset(p, i, 100);
    p = (unsigned char *)ti_alloc_resize(&s->mem, p, size, 3 * size);
    CHECK(p != NULL && p[99] == (unsigned char)i);
    p = (unsigned char *)ti_alloc_resize(&s->mem, p, 3 * size, 100);
    CHECK(p != NULL && p[99] == (unsigned char)i);
    p = (unsigned char *)ti_alloc_resize(&s->mem, p, 100, size);
    CHECK(p != NULL && p[99] == (unsigned char)i);
    p = atomic_exchange(&s->slot, p);
    ti_alloc_free(&s->mem, p, size);
  }
  return NULL;
}

static void test_shelf(void) {
  struct sharing s;
  struct ti_thread t[3];
  CHECK(ti_shared_cache_init(&s.cache) == 0);
  s.mem.alloc = ti_shared_cache_alloc;
  s.mem.ud = &s.cache;
  atomic_init(&s.slot, NULL);
  for (int i = 0; i < 3; i++) spawn(&t[i], fill_and_free, &s);
  for (int i = 0; i < 3; i++) ti_thread_join(&t[i]);
  ti_alloc_free(&s.mem, atomic_load(&s.slot), 200 * KIB);
  CHECK(s.cache.blocks.used == 0 && s.cache.blocks.kept > 0);
  ti_shared_cache_fini(&s.cache);
}

int main(void) {
  seed = check_seed(88172645463325252u);
  if (seed == 0) seed = 1;
  test_warm();
  test_model();
  test_shelf();
  return check_done();
}
