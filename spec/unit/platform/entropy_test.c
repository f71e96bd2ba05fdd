/*
** entropy_test.c: seeds of the system's entropy and of what takes its place, and seeds derived.
**
** SPDX-License-Identifier: MIT
*/
#include "platform/entropy.h"
#include "platform/thread.h"
#include "support.h"

enum { N = 4096 };

static struct ti_seed seen[4 * N];
static size_t nseen;

static int compare(const void *x, const void *y) {
  const struct ti_seed *p = (const struct ti_seed *)x, *q = (const struct ti_seed *)y;
  if (p->a != q->a) return p->a < q->a ? -1 : 1;
  return (p->b > q->b) - (p->b < q->b);
}

/* No two are equal, and no bit is the same in all. */
static void check_seen(void) {
  struct ti_seed ones = {UINT64_MAX, UINT64_MAX}, some = {0, 0};
  qsort(seen, nseen, sizeof seen[0], compare);
  for (size_t i = 0; i < nseen; i++) {
    CHECK(i == 0 || compare(&seen[i - 1], &seen[i]) < 0);
    ones.a &= seen[i].a, ones.b &= seen[i].b;
    some.a |= seen[i].a, some.b |= seen[i].b;
  }
  CHECK(ones.a == 0 && ones.b == 0 && some.a == UINT64_MAX && some.b == UINT64_MAX);
  nseen = 0;
}

struct ti_message_part {
  struct ti_seed seeds[N];
};

static void *fall_back(void *arg) {
  struct ti_message_part *p = (struct ti_message_part *)arg;
  for (int i = 0; i < N; i++) p->seeds[i] = ti_entropy_fallback();
  return NULL;
}

static void test_entropy(void) {
  for (int i = 0; i < N; i++) seen[nseen++] = ti_entropy_get();
  check_seen();
}

static void test_fallback(void) {
  static struct ti_message_part parts[4];
  struct ti_thread threads[4];
  for (int i = 0; i < 4; i++) spawn(&threads[i], fall_back, &parts[i]);
  for (int i = 0; i < 4; i++) {
    ti_thread_join(&threads[i]);
    memcpy(seen + nseen, parts[i].seeds, sizeof parts[i].seeds);
    nseen += N;
  }
  check_seen();
}

static void test_derived(void) {
  const struct ti_seed below = {1, 2};
  struct ti_seeding at = {ti_seed_of(NULL, SEED_TASKS, 1), 5};
  struct ti_seed a = ti_seed_at(&at), b = ti_seed_add(ti_seed_of(NULL, SEED_TASKS, 1), 5);
  CHECK(compare(&a, &b) == 0);
  for (uint64_t i = 0; i < N;
       i++) { /* of numbers near each other, of either use, below another one */
    seen[nseen++] = ti_seed_add(ti_seed_of(NULL, SEED_TASKS, 1), i);
    seen[nseen++] = ti_seed_add(ti_seed_of(NULL, SEED_ITEMS, 1), i);
    seen[nseen++] = ti_seed_of(&below, SEED_TASKS, i);
    seen[nseen++] = ti_seed_add(ti_seed_of(NULL, SEED_TASKS, i + 2), 1);
  }
  check_seen();
}

int main(void) {
  test_entropy();
  test_fallback();
  test_derived();
  return check_done();
}
