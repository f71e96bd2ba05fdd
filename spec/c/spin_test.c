/*
** spin: looking ends when the news comes, gives up in time, and is tried less and less
** while it does not pay.
**
** SPDX-License-Identifier: MIT
*/
#include "spin.h"

#include "check.h"

struct bell {
  atomic_size_t word;
  atomic_bool ready; /* the looker is about to look */
};

/* Looks until *word is not `value` any more, as the users of this room do. */
static bool look(struct spin *s, sys_time time, const atomic_size_t *word, size_t value) {
  struct look k;
  bool found;
  if (!tide_spin_start(s, time, &k)) return false;
  do found = atomic_load(word) != value;
  while (!found && tide_spin_again(&k));
  tide_spin_stop(s, found);
  return found;
}

static void *ring(void *arg) {
  struct bell *b = (struct bell *)arg;
  while (!atomic_load(&b->ready)) {}
  atomic_fetch_add(&b->word, 1);
  return NULL;
}

/* Whatever the moment of the change, before or while looking: it is seen, or the look gives up
** and a second one sees it. */
static void test_sees_the_change(void) {
  for (int i = 0; i < 200; i++) {
    struct bell b;
    struct spin s;
    struct sys_thread t;
    bool seen = false;
    atomic_init(&b.word, 7);
    atomic_init(&b.ready, false);
    tide_spin_init(&s);
    s.enabled = true;
    CHECK(tide_thread_start(&t, 0, ring, &b) == 0);
    atomic_store(&b.ready, true);
    while (!seen) {
      s.skip = 0;
      seen = look(&s, SPIN_TIME, &b.word, 7);
    }
    CHECK(atomic_load(&b.word) == 8 && s.last == 0);
    tide_thread_join(&t);
  }
}

static void test_gives_up(void) {
  atomic_size_t word = 1;
  struct spin s;
  sys_time start = tide_now();
  tide_spin_init(&s);
  s.enabled = true;
  CHECK(!look(&s, SPIN_TIME, &word, 1));
  CHECK(tide_now() - start >= SPIN_TIME);
  CHECK(s.skip == 1);
  /* as long as it is told to */
  s.skip = 0;
  start = tide_now();
  CHECK(!look(&s, 5 * SPIN_TIME, &word, 1));
  CHECK(tide_now() - start >= 5 * SPIN_TIME);
}

/* Sleeps that were short bring looking back, and for longer, until that fails, too. */
static void test_short_sleeps(void) {
  atomic_size_t word = 1;
  struct spin s;
  struct look k;
  sys_time start;
  int sleeps = 0;
  tide_spin_init(&s);
  s.enabled = true;
  tide_spin_woke(&s, tide_spin_sleep(&s)); /* before any look was asked for: says nothing */
  CHECK(s.skip == 0 && !s.patient);
  while (s.last < SPIN_MAX_SKIP) { /* looking does not pay */
    s.skip = 0;
    look(&s, 1000, &word, 1);
    tide_spin_woke(&s, tide_now() - 1000000);
  }
  CHECK(s.skip == SPIN_MAX_SKIP && !s.patient);
  while (!tide_spin_start(&s, SPIN_TIME, &k)) {
    tide_spin_woke(&s, tide_spin_sleep(&s));
    sleeps++;
  }
  CHECK(sleeps <= SPIN_MAX_SKIP / SPIN_SHORT_SLEEP + 1);
  CHECK(k.time == SPIN_PATIENCE * SPIN_TIME);
  tide_spin_stop(&s, true);
  CHECK(tide_spin_start(&s, SPIN_TIME, &k) && k.time == SPIN_PATIENCE * SPIN_TIME);
  tide_spin_stop(&s, false);
  CHECK(s.skip == 1 && !s.patient);
  tide_spin_woke(&s, tide_spin_sleep(&s));
  start = tide_now();
  CHECK(!look(&s, SPIN_TIME, &word, 1));
  CHECK(tide_now() - start >= SPIN_PATIENCE * SPIN_TIME);
  /* patience has an end */
  tide_spin_woke(&s, tide_spin_sleep(&s));
  CHECK(tide_spin_start(&s, SPIN_LONGEST / 2, &k) && k.time == SPIN_LONGEST);
  CHECK(tide_spin_start(&s, 2 * SPIN_LONGEST, &k) && k.time == 2 * SPIN_LONGEST);
}

/* Of many sleeps that looking did not shorten, few look: their number grows with the logarithm,
** then with one in SPIN_MAX_SKIP + 1. */
static void test_backs_off(void) {
  atomic_size_t word = 1;
  struct spin s;
  int looks = 0;
  tide_spin_init(&s);
  s.enabled = true;
  for (int i = 0; i < 1000; i++) {
    looks += s.skip == 0;
    CHECK(!look(&s, SPIN_TIME, &word, 1));
  }
  CHECK(looks >= 8 && looks <= 12);
  /* and one that pays makes the next ones look again */
  s.skip = 0;
  CHECK(look(&s, SPIN_TIME, &word, 2));
  CHECK(!look(&s, SPIN_TIME, &word, 1));
  CHECK(s.skip == 1);
}

/* Where looking is off, not even one look is taken. */
static void test_off(void) {
  atomic_size_t word = 1;
  struct spin s;
  tide_spin_init(&s);
  CHECK(s.enabled == tide_sys_parallel());
  s.enabled = true;
  CHECK(!look(&s, 0, &word, 2));
  s.enabled = false; /* one processor */
  CHECK(!look(&s, SPIN_TIME, &word, 2));
}

int main(void) {
  test_sees_the_change();
  test_gives_up();
  test_short_sleeps();
  test_backs_off();
  test_off();
  return check_done();
}
