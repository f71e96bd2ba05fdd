/*
** mailbox_test.c: watches, sets and the sleep, alone and against completers.
**
** SPDX-License-Identifier: MIT
*/
#include "../../csrc/mailbox.h"
#include "../../csrc/task.h"
#include "support.h"

static struct task *promise(void) {
  struct task *t = tide_task_new(NULL, &counted_mem, NULL);
  if (t == NULL) exit(2);
  return t;
}

static void test_order_and_counts(void) {
  struct mailbox box;
  struct mailset set;
  struct watch w[4];
  struct task *t[4];
  int i;
  CHECK(tide_mailbox_init(&box) == 0);
  tide_mailset_init(&set, &box);
  CHECK(tide_mailset_take(&set) == NULL);
  CHECK(tide_mailset_sleep(&set, 0, false, SYS_NEVER));
  for (i = 0; i < 4; i++) t[i] = promise();
  CHECK(tide_task_finish(t[3], FAULT_NONE, NULL));
  for (i = 0; i < 4; i++) tide_watch_start(&w[i], t[i], &set);
  CHECK(tide_mailset_sleep(&set, 1, false, SYS_NEVER)); /* done before: there at once */
  CHECK(!tide_mailset_sleep(&set, 2, false, 0) && set.need == 0);
  CHECK(tide_task_cancel(t[1]));
  CHECK(tide_mailset_sleep(&set, 2, true, 0)); /* cancelled is done, and no failure */
  CHECK(!tide_mailset_sleep(&set, 3, true, 0));
  CHECK(tide_task_finish(t[2], FAULT_ERROR, NULL));
  CHECK(tide_mailset_sleep(&set, 4, true, SYS_NEVER)); /* a failure ends it early */
  CHECK(!tide_mailset_sleep(&set, 4, false, 0));
  CHECK(tide_mailset_take(&set) == &w[3] && tide_mailset_take(&set) == &w[1]);
  CHECK(w[1].task == t[1] && w[1].set == NULL && !w[1].failure);
  CHECK(tide_mailset_sleep(&set, 1, false, 0) && !tide_mailset_sleep(&set, 2, false, 0));
  CHECK(tide_mailset_take(&set) == &w[2] && w[2].failure);
  CHECK(tide_mailset_take(&set) == NULL);
  CHECK(!tide_mailset_sleep(&set, 1, true, 0));     /* taken ones do not count, failed or not */
  for (i = 0; i < 4; i++) tide_watch_cancel(&w[i]); /* w[0] is on its task still */
  CHECK(t[0]->watches == NULL && tide_task_finish(t[0], FAULT_NONE, NULL));
  CHECK(tide_mailset_take(&set) == NULL && set.nready == 0 && set.nfailed == 0);
  for (i = 0; i < 4; i++) tide_task_rele(t[i]);
  tide_mailbox_fini(&box);
  CHECK(memory_clean());
}

/* The same task twice in one set and once in another, on one mailbox; cancel of an arrived,
** of a cancelled and of an idle watch. */
static void test_several_watches(void) {
  struct mailbox box;
  struct mailset a, b;
  struct watch w[3], idle;
  struct task *t = promise();
  CHECK(tide_mailbox_init(&box) == 0);
  tide_mailset_init(&a, &box);
  tide_mailset_init(&b, &box);
  tide_watch_init(&idle);
  tide_watch_cancel(&idle);
  tide_watch_start(&w[0], t, &a);
  tide_watch_start(&w[1], t, &b);
  tide_watch_start(&w[2], t, &a);
  CHECK(tide_task_finish(t, FAULT_ERROR, NULL));
  CHECK(a.nready == 2 && a.nfailed == 2 && b.nready == 1);
  tide_watch_cancel(&w[0]);
  CHECK(a.nready == 1 && a.nfailed == 1);
  tide_watch_cancel(&w[0]);
  CHECK(tide_mailset_take(&a) == &w[2] && a.nfailed == 0);
  tide_watch_cancel(&w[2]);
  CHECK(tide_mailset_take(&b) == &w[1]);
  tide_watch_start(&w[1], t, &a); /* idle again, so it can be used again */
  CHECK(tide_mailset_take(&a) == &w[1]);
  tide_task_rele(t);
  tide_mailbox_fini(&box);
}

static void test_timeout(void) {
  struct mailbox box;
  struct mailset set;
  struct watch w;
  struct task *t = promise();
  sys_time deadline;
  CHECK(tide_mailbox_init(&box) == 0);
  tide_mailset_init(&set, &box);
  tide_watch_start(&w, t, &set);
  deadline = tide_deadline(0.03);
  CHECK(!tide_mailset_sleep(&set, 1, false, deadline) && tide_now() >= deadline);
  tide_watch_cancel(&w);
  tide_task_rele(t);
  tide_mailbox_fini(&box);
}

