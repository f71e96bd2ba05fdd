/*
** waiter_test.c: wait entries, wait sets and the sleep, alone and against completers.
**
** SPDX-License-Identifier: MIT
*/
#include "sched/waiter.h"
#include "sched/task.h"
#include "platform/clock.h"
#include "platform/cond.h"
#include "platform/mutex.h"
#include "platform/thread.h"
#include "support.h"

static struct ti_task *promise(void) {
  struct ti_task *t = ti_task_new(NULL, &counted_mem, NULL);
  if (t == NULL) exit(2);
  return t;
}

static void test_order_and_counts(void) {
  struct ti_waiter waiter;
  struct ti_wait_set set;
  struct ti_wait_entry w[4];
  struct ti_task *t[4];
  int i;
  CHECK(ti_waiter_init(&waiter) == 0);
  ti_waiter_set_init(&set, &waiter);
  CHECK(ti_waiter_set_take(&set) == NULL);
  CHECK(ti_waiter_set_sleep(&set, 0, false, TI_CLOCK_NEVER));
  for (i = 0; i < 4; i++) t[i] = promise();
  CHECK(ti_task_finish(t[3], TIDE_OK, NULL));
  for (i = 0; i < 4; i++) ti_waiter_entry_start(&w[i], t[i], &set);
  CHECK(ti_waiter_set_sleep(&set, 1, false, TI_CLOCK_NEVER)); /* done before: there at once */
  CHECK(!ti_waiter_set_sleep(&set, 2, false, 0) && set.need == 0);
  CHECK(ti_task_cancel(t[1]));
  CHECK(ti_waiter_set_sleep(&set, 2, true, 0)); /* cancelled is done, and no failure */
  CHECK(!ti_waiter_set_sleep(&set, 3, true, 0));
  CHECK(ti_task_finish(t[2], TIDE_EERROR, NULL));
  CHECK(ti_waiter_set_sleep(&set, 4, true, TI_CLOCK_NEVER)); /* a failure ends it early */
  CHECK(!ti_waiter_set_sleep(&set, 4, false, 0));
  CHECK(ti_waiter_set_take(&set) == &w[3] && ti_waiter_set_take(&set) == &w[1]);
  CHECK(w[1].task == t[1] && w[1].set == NULL && !w[1].failure);
  CHECK(ti_waiter_set_sleep(&set, 1, false, 0) && !ti_waiter_set_sleep(&set, 2, false, 0));
  CHECK(ti_waiter_set_take(&set) == &w[2] && w[2].failure);
  CHECK(ti_waiter_set_take(&set) == NULL);
  CHECK(!ti_waiter_set_sleep(&set, 1, true, 0)); /* taken ones do not count, failed or not */
  for (i = 0; i < 4; i++) ti_waiter_entry_cancel(&w[i]); /* w[0] is on its task still */
  CHECK(t[0]->waiters == NULL && ti_task_finish(t[0], TIDE_OK, NULL));
  CHECK(ti_waiter_set_take(&set) == NULL && set.nready == 0 && set.nfailed == 0);
  for (i = 0; i < 4; i++) ti_task_release(t[i]);
  ti_waiter_fini(&waiter);
  CHECK(memory_clean());
}

/* The same task twice in one set and once in another, on one waiter. An arrived, a cancelled and an
** idle entry are cancelled. */
static void test_several_entries(void) {
  struct ti_waiter waiter;
  struct ti_wait_set a, b;
  struct ti_wait_entry w[3], idle;
  struct ti_task *t = promise();
  CHECK(ti_waiter_init(&waiter) == 0);
  ti_waiter_set_init(&a, &waiter);
  ti_waiter_set_init(&b, &waiter);
  ti_waiter_entry_init(&idle);
  ti_waiter_entry_cancel(&idle);
  ti_waiter_entry_start(&w[0], t, &a);
  ti_waiter_entry_start(&w[1], t, &b);
  ti_waiter_entry_start(&w[2], t, &a);
  CHECK(ti_task_finish(t, TIDE_EERROR, NULL));
  CHECK(a.nready == 2 && a.nfailed == 2 && b.nready == 1);
  ti_waiter_entry_cancel(&w[0]);
  CHECK(a.nready == 1 && a.nfailed == 1);
  ti_waiter_entry_cancel(&w[0]);
  CHECK(ti_waiter_set_take(&a) == &w[2] && a.nfailed == 0);
  ti_waiter_entry_cancel(&w[2]);
  CHECK(ti_waiter_set_take(&b) == &w[1]);
  ti_waiter_entry_start(&w[1], t, &a); /* idle again, so it can be used again */
  CHECK(ti_waiter_set_take(&a) == &w[1]);
  ti_task_release(t);
  ti_waiter_fini(&waiter);
}

static void test_timeout(void) {
  struct ti_waiter waiter;
  struct ti_wait_set set;
  struct ti_wait_entry w;
  struct ti_task *t = promise();
  ti_time deadline;
  CHECK(ti_waiter_init(&waiter) == 0);
  ti_waiter_set_init(&set, &waiter);
  ti_waiter_entry_start(&w, t, &set);
  deadline = ti_clock_deadline(0.03);
  CHECK(!ti_waiter_set_sleep(&set, 1, false, deadline) && ti_clock_now() >= deadline);
  ti_waiter_entry_cancel(&w);
  ti_task_release(t);
  ti_waiter_fini(&waiter);
}

