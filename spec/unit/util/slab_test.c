/*
** slab_test.c: blocks do not overlap and are freed in any order, and empty pieces are given back.
** One thread: ThreadSanitizer's run leaves this test out.
**
** SPDX-License-Identifier: MIT
*/
#include "util/slab.h"
#include "support.h"

enum { N = 20000, SIZE = 168 };

static void *blocks[N];
static unsigned long long state;

static size_t pick(size_t n) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (size_t)(state >> 33) % n;
}

static void *take(struct ti_slab *s) {
  void *block;
  while ((block = ti_slab_take(s)) == NULL) {
    struct ti_slab_piece *p = ti_slab_new_piece(s, s->piece);
    if (p == NULL) return NULL;
    ti_slab_add_piece(s, p);
  }
  return block;
}

static void give(struct ti_slab *s, void *block) { ti_slab_free_piece(s, ti_slab_give(s, block)); }

/* Each block is filled with its own number: one that overlapped another would not keep it. */
static void fill(size_t i) { memset(blocks[i], (int)(i % 251 + 1), SIZE); }

static bool kept(size_t i) {
  const unsigned char *p = (const unsigned char *)blocks[i];
  for (int k = 0; k < SIZE; k++)
    if (p[k] != i % 251 + 1) return false;
  return true;
}

static void test_random_order(void) {
  struct ti_slab s;
  bool whole = true;
  size_t out = 0;
  state = check_seed(20261124);
  ti_slab_init(&s, &counted_mem, SIZE);
  memset(blocks, 0, sizeof blocks);
  for (int step = 0; step < 20 * N; step++) {
    size_t i = pick(step / N % 4 == 3 ? N / 50 : N); /* at times most come back */
    if (blocks[i] == NULL) {
      blocks[i] = take(&s);
      CHECK(blocks[i] != NULL && (uintptr_t)blocks[i] % 16 == 0);
      fill(i);
      out++;
    } else {
      whole = whole && kept(i);
      give(&s, blocks[i]);
      blocks[i] = NULL;
      out--;
    }
  }
  for (size_t i = 0; i < N; i++)
    if (blocks[i] != NULL) {
      whole = whole && kept(i);
      give(&s, blocks[i]);
      out--;
    }
  CHECK(whole && out == 0);
  CHECK(s.spare <= SLAB_SPARE);
  ti_slab_fini(&s);
  CHECK(memory_clean());
}

/* A pool that once had very many tasks does not keep their memory. */
static void test_gives_back(void) {
  enum { MANY = 600000 };
  struct ti_slab s;
  void *first = NULL, *b;
  ti_slab_init(&s, &counted_mem, SIZE);
  for (int i = 0; i < MANY; i++) { /* a list through the blocks */
    b = take(&s);
    *(void **)b = first;
    first = b;
  }
  while ((b = first) != NULL) {
    first = *(void **)b;
    give(&s, b);
  }
  CHECK(s.spare <= SLAB_SPARE); /* of three times as much */
  ti_slab_fini(&s);
  CHECK(memory_clean());
}

static void test_out_of_memory(void) {
  struct ti_slab s;
  void *b;
  ti_slab_init(&s, &counted_mem, SIZE);
  atomic_store(&memory.fail_at, 1);
  CHECK(take(&s) == NULL);
  atomic_store(&memory.fail_at, 0);
  b = take(&s);
  CHECK(b != NULL);
  give(&s, b);
  ti_slab_fini(&s);
  CHECK(memory_clean());
}

int main(void) {
  test_random_order();
  test_gives_back();
  test_out_of_memory();
  return check_done();
}