static struct task *pair[2];
static struct mailset *slept_on;

static void *fail_the_first(void *arg) {
  bool asleep = false;
  (void)arg;
  while (!asleep) {
    tide_lock_take(&slept_on->box->lock);
    asleep = slept_on->need > 0;
    tide_lock_drop(&slept_on->box->lock);
  }
  CHECK(tide_task_finish(pair[0], FAULT_TRANSFER, NULL));
  return NULL;
}

/* A failure wakes one who sleeps for more than that. */
static void test_failure_wakes(void) {
  struct mailbox box;
  struct mailset set;
  struct watch w[2];
  struct sys_thread thread;
  int i;
  CHECK(tide_mailbox_init(&box) == 0);
  tide_mailset_init(&set, &box);
  slept_on = &set;
  for (i = 0; i < 2; i++) {
    pair[i] = promise();
    tide_watch_start(&w[i], pair[i], &set);
  }
  spawn(&thread, fail_the_first, NULL);
  CHECK(tide_mailset_sleep(&set, 2, true, SYS_NEVER));
  tide_thread_join(&thread);
  CHECK(tide_mailset_take(&set) == &w[0] && w[0].failure && tide_mailset_take(&set) == NULL);
  for (i = 0; i < 2; i++) {
    tide_watch_cancel(&w[i]);
    tide_task_rele(pair[i]);
  }
  tide_mailbox_fini(&box);
}

/* ---------------------------------------------------- several waiting threads -- */

enum { WAITERS = 8 };

static struct task *awaited;
static struct gate ready;

static void *wait_for_it(void *arg) {
  struct mailbox box;
  struct mailset set;
  struct watch w;
  (void)arg;
  CHECK(tide_mailbox_init(&box) == 0);
  tide_mailset_init(&set, &box);
  tide_watch_start(&w, awaited, &set);
  gate_enter(&ready); /* it is open: this only counts */
  CHECK(tide_mailset_sleep(&set, 1, false, SYS_NEVER) && tide_task_done(awaited));
  CHECK(awaited->msg.bytes.len == 8);
  CHECK(tide_mailset_take(&set) == &w);
  tide_mailbox_fini(&box);
  return NULL;
}

static void test_several_waiters(void) {
  struct sys_thread threads[WAITERS];
  int round, i;
  for (round = 0; round < 50; round++) {
    struct message out;
    tide_message_init(&out, &counted_mem);
    tide_bytes_put_u64(&out.bytes, 1);
    awaited = promise();
    gate_init(&ready);
    gate_open(&ready);
    for (i = 0; i < WAITERS; i++) spawn(&threads[i], wait_for_it, NULL);
    gate_await(&ready, WAITERS);
    CHECK(tide_task_finish(awaited, FAULT_NONE, &out));
    for (i = 0; i < WAITERS; i++) tide_thread_join(&threads[i]);
    tide_task_rele(awaited);
    gate_fini(&ready);
  }
  CHECK(memory_clean());
}

/* ------------------------------------------------------------- random races -- */

/* Completers finish the owners' promises in any order while owners watch, sleep, take and
** cancel. Mailbox, sets and watches are on the owner's heap and stack and are overwritten as soon
** as the last cancel returns, so that a late completer would be seen. */

enum { OWNERS = 3, PROMISES = 12 };

struct duty {
  uint64_t seed;
  int rounds;
};

/* Where promises wait for a completer; each holds a reference. */
static struct {
  struct sys_lock lock;
  struct sys_cond filled;  /* n > 0, or over */
  struct sys_cond drained; /* n is below the limit */
  struct task *tasks[OWNERS * PROMISES];
  size_t n;
  bool over;
} bench;

static void bench_put(struct task *t) {
  tide_lock_take(&bench.lock);
  while (bench.n == OWNERS * PROMISES) tide_cond_wait(&bench.drained, &bench.lock, SYS_NEVER);
  bench.tasks[bench.n++] = tide_task_hold(t);
  tide_cond_signal(&bench.filled);
  tide_lock_drop(&bench.lock);
}