static struct ti_task *pair[2];
static struct ti_wait_set *slept_on;

static void *fail_the_first(void *arg) {
  bool asleep = false;
  (void)arg;
  while (!asleep) {
    ti_mutex_lock(&slept_on->waiter->lock);
    asleep = slept_on->need > 0;
    ti_mutex_unlock(&slept_on->waiter->lock);
  }
  CHECK(ti_task_finish(pair[0], TIDE_ETRANSFER, NULL));
  return NULL;
}

/* A failure wakes a thread that sleeps for more than that. */
static void test_failure_wakes(void) {
  struct ti_waiter waiter;
  struct ti_wait_set set;
  struct ti_wait_entry w[2];
  struct ti_thread thread;
  int i;
  CHECK(ti_waiter_init(&waiter) == 0);
  ti_waiter_set_init(&set, &waiter);
  slept_on = &set;
  for (i = 0; i < 2; i++) {
    pair[i] = promise();
    ti_waiter_entry_start(&w[i], pair[i], &set);
  }
  spawn(&thread, fail_the_first, NULL);
  CHECK(ti_waiter_set_sleep(&set, 2, true, TI_CLOCK_NEVER));
  ti_thread_join(&thread);
  CHECK(ti_waiter_set_take(&set) == &w[0] && w[0].failure && ti_waiter_set_take(&set) == NULL);
  for (i = 0; i < 2; i++) {
    ti_waiter_entry_cancel(&w[i]);
    ti_task_release(pair[i]);
  }
  ti_waiter_fini(&waiter);
}

/* ---------------------------------------------------- several waiting threads -- */

enum { WAITERS = 8 };

static struct ti_task *awaited;
static struct gate ready;

static void *wait_for_it(void *arg) {
  struct ti_waiter waiter;
  struct ti_wait_set set;
  struct ti_wait_entry w;
  (void)arg;
  CHECK(ti_waiter_init(&waiter) == 0);
  ti_waiter_set_init(&set, &waiter);
  ti_waiter_entry_start(&w, awaited, &set);
  gate_enter(&ready); /* it is open: this only counts */
  CHECK(ti_waiter_set_sleep(&set, 1, false, TI_CLOCK_NEVER) && ti_task_done(awaited));
  CHECK(awaited->msg.bytes.len == 8);
  CHECK(ti_waiter_set_take(&set) == &w);
  ti_waiter_fini(&waiter);
  return NULL;
}

static void test_several_waiters(void) {
  struct ti_thread threads[WAITERS];
  int round, i;
  for (round = 0; round < 50; round++) {
    struct ti_message out;
    ti_message_init(&out, &counted_mem);
    ti_buffer_put_u64(&out.bytes, 1);
    awaited = promise();
    gate_init(&ready);
    gate_open(&ready);
    for (i = 0; i < WAITERS; i++) spawn(&threads[i], wait_for_it, NULL);
    gate_await(&ready, WAITERS);
    CHECK(ti_task_finish(awaited, TIDE_OK, &out));
    for (i = 0; i < WAITERS; i++) ti_thread_join(&threads[i]);
    ti_task_release(awaited);
    gate_fini(&ready);
  }
  CHECK(memory_clean());
}

/* ------------------------------------------------------------- random races -- */

/* Completers finish the owners' promises in any order while owners start, take and cancel entries,
** and sleep. Waiter, sets and entries are on the owner's heap and stack. They are overwritten as
** soon as the last cancel returns, so that a late completer would be seen. */

enum { OWNERS = 3, PROMISES = 12 };

struct duty {
  uint64_t seed;
  int rounds;
};

/* Where promises wait for a completer; each holds a reference. */
static struct {
  struct ti_mutex lock;
  struct ti_cond filled;  /* n > 0, or over */
  struct ti_cond drained; /* n is below the limit */
  struct ti_task *tasks[OWNERS * PROMISES];
  size_t n;
  bool over;
} bench;

static void bench_put(struct ti_task *t) {
  ti_mutex_lock(&bench.lock);
  while (bench.n == OWNERS * PROMISES) ti_cond_wait(&bench.drained, &bench.lock, TI_CLOCK_NEVER);
  bench.tasks[bench.n++] = ti_task_hold(t);
  ti_cond_signal(&bench.filled);
  ti_mutex_unlock(&bench.lock);
}

static void *complete(void *arg) {
  uint64_t r = ((struct duty *)arg)->seed;
  for (;;) {
    struct ti_task *t;
    size_t i;
    ti_mutex_lock(&bench.lock);
    while (bench.n == 0 && !bench.over) ti_cond_wait(&bench.filled, &bench.lock, TI_CLOCK_NEVER);
    if (bench.n == 0) {
      ti_mutex_unlock(&bench.lock);
      return NULL;
    }
    i = check_random(&r, bench.n);
    t = bench.tasks[i];
    bench.tasks[i] = bench.tasks[--bench.n];
    ti_cond_signal(&bench.drained);
    ti_mutex_unlock(&bench.lock);
    if (check_random(&r, 4) == 0)
      ti_task_cancel(t);
    else
      ti_task_finish(t, check_random(&r, 6) == 0 ? TIDE_EERROR : TIDE_OK, NULL);
    ti_task_release(t);
  }
}

