/*
** pool_test.c: what a pool does, one rule at a time; gates make each step certain.
**
** SPDX-License-Identifier: MIT
*/
#include <pthread.h>

#include "pool_support.h"

static void test_runs_and_ends(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(3);
  struct job good, bad;
  struct ti_task *t;
  rig_start(&rig, &cfg);
  good = job_of(&rig);
  bad = job_of(&rig);
  bad.outcome = TIDE_EERROR;
  CHECK(strcmp(ti_pool_name(rig.pool), "pool") == 0 && !ti_pool_threads_is_worker(rig.pool));
  CHECK(stats(&rig).workers == 0 && !ti_pool_wait(rig.pool, 0)); /* open: nothing ends */
  t = submit(&rig, &good);
  CHECK(stats(&rig).tasks == 1);
  CHECK(wait_for(t, -1) && t->outcome == TIDE_OK && t->msg.bytes.len == MESSAGE_SMALL + 1);
  CHECK(t->msg.bytes.data[0] == 99);
  ti_task_release(t);
  CHECK(finish(submit(&rig, &bad)) == TIDE_EERROR);
  CHECK(stats(&rig).finished == 2 && stats(&rig).failed == 1 && stats(&rig).cancelled == 0);
  rig_end(&rig);
  rig_start(&rig, &cfg); /* no thread was ever started */
  rig_end(&rig);
}

/* Submit, wait, submit: one thread serves all, and its worker is idle when its task is done. */
static void test_one_after_the_other(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(8);
  int i;
  rig_start(&rig, &cfg);
  for (i = 0; i < 3000; i++) {
    struct ti_pool_stats s;
    CHECK(finish(submit(&rig, NULL)) == TIDE_OK);
    s = stats(&rig);
    CHECK(s.workers == 1 && s.idle == 1 && s.finished == (size_t)i + 1 && s.running == 0);
  }
  rig_end(&rig);
  CHECK(atomic_load(&rig.started) == 1 && atomic_load(&rig.opened) == 1);
}

/* Each submit starts a thread, up to the limit, unless a thread is idle. */
static void test_threads_on_demand(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(4);
  struct gate gate;
  struct job jobs[6];
  struct ti_task *tasks[6];
  int i;
  rig_start(&rig, &cfg);
  gate_init(&gate);
  for (i = 0; i < 6; i++) {
    jobs[i] = job_of(&rig);
    jobs[i].gate = &gate;
    tasks[i] = submit(&rig, &jobs[i]);
    CHECK(stats(&rig).workers == (size_t)(i < 4 ? i + 1 : 4));
  }
  gate_await(&gate, 4);
  CHECK(stats(&rig).running == 4 && stats(&rig).queued == 2 && stats(&rig).idle == 0);
  gate_open(&gate);
  for (i = 0; i < 6; i++) CHECK(finish(tasks[i]) == TIDE_OK);
  CHECK(stats(&rig).idle == 4);
  for (i = 0; i < 100; i++) CHECK(finish(submit(&rig, NULL)) == TIDE_OK);
  rig_end(&rig);
  CHECK(atomic_load(&rig.started) == 4);
  gate_fini(&gate);
}

/* The thread that went to sleep last works first, so that the others' idle time can run out. */
static void test_last_asleep_first(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(4);
  struct gate gate;
  struct job jobs[4];
  struct ti_task *tasks[4];
  int i, favourite = -1;
  rig_start(&rig, &cfg);
  gate_init(&gate);
  for (i = 0; i < 4; i++) {
    jobs[i] = job_of(&rig);
    jobs[i].gate = &gate;
    tasks[i] = submit(&rig, &jobs[i]);
  }
  gate_await(&gate, 4);
  gate_open(&gate);
  for (i = 0; i < 4; i++) finish(tasks[i]);
  for (i = 0; i < 20; i++) {
    await_asleep(&rig, 4);
    finish(submit(&rig, NULL));
    if (i == 0) favourite = atomic_load(&rig.last_index);
    CHECK(atomic_load(&rig.last_index) == favourite);
  }
  rig_end(&rig);
  gate_fini(&gate);
}

static void note_name(struct job *job) {
  char name[32], expected[32];
  (void)job;
  CHECK(pthread_getname_np(pthread_self(), name, sizeof name) == 0);
  snprintf(expected, sizeof expected, "pool_0");
  CHECK(strcmp(name, expected) == 0);
}

