/*
** spin_wait_test.c: a spin ends when what it waits for comes, gives up in time, and is tried less
** and less while it does not pay.
**
** SPDX-License-Identifier: MIT
*/
#include "util/spin_wait.h"
#include "platform/clock.h"
#include "platform/cpu_count.h"
#include "platform/thread.h"

#include "check.h"

struct notifier {
  atomic_size_t word;
  atomic_bool ready; /* the other thread is about to spin */
};

/* Spins until *word differs from `value`, as users of spin_wait do. */
static bool spin(struct ti_spin_wait *s, ti_time time, const atomic_size_t *word, size_t value) {
  struct ti_spin_loop k;
  bool found;
  if (!ti_spin_wait_start(s, time, &k)) return false;
  do found = atomic_load(word) != value;
  while (!found && ti_spin_wait_again(&k));
  ti_spin_wait_stop(s, found);
  return found;
}

static void *notify(void *arg) {
  struct notifier *b = (struct notifier *)arg;
  while (!atomic_load(&b->ready)) {}
  atomic_fetch_add(&b->word, 1);
  return NULL;
}

/* The change comes before or during the spin, at any moment. Either it is seen, or the spin gives
** up and a second one sees it. */
static void test_sees_the_change(void) {
  for (int i = 0; i < 200; i++) {
    struct notifier b;
    struct ti_spin_wait s;
    struct ti_thread t;
    bool seen = false;
    atomic_init(&b.word, 7);
    atomic_init(&b.ready, false);
    ti_spin_wait_init(&s);
    s.enabled = true;
    CHECK(ti_thread_start(&t, 0, notify, &b) == 0);
    atomic_store(&b.ready, true);
    while (!seen) {
      s.skip = 0;
      seen = spin(&s, SPIN_TIME, &b.word, 7);
    }
    CHECK(atomic_load(&b.word) == 8 && s.last == 0);
    ti_thread_join(&t);
  }
}

static void test_gives_up(void) {
  atomic_size_t word = 1;
  struct ti_spin_wait s;
  ti_time start = ti_clock_now();
  ti_spin_wait_init(&s);
  s.enabled = true;
  CHECK(!spin(&s, SPIN_TIME, &word, 1));
  CHECK(ti_clock_now() - start >= SPIN_TIME);
  CHECK(s.skip == 1);
  /* as long as requested */
  s.skip = 0;
  start = ti_clock_now();
  CHECK(!spin(&s, 5 * SPIN_TIME, &word, 1));
  CHECK(ti_clock_now() - start >= 5 * SPIN_TIME);
}

/* Short sleeps make spins begin again, and last longer, until one fails. */
static void test_short_sleeps(void) {
  atomic_size_t word = 1;
  struct ti_spin_wait s;
  struct ti_spin_loop k;
  ti_time start;
  int sleeps = 0;
  ti_spin_wait_init(&s);
  s.enabled = true;
  ti_spin_wait_woke(&s, ti_spin_wait_sleep(&s)); /* before any spin was started: no effect */
  CHECK(s.skip == 0 && !s.extended);
  while (s.last < SPIN_MAX_SKIP) { /* spinning does not pay */
    s.skip = 0;
    spin(&s, 1000, &word, 1);
    ti_spin_wait_woke(&s, ti_clock_now() - 1000000);
  }
  CHECK(s.skip == SPIN_MAX_SKIP && !s.extended);
  while (!ti_spin_wait_start(&s, SPIN_TIME, &k)) {
    ti_spin_wait_woke(&s, ti_spin_wait_sleep(&s));
    sleeps++;
  }
  CHECK(sleeps <= SPIN_MAX_SKIP / SPIN_SHORT_SLEEP + 1);
  CHECK(k.time == SPIN_EXTENSION * SPIN_TIME);
  ti_spin_wait_stop(&s, true);
  CHECK(ti_spin_wait_start(&s, SPIN_TIME, &k) && k.time == SPIN_EXTENSION * SPIN_TIME);
  ti_spin_wait_stop(&s, false);
  CHECK(s.skip == 1 && !s.extended);
  ti_spin_wait_woke(&s, ti_spin_wait_sleep(&s));
  start = ti_clock_now();
  CHECK(!spin(&s, SPIN_TIME, &word, 1));
  CHECK(ti_clock_now() - start >= SPIN_EXTENSION * SPIN_TIME);
  /* patience has an end */
  ti_spin_wait_woke(&s, ti_spin_wait_sleep(&s));
  CHECK(ti_spin_wait_start(&s, SPIN_LONGEST / 2, &k) && k.time == SPIN_LONGEST);
  CHECK(ti_spin_wait_start(&s, 2 * SPIN_LONGEST, &k) && k.time == 2 * SPIN_LONGEST);
}

/* Of many sleeps that spinning did not shorten, few have a spin: their number grows with the
** logarithm, then with one in SPIN_MAX_SKIP + 1. */
static void test_backs_off(void) {
  atomic_size_t word = 1;
  struct ti_spin_wait s;
  int spins = 0;
  ti_spin_wait_init(&s);
  s.enabled = true;
  for (int i = 0; i < 1000; i++) {
    spins += s.skip == 0;
    CHECK(!spin(&s, SPIN_TIME, &word, 1));
  }
  CHECK(spins >= 8 && spins <= 12);
  /* and a spin that pays makes the next sleeps begin with one */
  s.skip = 0;
  CHECK(spin(&s, SPIN_TIME, &word, 2));
  CHECK(!spin(&s, SPIN_TIME, &word, 1));
  CHECK(s.skip == 1);
}

/* Where spinning is off, nothing is checked. */
static void test_off(void) {
  atomic_size_t word = 1;
  struct ti_spin_wait s;
  ti_spin_wait_init(&s);
  CHECK(s.enabled == ti_cpu_count_parallel());
  s.enabled = true;
  CHECK(!spin(&s, 0, &word, 2));
  s.enabled = false; /* one processor */
  CHECK(!spin(&s, SPIN_TIME, &word, 2));
}

int main(void) {
  test_sees_the_change();
  test_gives_up();
  test_short_sleeps();
  test_backs_off();
  test_off();
  return check_done();
}