static void *complete(void *arg) {
  uint64_t r = ((struct duty *)arg)->seed;
  for (;;) {
    struct task *t;
    size_t i;
    tide_lock_take(&bench.lock);
    while (bench.n == 0 && !bench.over) tide_cond_wait(&bench.filled, &bench.lock, SYS_NEVER);
    if (bench.n == 0) {
      tide_lock_drop(&bench.lock);
      return NULL;
    }
    i = check_random(&r, bench.n);
    t = bench.tasks[i];
    bench.tasks[i] = bench.tasks[--bench.n];
    tide_cond_signal(&bench.drained);
    tide_lock_drop(&bench.lock);
    if (check_random(&r, 4) == 0)
      tide_task_cancel(t);
    else
      tide_task_finish(t, check_random(&r, 6) == 0 ? FAULT_ERROR : FAULT_NONE, NULL);
    tide_task_rele(t);
  }
}

static bool is_failure(const struct task *t) {
  return tide_task_state(t) == TASK_FINISHED && t->outcome != FAULT_NONE;
}

static void own_once(uint64_t *r) {
  struct mailbox *box = (struct mailbox *)malloc(sizeof *box);
  struct mailset sets[2];
  struct watch watches[PROMISES];
  struct task *tasks[PROMISES];
  size_t left[2] = {0, 0}, i;
  bool taken[PROMISES] = {false};
  if (box == NULL || tide_mailbox_init(box) != 0) exit(2);
  tide_mailset_init(&sets[0], box);
  tide_mailset_init(&sets[1], box);
  for (i = 0; i < PROMISES; i++) {
    bool early = check_random(r, 2) == 0;
    size_t s = check_random(r, 2);
    tasks[i] = promise();
    if (early) bench_put(tasks[i]);
    tide_watch_start(&watches[i], tasks[i], &sets[s]);
    left[s]++;
    if (!early) bench_put(tasks[i]);
  }
  for (i = 0; i < 6; i++) {
    size_t s = check_random(r, 2), need = check_random(r, left[s] + 1), got = 0;
    bool stop = check_random(r, 2) == 0, failure = false;
    bool forever = check_random(r, 3) > 0;
    bool come = tide_mailset_sleep(&sets[s], need, stop, forever ? SYS_NEVER : tide_now() + 20000);
    size_t most = check_random(r, PROMISES + 1);
    struct watch *w;
    CHECK(come || !forever);
    while (got < most && (w = tide_mailset_take(&sets[s])) != NULL) {
      size_t k = (size_t)(w - watches);
      CHECK(k < PROMISES && !taken[k] && w->task == tasks[k] && tide_task_done(w->task));
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
    tide_watch_cancel(&watches[k]);
    memset(&watches[k], 0xee, sizeof watches[k]);
  }
  CHECK(fifo_empty(&sets[0].ready) && fifo_empty(&sets[1].ready));
  CHECK(sets[0].nready + sets[1].nready + sets[0].nfailed + sets[1].nfailed == 0);
  memset(sets, 0xee, sizeof sets);
  tide_mailbox_fini(box);
  memset(box, 0xee, sizeof *box);
  free(box);
  for (i = 0; i < PROMISES; i++) tide_task_rele(tasks[i]);
}

static void *own(void *arg) {
  struct duty *d = (struct duty *)arg;
  while (d->rounds-- > 0) own_once(&d->seed);
  return NULL;
}

static void test_races(uint64_t seed, int completers, int rounds) {
  struct sys_thread owners[OWNERS], workers[16];
  struct duty duties[OWNERS + 16];
  int i;
  CHECK(tide_lock_init(&bench.lock) == 0 && tide_cond_init(&bench.filled) == 0);
  CHECK(tide_cond_init(&bench.drained) == 0);
  bench.n = 0;
  bench.over = false;
  for (i = 0; i < OWNERS + completers; i++) {
    duties[i].seed = seed * 1000 + (uint64_t)i;
    duties[i].rounds = rounds;
  }
  for (i = 0; i < completers; i++) spawn(&workers[i], complete, &duties[OWNERS + i]);
  for (i = 0; i < OWNERS; i++) spawn(&owners[i], own, &duties[i]);
  for (i = 0; i < OWNERS; i++) tide_thread_join(&owners[i]);
  tide_lock_take(&bench.lock);
  bench.over = true;
  tide_cond_broadcast(&bench.filled);
  tide_lock_drop(&bench.lock);
  for (i = 0; i < completers; i++) tide_thread_join(&workers[i]);
  tide_cond_fini(&bench.filled);
  tide_cond_fini(&bench.drained);
  tide_lock_fini(&bench.lock);
  CHECK(memory_clean());
}

int main(void) {
  uint64_t seed = check_seed(tide_now());
  test_order_and_counts();
  test_several_watches();
  test_timeout();
  test_failure_wakes();
  test_several_waiters();
  test_races(seed, 1, 400);
  test_races(seed + 1, 3, 1500);
  test_races(seed + 2, 16, 400);
  return check_done();
}