static void test_names(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(1);
  struct job job;
  rig_start(&rig, &cfg);
  job = job_of(&rig);
  job.call = note_name;
  CHECK(finish(submit(&rig, &job)) == TIDE_OK);
  rig_end(&rig);
}

/* ------------------------------------------------------------ order, cancel -- */

static atomic_int order[16], place;

static void note_order(struct job *job) {
  atomic_store(&order[atomic_fetch_add(&place, 1)], job->outcome);
}

static void test_priorities(void) {
  static const int priorities[] = {0, -1, 5, 0, 5, 100, -1, 0};
  static const int expected[] = {5, 2, 4, 0, 3, 7, 1, 6};
  struct rig rig;
  struct ti_pool_config cfg = config(1);
  struct gate gate;
  struct job first, jobs[8];
  struct ti_task *t, *tasks[8];
  int i, err;
  rig_start(&rig, &cfg);
  gate_init(&gate);
  first = job_of(&rig);
  first.gate = &gate;
  t = submit(&rig, &first);
  gate_await(&gate, 1);
  for (i = 0; i < 8; i++) {
    jobs[i] = job_of(&rig);
    jobs[i].outcome = i; /* stands for its number here */
    jobs[i].call = note_order;
    tasks[i] = task_of(&rig, &jobs[i], priorities[i]);
    CHECK(ti_pool_submit(rig.pool, tasks[i], TI_CLOCK_NEVER, &err) == TIDE_OK);
  }
  gate_open(&gate);
  finish(t);
  for (i = 0; i < 8; i++) finish(tasks[i]);
  for (i = 0; i < 8; i++) CHECK(atomic_load(&order[i]) == expected[i]);
  rig_end(&rig);
  gate_fini(&gate);
}

static void test_cancel(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(1);
  struct gate gate;
  struct job jobs[3];
  struct ti_task *tasks[3], *never;
  int i, err;
  rig_start(&rig, &cfg);
  gate_init(&gate);
  for (i = 0; i < 3; i++) {
    jobs[i] = job_of(&rig);
    jobs[i].gate = i == 0 ? &gate : NULL;
    tasks[i] = submit(&rig, &jobs[i]);
    if (i == 0) gate_await(&gate, 1);
  }
  CHECK(!ti_pool_cancel_task(rig.pool, tasks[0])); /* it runs */
  CHECK(ti_pool_cancel_task(rig.pool, tasks[1]) && stats(&rig).cancelled == 1);
  CHECK(ti_pool_cancel_task(rig.pool, tasks[1]) && stats(&rig).cancelled == 1);
  CHECK(stats(&rig).queued == 1 && ti_task_state(tasks[1]) == TIDE_CANCELLED);
  never = task_of(&rig, NULL, 0); /* before it is submitted */
  CHECK(ti_pool_cancel_task(rig.pool, never));
  CHECK(ti_pool_submit(rig.pool, never, TI_CLOCK_NEVER, &err) == TIDE_OK);
  gate_open(&gate);
  CHECK(finish(tasks[0]) == TIDE_OK && finish(tasks[1]) == TIDE_ECANCELLED);
  CHECK(!ti_pool_cancel_task(rig.pool, tasks[2]) || ti_task_state(tasks[2]) == TIDE_CANCELLED);
  finish(tasks[2]);
  CHECK(finish(never) == TIDE_ECANCELLED);
  rig_end(&rig);
  CHECK(atomic_load(&jobs[1].ran) == 0);
  gate_fini(&gate);
}

enum { CROWD = 2000 };

struct sweep {
  struct rig *rig;
  struct ti_thread thread;
  struct ti_task **tasks;
};

static void *cancel_all(void *arg) {
  struct sweep *s = (struct sweep *)arg;
  int i;
  for (i = 0; i < CROWD; i++) {
    CHECK(ti_pool_cancel_task(s->rig->pool, s->tasks[i]));
    CHECK(ti_task_state(s->tasks[i]) == TIDE_CANCELLED);
  }
  return NULL;
}

static void *wait_for_all(void *arg) {
  struct sweep *s = (struct sweep *)arg;
  int i;
  CHECK(ti_pool_wait(s->rig->pool, TI_CLOCK_NEVER));
  for (i = 0; i < CROWD; i++) CHECK(ti_task_done(s->tasks[i]));
  return NULL;
}

