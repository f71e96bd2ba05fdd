/*
** pool_support.h: a runner for the pool's tests, which counts its calls.
**
** A task carries a job in its context: what to do, and the result. A rig is a pool with the runner
** and its counters; rig_end closes it and checks that nothing is left.
**
** SPDX-License-Identifier: MIT
*/
#ifndef POOL_SUPPORT_H
#define POOL_SUPPORT_H

#include <sched.h>

#include "sched/pool.h"
#include "sched/pool_block.h"
#include "sched/pool_cancel.h"
#include "sched/pool_nested.h"
#include "sched/pool_state.h"
#include "sched/pool_threads.h"
#include "sched/waiter.h"
#include "platform/clock.h"
#include "platform/mutex.h"
#include "support.h"

struct rig {
  struct ti_pool *pool;
  atomic_int opened, closed, started, stopped, ran, disposed;
  atomic_int in_use[64];   /* by index: threads that have it now */
  atomic_int open_fails;   /* the nth open from now on and all later ones fail; 0: none */
  bool silent;             /* a failing open has no message: out of memory */
  atomic_int max_tasks;    /* a worker needs replacing after that many tasks; 0: never */
  struct gate *open_gate;  /* if any, each open passes through it */
  struct gate *close_gate; /* and each close through this one */
  atomic_int last_index;   /* of the worker that ran the latest task */
  struct ti_signal_target *_Atomic target; /* of the worker that was opened last */
  void (*on_signal)(void *); /* what a signal calls, with the rig; set before the first submit */
};

struct job {
  struct rig *rig;
  struct gate *gate;          /* if any, the task waits here */
  void (*call)(struct job *); /* if any, the task calls it */
  void *extra;                /* for `call` */
  int outcome;
  atomic_int ran;
};

struct test_worker { /* a worker */
  struct rig *rig;
  int index, tasks;
};

static const char why_text[] = "cannot open a worker";

static void *worker_open(void *ud, int index, struct ti_stop_token *stop, char **why,
                         size_t *size) {
  struct rig *rig = (struct rig *)ud;
  struct test_worker *h;
  if (rig->open_gate != NULL) gate_enter(rig->open_gate);
  if (atomic_load(&rig->open_fails) > 0 && atomic_fetch_sub(&rig->open_fails, 1) <= 1) {
    atomic_store(&rig->open_fails, 1);
    if (rig->silent) return NULL;
    *why = (char *)ti_alloc_new(&counted_mem, sizeof why_text);
    *size = sizeof why_text;
    if (*why != NULL) memcpy(*why, why_text, sizeof why_text);
    return NULL;
  }
  h = (struct test_worker *)malloc(sizeof *h);
  if (h == NULL) exit(2);
  if (rig->on_signal != NULL) ti_stop_token_set_hook(stop, rig->on_signal, rig);
  rig->target = stop->target;
  h->rig = rig;
  h->index = index;
  h->tasks = 0;
  atomic_fetch_add(&rig->opened, 1);
  return h;
}

static int worker_run(void *worker, struct ti_task *t, struct ti_message *out) {
  struct test_worker *h = (struct test_worker *)worker;
  struct job *job = (struct job *)t->context;
  CHECK(ti_task_state(t) == TIDE_RUNNING && ti_pool_threads_is_worker(h->rig->pool));
  CHECK(out->bytes.len == 0 && out->nparts == 0);
  h->tasks++;
  atomic_store(&h->rig->last_index, h->index);
  atomic_fetch_add(&h->rig->ran, 1);
  if (job == NULL) return TIDE_OK;
  CHECK(atomic_fetch_add(&job->ran, 1) == 0);
  if (job->gate != NULL) gate_enter(job->gate);
  if (job->call != NULL) job->call(job);
  /* more than a message holds by itself: it must allocate */
  for (int i = 0; i <= MESSAGE_SMALL; i++) ti_buffer_put_u8(&out->bytes, 99);
  return job->outcome;
}

static bool worker_needs_replacing(void *worker) {
  const struct test_worker *h = (const struct test_worker *)worker;
  int max_tasks = atomic_load(&h->rig->max_tasks);
  return max_tasks > 0 && h->tasks >= max_tasks;
}

static void worker_close(void *worker) {
  struct test_worker *h = (struct test_worker *)worker;
  if (h->rig->close_gate != NULL) gate_enter(h->rig->close_gate);
  atomic_fetch_add(&h->rig->closed, 1);
  free(h);
}

static void worker_start(void *ud, int index) {
  struct rig *rig = (struct rig *)ud;
  atomic_fetch_add(&rig->started, 1);
  CHECK(index >= 0 && index < 64 && atomic_fetch_add(&rig->in_use[index], 1) == 0);
}