static bool is_failure(const struct ti_task *t) {
  return ti_task_state(t) == TIDE_FINISHED && t->outcome != TIDE_OK;
}

static void own_once(uint64_t *r) {
  struct ti_waiter *waiter = (struct ti_waiter *)malloc(sizeof *waiter);
  struct ti_wait_set sets[2];
  struct ti_wait_entry entries[PROMISES];
  struct ti_task *tasks[PROMISES];
  size_t left[2] = {0, 0}, i;
  bool taken[PROMISES] = {false};
  if (waiter == NULL || ti_waiter_init(waiter) != 0) exit(2);
  ti_waiter_set_init(&sets[0], waiter);
  ti_waiter_set_init(&sets[1], waiter);
  for (i = 0; i < PROMISES; i++) {
    bool early = check_random(r, 2) == 0;
    size_t s = check_random(r, 2);
    tasks[i] = promise();
    if (early) bench_put(tasks[i]);
    ti_waiter_entry_start(&entries[i], tasks[i], &sets[s]);
    left[s]++;
    if (!early) bench_put(tasks[i]);
  }
  for (i = 0; i < 6; i++) {
    size_t s = check_random(r, 2), need = check_random(r, left[s] + 1), got = 0;
    bool stop = check_random(r, 2) == 0, failure = false;
    bool forever = check_random(r, 3) > 0;
    bool come = ti_waiter_set_sleep(&sets[s], need, stop,
                                    forever ? TI_CLOCK_NEVER : ti_clock_now() + 20000);
    size_t most = check_random(r, PROMISES + 1);
    struct ti_wait_entry *w;
    CHECK(come || !forever);
    while (got < most && (w = ti_waiter_set_take(&sets[s])) != NULL) {
      size_t k = (size_t)(w - entries);
      CHECK(k < PROMISES && !taken[k] && w->task == tasks[k] && ti_task_done(w->task));
      CHECK(w->failure == is_failure(w->task));
      failure = failure || w->failure;
      taken[k] = true;
      left[s]--;
      got++;
    }
    if (come && got < most) CHECK(got >= need || (stop && failure));
  }
  for (i = 0; i < PROMISES; i++) {
    size_t k = (i * 5 + 3) % PROMISES;
    ti_waiter_entry_cancel(&entries[k]);
    memset(&entries[k], 0xee, sizeof entries[k]);
  }
  CHECK(ti_list_empty(&sets[0].ready) && ti_list_empty(&sets[1].ready));
  CHECK(sets[0].nready + sets[1].nready + sets[0].nfailed + sets[1].nfailed == 0);
  memset(sets, 0xee, sizeof sets);
  ti_waiter_fini(waiter);
  memset(waiter, 0xee, sizeof *waiter);
  free(waiter);
  for (i = 0; i < PROMISES; i++) ti_task_release(tasks[i]);
}

static void *own(void *arg) {
  struct duty *d = (struct duty *)arg;
  while (d->rounds-- > 0) own_once(&d->seed);
  return NULL;
}

static void test_races(uint64_t seed, int completers, int rounds) {
  struct ti_thread owners[OWNERS], workers[16];
  struct duty duties[OWNERS + 16];
  int i;
  CHECK(ti_mutex_init(&bench.lock) == 0 && ti_cond_init(&bench.filled) == 0);
  CHECK(ti_cond_init(&bench.drained) == 0);
  bench.n = 0;
  bench.over = false;
  for (i = 0; i < OWNERS + completers; i++) {
    duties[i].seed = seed * 1000 + (uint64_t)i;
    duties[i].rounds = rounds;
  }
  for (i = 0; i < completers; i++) spawn(&workers[i], complete, &duties[OWNERS + i]);
  for (i = 0; i < OWNERS; i++) spawn(&owners[i], own, &duties[i]);
  for (i = 0; i < OWNERS; i++) ti_thread_join(&owners[i]);
  ti_mutex_lock(&bench.lock);
  bench.over = true;
  ti_cond_broadcast(&bench.filled);
  ti_mutex_unlock(&bench.lock);
  for (i = 0; i < completers; i++) ti_thread_join(&workers[i]);
  ti_cond_fini(&bench.filled);
  ti_cond_fini(&bench.drained);
  ti_mutex_fini(&bench.lock);
  CHECK(memory_clean());
}

int main(void) {
  uint64_t seed = check_seed(ti_clock_now());
  test_order_and_counts();
  test_several_entries();
  test_timeout();
  test_failure_wakes();
  test_several_waiters();
  test_races(seed, 1, 400);
  test_races(seed + 1, 3, 1500);
  test_races(seed + 2, 16, 400);
  return check_done();
}
