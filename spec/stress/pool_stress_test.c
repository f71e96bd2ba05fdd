/*
** pool_stress_test.c: random submitters, cancellers and closers on random pools. In the end every
** task has ended exactly once, and the pool's counts agree with those of the users.
**
** SPDX-License-Identifier: MIT
*/
#include "pool_support.h"

enum { MAX_USERS = 12, OWN = 24 };

struct counts {
  size_t accepted, ran, cancelled, broken;
};

struct user {
  struct rig *rig;
  struct ti_thread thread;
  uint64_t seed;
  int rounds;
  int closes_at; /* the round in which it closes the pool, or -1 */
  struct counts counts;
};

/* A task of a user with its job. Other users may cancel it. */
struct own_task {
  struct job job;
  struct ti_task *task;
  bool accepted;
};

/* Tasks that any user may cancel or wait for; each entry holds a reference. */
static struct {
  struct ti_mutex lock;
  struct ti_task *tasks[16];
} shared;

static struct ti_task *swap_shared(size_t i, struct ti_task *t) {
  struct ti_task *before;
  ti_mutex_lock(&shared.lock);
  before = shared.tasks[i];
  shared.tasks[i] = t;
  ti_mutex_unlock(&shared.lock);
  return before;
}

static void settle(struct user *u, struct own_task *d) {
  struct ti_task *t = d->task;
  int ran = atomic_load(&d->job.ran);
  if (!d->accepted) {
    CHECK(ti_task_state(t) != TIDE_FINISHED && ran == 0);
  } else {
    CHECK(wait_for(t, -1));
    ran = atomic_load(&d->job.ran);
    u->counts.accepted++;
    if (ti_task_state(t) == TIDE_CANCELLED) {
      CHECK(ran == 0 && t->msg.bytes.len == 0 && t->outcome == TIDE_ECANCELLED);
      u->counts.cancelled++;
    } else if (t->outcome == TIDE_EBROKEN) {
      CHECK(ran == 0);
      u->counts.broken++;
    } else {
      CHECK(ran == 1 && t->outcome == d->job.outcome && t->msg.bytes.len == MESSAGE_SMALL + 1);
      u->counts.ran++;
    }
  }
  ti_task_release(t);
  d->task = NULL;
}

static void submit_one(struct user *u, struct own_task *d) {
  uint64_t *r = &u->seed;
  int err = 0, code;
  ti_time deadline =
      check_random(r, 4) == 0 ? ti_clock_now() + check_random(r, 200000) : TI_CLOCK_NEVER;
  d->job = job_of(u->rig);
  d->job.outcome = check_random(r, 5) == 0 ? TIDE_EERROR : TIDE_OK;
  d->task = task_of(u->rig, &d->job, check_random(r, 3) == 0 ? (int)check_random(r, 5) - 2 : 0);
  code = ti_pool_submit(u->rig->pool, d->task, deadline, &err);
  CHECK(code == TIDE_OK || code == TIDE_ESHUTDOWN || code == TIDE_EBROKEN ||
        (code == TIDE_ETIMEOUT && deadline != TI_CLOCK_NEVER));
  d->accepted = code == TIDE_OK;
  if (d->accepted && check_random(r, 4) == 0)
    ti_task_release(swap_shared(check_random(r, 16), ti_task_hold(d->task)));
}