/* Two threads cancel the same queued tasks at once, and for both the call returns true. Or: a
** thread that waits for the pool's end finds all cancelled, although the closing thread has not
** finished. */
static void test_cancel_a_crowd(bool by_closing) {
  static struct ti_task *tasks[CROWD];
  struct rig rig;
  struct ti_pool_config cfg = config(1);
  struct gate gate;
  struct job job;
  struct ti_task *t;
  struct sweep sweeps[2];
  int i;
  rig_start(&rig, &cfg);
  gate_init(&gate);
  job = job_of(&rig);
  job.gate = &gate;
  t = submit(&rig, &job);
  gate_await(&gate, 1);
  for (i = 0; i < CROWD; i++) tasks[i] = submit(&rig, NULL);
  for (i = 0; i < 2; i++) {
    sweeps[i].rig = &rig;
    sweeps[i].tasks = tasks;
    spawn(&sweeps[i].thread, by_closing ? wait_for_all : cancel_all, &sweeps[i]);
  }
  if (by_closing) {
    gate_open(&gate);
    ti_pool_close(rig.pool, true);
  }
  for (i = 0; i < 2; i++) ti_thread_join(&sweeps[i].thread);
  gate_open(&gate);
  CHECK(finish(t) == TIDE_OK);
  for (i = 0; i < CROWD; i++) ti_task_release(tasks[i]);
  rig_end(&rig);
  gate_fini(&gate);
}

static void enter(void *gate) { gate_enter((struct gate *)gate); }

static void *cancel_one(void *arg) {
  struct sweep *s = (struct sweep *)arg;
  CHECK(ti_pool_cancel_task(s->rig->pool, s->tasks[0]));
  return NULL;
}

/* A wait for the pool's end does not overtake another thread that is cancelling a task. */
static void test_cancel_is_awaited(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(1);
  struct gate gate, held;
  struct job job;
  struct ti_task *t, *queued;
  struct sweep sweep;
  rig_start(&rig, &cfg);
  gate_init(&gate);
  gate_init(&held);
  job = job_of(&rig);
  job.gate = &gate;
  t = submit(&rig, &job);
  gate_await(&gate, 1);
  queued = task_of(&rig, NULL, 0);
  CHECK(ti_message_add_part(&queued->msg, NULL, &held, enter, &(size_t){0}));
  CHECK(ti_pool_submit(rig.pool, queued, TI_CLOCK_NEVER, &(int){0}) == TIDE_OK);
  sweep = (struct sweep){.rig = &rig, .tasks = &queued};
  spawn(&sweep.thread, cancel_one, &sweep);
  gate_await(&held, 1); /* the call is released before the notification */
  gate_open(&gate);
  CHECK(finish(t) == TIDE_OK);
  ti_pool_close(rig.pool, false);
  while (stats(&rig).workers > 0) sched_yield();
  CHECK(!ti_pool_wait(rig.pool, 0));
  gate_open(&held);
  CHECK(ti_pool_wait(rig.pool, TI_CLOCK_NEVER));
  ti_thread_join(&sweep.thread);
  ti_task_release(queued);
  rig_end(&rig);
  gate_fini(&held);
  gate_fini(&gate);
}

/* ----------------------------------------------------------- a bounded queue -- */

struct caller {
  struct rig *rig;
  struct ti_thread thread;
  double slice;
  int code;
};

static void *call_submit(void *arg) {
  struct caller *c = (struct caller *)arg;
  struct ti_task *t = task_of(c->rig, NULL, 0);
  int err;
  /* in slices, as a caller that checks signals waits; or in one */
  do {
    c->code = ti_pool_submit(c->rig->pool, t, ti_clock_deadline(c->slice), &err);
  } while (c->code == TIDE_ETIMEOUT);
  if (c->code == TIDE_OK) CHECK(wait_for(t, -1));
  ti_task_release(t);
  return NULL;
}