static void worker_stop(void *ud, int index) {
  struct rig *rig = (struct rig *)ud;
  atomic_fetch_add(&rig->stopped, 1);
  CHECK(atomic_fetch_sub(&rig->in_use[index], 1) == 1);
}

static void worker_dispose(void *ud) { atomic_fetch_add(&((struct rig *)ud)->disposed, 1); }

static const struct ti_pool_runner test_runner = {.open = worker_open,
                                                  .run = worker_run,
                                                  .needs_replacing = worker_needs_replacing,
                                                  .close = worker_close,
                                                  .thread_start = worker_start,
                                                  .thread_stop = worker_stop,
                                                  .dispose = worker_dispose};

static inline struct ti_pool_config config(int max_workers) {
  struct ti_pool_config cfg = {.max_workers = max_workers,
                               .max_threads = 4 * max_workers + 64,
                               .idle_timeout = -1,
                               .name = "pool"};
  return cfg;
}

static inline void rig_start(struct rig *rig, const struct ti_pool_config *cfg) {
  int err = -1;
  memset(rig, 0, sizeof *rig);
  rig->pool = ti_pool_new(cfg, &counted_mem, &test_runner, rig, &err);
  CHECK(rig->pool != NULL && err == 0);
  if (rig->pool == NULL) exit(2);
}

static inline struct ti_pool_stats stats(struct rig *rig) {
  struct ti_pool_stats s;
  ti_pool_stats(rig->pool, &s);
  CHECK(s.submitted == s.queued + s.running + s.finished + s.cancelled && s.failed <= s.finished);
  return s;
}

/* Returns a private field of the pool. Tests poll it until it has the value that they need. */
static inline int count_of(struct rig *rig, const int *number) {
  int n;
  ti_mutex_lock(&rig->pool->lock);
  n = *number;
  ti_mutex_unlock(&rig->pool->lock);
  return n;
}

static inline void await_waiting(struct rig *rig, int n) {
  while (count_of(rig, &rig->pool->waiting_submitters) != n) sched_yield();
}

static inline void await_asleep(struct rig *rig, int n) {
  while (count_of(rig, &rig->pool->nasleep) != n) sched_yield();
}

/* Closes, waits, releases, and checks that nothing is left. */
static inline void rig_end(struct rig *rig) {
  struct ti_pool_stats s;
  ti_pool_close(rig->pool, false);
  CHECK(ti_pool_wait(rig->pool, TI_CLOCK_NEVER));
  s = stats(rig);
  CHECK(s.workers == 0 && s.idle == 0 && s.queued == 0 && s.running == 0 && s.threads == 0);
  CHECK(s.tasks == 0);
  CHECK(atomic_load(&rig->opened) == atomic_load(&rig->closed));
  CHECK(atomic_load(&rig->started) == atomic_load(&rig->stopped));
  CHECK(atomic_load(&rig->disposed) == 0);
  ti_pool_release(rig->pool);
  CHECK(atomic_load(&rig->disposed) == 1 && memory_clean());
}

static inline struct job job_of(struct rig *rig) {
  struct job job = {.rig = rig};
  return job;
}

static inline struct ti_task *task_of(struct rig *rig, struct job *job, int priority) {
  struct ti_task *t = ti_task_new(ti_pool_home(rig->pool), &counted_mem,
                                  &(struct ti_task_options){.priority = priority});
  if (t == NULL) exit(2);
  t->context = job;
  return t;
}

/* Submits a task. The caller has a reference to it. */
static inline struct ti_task *submit(struct rig *rig, struct job *job) {
  int err = 0;
  struct ti_task *t = task_of(rig, job, 0);
  CHECK(ti_pool_submit(rig->pool, t, TI_CLOCK_NEVER, &err) == TIDE_OK && err == 0);
  return t;
}

static inline bool wait_for(struct ti_task *t, double seconds) {
  struct ti_waiter waiter;
  struct ti_wait_set set;
  struct ti_wait_entry w;
  bool come;
  if (ti_waiter_init(&waiter) != 0) exit(2);
  ti_waiter_set_init(&set, &waiter);
  ti_waiter_entry_start(&w, t, &set);
  come = ti_waiter_set_sleep(&set, 1, false, ti_clock_deadline(seconds));
  ti_waiter_entry_cancel(&w);
  ti_waiter_fini(&waiter);
  CHECK(!come || ti_task_done(t));
  return come;
}

/* Waits until t is done and releases the reference. Returns the outcome. */
static inline int finish(struct ti_task *t) {
  int outcome;
  CHECK(wait_for(t, -1));
  outcome = t->outcome;
  ti_task_release(t);
  return outcome;
}

#endif