static void *use(void *arg) {
  struct user *u = (struct user *)arg;
  uint64_t *r = &u->seed;
  struct ti_pool *p = u->rig->pool;
  /* on the heap: a late reader of a job is seen by the sanitizers */
  struct own_task *tasks = (struct own_task *)calloc(OWN, sizeof *tasks);
  size_t i, k;
  int round;
  if (tasks == NULL) exit(2);
  for (round = 0; round < u->rounds; round++) {
    struct own_task *d = &tasks[check_random(r, OWN)];
    if (round == u->closes_at) ti_pool_close(p, check_random(r, 2) == 0);
    switch (check_random(r, 8)) {
      default:
        if (d->task == NULL) submit_one(u, d);
        break;
      case 0:
        if (d->task != NULL && ti_pool_cancel_task(p, d->task))
          CHECK(ti_task_state(d->task) == TIDE_CANCELLED);
        break;
      case 1:
        if (d->task != NULL && d->accepted) wait_for(d->task, 1e-6 * (double)check_random(r, 300));
        break;
      case 2:
        if (d->task != NULL) settle(u, d);
        break;
      case 3: { /* a task that another user may have submitted */
        struct ti_task *t = swap_shared(check_random(r, 16), NULL);
        if (t != NULL && check_random(r, 2) == 0 && ti_pool_cancel_task(p, t))
          CHECK(ti_task_state(t) == TIDE_CANCELLED);
        if (t != NULL && check_random(r, 2) == 0) wait_for(t, -1);
        ti_task_release(t);
        break;
      }
      case 4: stats(u->rig); break;
    }
  }
  if (u->closes_at >= 0) CHECK(ti_pool_wait(p, TI_CLOCK_NEVER));
  for (i = 0; i < OWN; i++)
    if (tasks[i].task != NULL) settle(u, &tasks[i]);
  /* last: a job must live as long as its task, to which others may have a reference */
  for (k = 0; k < 16; k++) ti_task_release(swap_shared(k, NULL));
  free(tasks);
  return NULL;
}

static void test_round(uint64_t seed, int rounds) {
  static const int sizes[] = {1, 2, 3, 16};
  static const double timeouts[] = {-1, 0, 0.0002, 0.002};
  uint64_t r = seed;
  struct rig rig;
  struct user users[MAX_USERS];
  struct counts sum = {0, 0, 0, 0};
  struct ti_pool_stats s;
  struct ti_pool_config cfg = config(sizes[check_random(&r, 4)]);
  int n = 1 + (int)check_random(&r, check_random(&r, 2) == 0 ? 3 : MAX_USERS), i;
  cfg.idle_timeout = timeouts[check_random(&r, 4)];
  cfg.max_queue = check_random(&r, 2) == 0 ? 0 : 1 + check_random(&r, 6);
  rig_start(&rig, &cfg);
  if (check_random(&r, 3) == 0) atomic_store(&rig.max_tasks, 1 + (int)check_random(&r, 4));
  if (check_random(&r, 4) == 0) atomic_store(&rig.open_fails, 1 + (int)check_random(&r, 8));
  CHECK(ti_mutex_init(&shared.lock) == 0);
  for (i = 0; i < n; i++) {
    bool closes = i == 0 || check_random(&r, 4) == 0;
    memset(&users[i], 0, sizeof users[i]);
    users[i].rig = &rig;
    users[i].seed = seed * 100 + (uint64_t)i;
    users[i].rounds = rounds;
    users[i].closes_at = closes ? rounds / 2 + (int)check_random(&r, (size_t)rounds / 2) : -1;
  }
  for (i = 0; i < n; i++) spawn(&users[i].thread, use, &users[i]);
  for (i = 0; i < n; i++) {
    ti_thread_join(&users[i].thread);
    sum.accepted += users[i].counts.accepted;
    sum.ran += users[i].counts.ran;
    sum.cancelled += users[i].counts.cancelled;
    sum.broken += users[i].counts.broken;
  }
  CHECK(ti_pool_wait(rig.pool, TI_CLOCK_NEVER));
  s = stats(&rig);
  CHECK(s.submitted == sum.accepted && s.cancelled == sum.cancelled);
  CHECK(s.finished == sum.ran + sum.broken && s.queued == 0 && s.running == 0);
  CHECK((size_t)atomic_load(&rig.ran) == sum.ran);
  CHECK(sum.broken == 0 || ti_pool_broken_reason(rig.pool) != NULL);
  ti_mutex_fini(&shared.lock);
  rig_end(&rig);
}

int main(void) {
  uint64_t seed = check_seed(ti_clock_now());
  const char *given = getenv("TIDE_ROUNDS");
  int rounds = given != NULL ? atoi(given) : 120, i;
  for (i = 0; i < rounds; i++) test_round(seed + (uint64_t)i, i % 3 == 0 ? 1500 : 300);
  return check_done();
}