static void test_full_queue(bool cancel, bool sliced) {
  struct rig rig;
  struct ti_pool_config cfg = config(2);
  struct gate gate;
  struct job jobs[4];
  struct ti_task *tasks[4], *extra;
  struct caller callers[5];
  int i, err;
  cfg.max_queue = 2;
  rig_start(&rig, &cfg);
  gate_init(&gate);
  for (i = 0; i < 4; i++) { /* two run, two wait: however quick the threads are */
    jobs[i] = job_of(&rig);
    jobs[i].gate = &gate;
    tasks[i] = submit(&rig, &jobs[i]);
  }
  extra = task_of(&rig, NULL, 0);
  CHECK(ti_pool_submit(rig.pool, extra, ti_clock_deadline(0.01), &err) == TIDE_ETIMEOUT);
  CHECK(ti_pool_submit(rig.pool, extra, 0, &err) == TIDE_ETIMEOUT);
  gate_await(&gate, 2);
  for (i = 0; i < 5; i++) {
    callers[i].rig = &rig;
    callers[i].slice = sliced ? 0.01 : -1;
    spawn(&callers[i].thread, call_submit, &callers[i]);
  }
  if (!sliced) await_waiting(&rig, 5);
  CHECK(ti_pool_submit(rig.pool, extra, ti_clock_deadline(0.02), &err) == TIDE_ETIMEOUT);
  CHECK(stats(&rig).submitted == 4);
  if (cancel) { /* frees a place, although no thread is free */
    CHECK(ti_pool_cancel_task(rig.pool, tasks[3]));
    while (stats(&rig).submitted < 5) sched_yield();
    CHECK(stats(&rig).queued == 2);
    CHECK(ti_pool_submit(rig.pool, extra, 0, &err) == TIDE_ETIMEOUT);
  }
  gate_open(&gate);
  for (i = 0; i < 5; i++) {
    ti_thread_join(&callers[i].thread);
    CHECK(callers[i].code == TIDE_OK);
  }
  for (i = 0; i < 4; i++) finish(tasks[i]);
  ti_task_release(extra);
  rig_end(&rig);
  gate_fini(&gate);
}

static void test_full_is_error(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(1);
  struct gate gate;
  struct job job;
  struct ti_task *running, *queued, *refused;
  int err;
  cfg.max_queue = 1;
  cfg.full_is_error = true;
  rig_start(&rig, &cfg);
  gate_init(&gate);
  job = job_of(&rig);
  job.gate = &gate;
  running = submit(&rig, &job);
  queued = submit(&rig, NULL);
  refused = task_of(&rig, NULL, 0);
  CHECK(ti_pool_submit(rig.pool, refused, TI_CLOCK_NEVER, &err) == TIDE_EFULL);
  gate_await(&gate, 1);
  CHECK(ti_pool_submit(rig.pool, refused, TI_CLOCK_NEVER, &err) == TIDE_EFULL);
  CHECK(stats(&rig).submitted == 2);
  CHECK(ti_pool_cancel_task(rig.pool, queued));
  CHECK(ti_pool_submit(rig.pool, refused, TI_CLOCK_NEVER, &err) == TIDE_OK);
  gate_open(&gate);
  finish(running);
  finish(queued);
  CHECK(finish(refused) == TIDE_OK);
  rig_end(&rig);
  gate_fini(&gate);
}

/* Submitters that wait return when the pool closes. */
static void test_close_wakes_submitters(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(1);
  struct gate gate;
  struct job job;
  struct ti_task *running, *queued;
  struct caller callers[4];
  int i;
  cfg.max_queue = 1;
  rig_start(&rig, &cfg);
  gate_init(&gate);
  job = job_of(&rig);
  job.gate = &gate;
  running = submit(&rig, &job);
  queued = submit(&rig, NULL);
  for (i = 0; i < 4; i++) {
    callers[i].rig = &rig;
    callers[i].slice = -1;
    spawn(&callers[i].thread, call_submit, &callers[i]);
  }
  await_waiting(&rig, 4);
  ti_pool_close(rig.pool, false);
  for (i = 0; i < 4; i++) {
    ti_thread_join(&callers[i].thread);
    CHECK(callers[i].code == TIDE_ESHUTDOWN);
  }
  gate_open(&gate);
  CHECK(finish(running) == TIDE_OK && finish(queued) == TIDE_OK); /* it was accepted */
  rig_end(&rig);
  gate_fini(&gate);
}

/* ------------------------------------------------------------------ closing -- */

static void *call_wait(void *arg) {
  struct caller *c = (struct caller *)arg;
  if (c->code > 0) ti_pool_close(c->rig->pool, c->code > 1);
  CHECK(ti_pool_wait(c->rig->pool, TI_CLOCK_NEVER));
  CHECK(stats(c->rig).threads == 0);
  return NULL;
}

/* Many threads close and wait. The queue is served, or cancelled by those that close so. */
static void test_close(bool cancel) {
  struct rig rig;
  struct ti_pool_config cfg = config(3);
  struct gate gate;
  struct job jobs[50];
  struct ti_task *tasks[50];
  struct caller callers[6];
  int i, round;
  for (round = 0; round < 20; round++) {
    int done = 0;
    rig_start(&rig, &cfg);
    gate_init(&gate);
    for (i = 0; i < 50; i++) {
      jobs[i] = job_of(&rig);
      jobs[i].gate = &gate;
      tasks[i] = submit(&rig, &jobs[i]);
    }
    gate_await(&gate, 3);
    CHECK(!ti_pool_wait(rig.pool, 0));
    for (i = 0; i < 6; i++) {
      callers[i].rig = &rig;
      callers[i].code = i < 3 ? 1 + (cancel && i == 1) : 0;
      spawn(&callers[i].thread, call_wait, &callers[i]);
    }
    if (cancel) finish(ti_task_hold(tasks[49])); /* seen by its waiter, while others run */
    gate_open(&gate);
    for (i = 0; i < 6; i++) ti_thread_join(&callers[i].thread);
    for (i = 0; i < 50; i++) {
      CHECK(ti_task_done(tasks[i]));
      if (finish(tasks[i]) == TIDE_OK) done++;
    }
    CHECK(done == (cancel ? 3 : 50));
    CHECK(stats(&rig).cancelled == (size_t)(50 - done));
    rig_end(&rig);
    gate_fini(&gate);
  }
}

static void test_after_close(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(2);
  struct ti_task *t;
  int err;
  rig_start(&rig, &cfg);
  finish(submit(&rig, NULL));
  ti_pool_close(rig.pool, false);
  t = task_of(&rig, NULL, 0);
  CHECK(ti_pool_submit(rig.pool, t, TI_CLOCK_NEVER, &err) == TIDE_ESHUTDOWN);
  CHECK(ti_task_state(t) == TIDE_PENDING);
  ti_task_release(t);
  ti_pool_close(rig.pool, true);
  CHECK(ti_pool_wait(rig.pool, TI_CLOCK_NEVER) && ti_pool_wait(rig.pool, 0));
  rig_end(&rig);
}

static void submit_more(struct job *job) {
  struct ti_task *t = task_of(job->rig, NULL, 0);
  int err, code = ti_pool_submit(job->rig->pool, t, TI_CLOCK_NEVER, &err);
  CHECK(code == TIDE_OK || code == TIDE_ESHUTDOWN);
  ti_task_release(t);
}

/* A task submits to its own pool, also while that closes. The last reference to a task may be
** a worker's. */
static void test_submit_from_a_task(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(2);
  struct job jobs[20];
  int i;
  rig_start(&rig, &cfg);
  for (i = 0; i < 20; i++) {
    jobs[i] = job_of(&rig);
    jobs[i].call = submit_more;
    ti_task_release(submit(&rig, &jobs[i]));
  }
  ti_pool_close(rig.pool, false);
  CHECK(ti_pool_wait(rig.pool, TI_CLOCK_NEVER));
  CHECK(stats(&rig).finished >= 20 && stats(&rig).tasks == 0);
  rig_end(&rig);
}

/* --------------------------------------------------------------------- idle -- */

static void test_idle_timeout(double timeout) {
  struct rig rig;
  struct ti_pool_config cfg = config(3);
  int round, i;
  cfg.idle_timeout = timeout;
  rig_start(&rig, &cfg);
  for (round = 0; round < 20; round++) {
    struct ti_task *tasks[6];
    for (i = 0; i < 6; i++) tasks[i] = submit(&rig, NULL);
    for (i = 0; i < 6; i++) CHECK(finish(tasks[i]) == TIDE_OK);
    /* they end by themselves and wait for their join; with no thread left a submit starts anew */
    while (round % 2 == 0 && stats(&rig).workers > 0) sched_yield();
    CHECK(stats(&rig).threads <= 6);
  }
  CHECK(stats(&rig).threads <= 6);
  CHECK(atomic_load(&rig.started) > 3);
  rig_end(&rig);
}

/* ------------------------------------------------- workers that need replacing -- */

static void test_worn_workers(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(1);
  struct ti_task *tasks[30];
  int i;
  rig_start(&rig, &cfg);
  atomic_store(&rig.max_tasks, 10);
  for (i = 0; i < 30; i++) tasks[i] = submit(&rig, NULL);
  for (i = 0; i < 30; i++) CHECK(finish(tasks[i]) == TIDE_OK);
  for (i = 0; i < 30; i++) CHECK(finish(submit(&rig, NULL)) == TIDE_OK);
  CHECK(stats(&rig).workers == 1);
  rig_end(&rig);
  CHECK(atomic_load(&rig.started) == 1);
  CHECK(atomic_load(&rig.opened) == 6 || atomic_load(&rig.opened) == 7);
}

/* ------------------------------------------------------------ threads of waits -- */

static void wait_blocked(struct job *job) {
  enum ti_pool_block how;
  struct gate *gate = (struct gate *)(void *)job->extra;
  CHECK(ti_pool_block_begin(job->rig->pool, NULL, &how) == TIDE_OK && how == BLOCK_OUTSIDE);
  gate_enter(gate);
  ti_pool_block_end(job->rig->pool, how);
}

/* Threads that took the place of blocked ones end, and no others do. All blocked tasks continue
** before one of the ending threads has ended. */
static void test_shrinks_to_max_workers(void) {
  enum { WAITING = 10 };
  struct rig rig;
  struct ti_pool_config cfg = config(2);
  struct job jobs[WAITING];
  struct ti_task *tasks[WAITING];
  struct gate gate, close;
  int i;
  gate_init(&gate);
  gate_init(&close);
  rig_start(&rig, &cfg);
  rig.close_gate = &close;
  for (i = 0; i < WAITING; i++) {
    jobs[i] = job_of(&rig);
    jobs[i].call = wait_blocked;
    jobs[i].extra = &gate;
    tasks[i] = submit(&rig, &jobs[i]);
  }
  gate_await(&gate, WAITING);
  CHECK(stats(&rig).workers >= WAITING);
  gate_open(&gate);
  for (i = 0; i < WAITING; i++) CHECK(finish(tasks[i]) == TIDE_OK);
  await_asleep(&rig, 2);
  gate_open(&close);
  while (stats(&rig).workers != 2) sched_yield();
  CHECK(stats(&rig).idle == 2);
  rig_end(&rig);
  gate_fini(&gate);
  gate_fini(&close);
}

static void test_max_threads(void) {
  enum { WAITING = 10, MOST = 4 };
  struct rig rig;
  struct ti_pool_config cfg = config(2);
  struct job jobs[WAITING];
  struct ti_task *tasks[WAITING];
  struct gate gate;
  int i;
  gate_init(&gate);
  cfg.max_threads = MOST;
  rig_start(&rig, &cfg);
  for (i = 0; i < WAITING; i++) {
    jobs[i] = job_of(&rig);
    jobs[i].call = wait_blocked;
    jobs[i].extra = &gate;
    tasks[i] = submit(&rig, &jobs[i]);
  }
  gate_await(&gate, MOST);
  while (count_of(&rig, &rig.pool->blocked) != MOST) sched_yield();
  CHECK(ti_pool_block_at_max_threads(rig.pool) && stats(&rig).running == MOST);
  CHECK(stats(&rig).workers == MOST && stats(&rig).queued == WAITING - MOST);
  gate_open(&gate);
  for (i = 0; i < WAITING; i++) CHECK(finish(tasks[i]) == TIDE_OK);
  /* a thread over the limit may end, and another one start while a later task is blocked */
  CHECK(atomic_load(&rig.opened) >= MOST);
  rig_end(&rig);
  gate_fini(&gate);
}

int main(void) {
  int i;
  test_runs_and_ends();
  test_one_after_the_other();
  test_threads_on_demand();
  test_last_asleep_first();
  test_names();
  test_priorities();
  test_cancel();
  test_cancel_is_awaited();
  for (i = 0; i < 10; i++) {
    test_cancel_a_crowd(false);
    test_cancel_a_crowd(true);
  }
  test_full_queue(false, false);
  test_full_queue(false, true);
  test_full_queue(true, false);
  test_full_queue(true, true);
  test_full_is_error();
  test_close_wakes_submitters();
  test_close(false);
  test_close(true);
  test_after_close();
  test_submit_from_a_task();
  test_idle_timeout(0);
  test_idle_timeout(0.005);
  test_worn_workers();
  for (i = 0; i < 20; i++) test_shrinks_to_max_workers();
  test_max_threads();
  return check_done();
}
