/* link: -Wl,--wrap=pthread_create */
/*
** pool_threads_test.c: a pool whose threads cannot be started or whose workers cannot be opened,
** and one without memory.
**
** SPDX-License-Identifier: MIT
*/
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "pool_support.h"

/* ------------------------------------------------------ threads that do not start -- */

int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);

static atomic_int create_fails_at;     /* the nth start from now fails, and only that; 0: none */
static atomic_int create_fails_from;   /* the nth and all later */
static atomic_int create_fails_one_in; /* about one in so many */
static atomic_uint_fast64_t create_random;
static struct gate *_Atomic create_gate; /* if any, the next start waits here first, then fails */

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg) {
  int one_in = atomic_load(&create_fails_one_in);
  struct gate *gate = atomic_exchange(&create_gate, NULL);
  if (gate != NULL) {
    gate_enter(gate);
    return EAGAIN;
  }
  if (atomic_load(&create_fails_at) > 0 && atomic_fetch_sub(&create_fails_at, 1) == 1)
    return EAGAIN;
  if (atomic_load(&create_fails_from) > 0 && atomic_fetch_sub(&create_fails_from, 1) == 1) {
    atomic_store(&create_fails_from, 1);
    return EAGAIN;
  }
  if (one_in > 0) {
    uint64_t r = atomic_fetch_add(&create_random, 1);
    if (check_random(&r, (size_t)one_in) == 0) return EAGAIN;
  }
  return __real_pthread_create(t, a, fn, arg);
}

static void test_no_thread_at_all(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(2);
  struct ti_task *t;
  int err = 0;
  rig_start(&rig, &cfg);
  t = task_of(&rig, NULL, 0);
  atomic_store(&create_fails_at, 1);
  CHECK(ti_pool_submit(rig.pool, t, TI_CLOCK_NEVER, &err) == TIDE_ETHREAD && err == EAGAIN);
  CHECK(ti_task_state(t) == TIDE_PENDING);
  CHECK(stats(&rig).submitted == 0 && stats(&rig).workers == 0 && stats(&rig).threads == 0);
  CHECK(ti_pool_submit(rig.pool, t, TI_CLOCK_NEVER, &err) == TIDE_OK); /* now it can */
  CHECK(finish(t) == TIDE_OK);
  rig_end(&rig);
  rig_start(&rig, &cfg); /* a pool that never had one can be closed */
  t = task_of(&rig, NULL, 0);
  atomic_store(&create_fails_from, 1);
  CHECK(ti_pool_submit(rig.pool, t, TI_CLOCK_NEVER, &err) == TIDE_ETHREAD);
  atomic_store(&create_fails_from, 0);
  ti_task_release(t);
  rig_end(&rig);
}

/* Existing threads serve the tasks of those that could not be started. */
static void test_fewer_threads(void) {
  int n, i;
  for (n = 2; n <= 5; n++) {
    struct rig rig;
    struct ti_pool_config cfg = config(8);
    struct gate gate;
    struct job jobs[8];
    struct ti_task *tasks[8];
    rig_start(&rig, &cfg);
    gate_init(&gate);
    atomic_store(&create_fails_from, n);
    for (i = 0; i < 8; i++) {
      jobs[i] = job_of(&rig);
      jobs[i].gate = &gate;
      tasks[i] = submit(&rig, &jobs[i]);
    }
    atomic_store(&create_fails_from, 0);
    gate_await(&gate, n - 1);
    CHECK(stats(&rig).workers == (size_t)n - 1 && stats(&rig).queued == (size_t)(9 - n));
    tasks[0] = (ti_task_release(tasks[0]), submit(&rig, NULL)); /* the next submit tries again */
    CHECK(stats(&rig).workers == (size_t)n);
    gate_open(&gate);
    for (i = 0; i < 8; i++) CHECK(finish(tasks[i]) == TIDE_OK);
    rig_end(&rig);
    gate_fini(&gate);
  }
}

struct crowd {
  struct rig *rig;
  struct ti_thread thread;
  struct gate *gate;
  uint64_t seed;
  int rounds, refused;
};

static void *submit_many(void *arg) {
  struct crowd *c = (struct crowd *)arg;
  int i;
  for (i = 0; i < c->rounds; i++) {
    struct job job = job_of(c->rig);
    struct ti_task *t = task_of(c->rig, &job, 0);
    int err = 0, code = ti_pool_submit(c->rig->pool, t, TI_CLOCK_NEVER, &err);
    CHECK(code == TIDE_OK || (code == TIDE_ETHREAD && err == EAGAIN));
    if (code == TIDE_OK) {
      if (check_random(&c->seed, 3) == 0) ti_pool_cancel_task(c->rig->pool, t);
      CHECK(wait_for(t, -1));
      CHECK((ti_task_state(t) == TIDE_FINISHED) == (atomic_load(&job.ran) == 1));
    } else {
      c->refused++;
      CHECK(ti_task_state(t) == TIDE_PENDING && atomic_load(&job.ran) == 0);
    }
    ti_task_release(t);
  }
  return NULL;
}

/* Threads end as soon as they are idle, and often fail to start, under many submitters. Each
** accepted task is waited for, so none may be left in the queue. */
static void test_failing_starts_in_a_crowd(uint64_t seed, int max_workers) {
  enum { CROWD = 6 };
  struct rig rig;
  struct ti_pool_config cfg = config(max_workers);
  struct crowd crowd[CROWD];
  size_t accepted = 0;
  int i;
  cfg.idle_timeout = 0;
  rig_start(&rig, &cfg);
  atomic_store(&create_random, seed);
  for (i = 0; i < CROWD; i++) {
    crowd[i].rig = &rig;
    crowd[i].seed = seed + (uint64_t)i;
    crowd[i].rounds = 300;
    crowd[i].refused = 0;
    spawn(&crowd[i].thread, submit_many, &crowd[i]);
    if (i == CROWD - 1) atomic_store(&create_fails_one_in, 2);
  }
  for (i = 0; i < CROWD; i++) {
    ti_thread_join(&crowd[i].thread);
    accepted += (size_t)(300 - crowd[i].refused);
  }
  atomic_store(&create_fails_one_in, 0);
  CHECK(stats(&rig).submitted == accepted);
  rig_end(&rig);
}

/* The rarest case of invariant 4: the last thread is about to end, another one is being started,
** which will fail, and a task was queued for that one. The last thread must stay. */
static void *submit_held(void *arg) {
  struct crowd *c = (struct crowd *)arg;
  struct ti_task *t = task_of(c->rig, NULL, 0);
  int err;
  atomic_store(&create_gate, c->gate);
  CHECK(ti_pool_submit(c->rig->pool, t, TI_CLOCK_NEVER, &err) == TIDE_OK);
  CHECK(finish(t) == TIDE_ECANCELLED);
  return NULL;
}

static void test_last_thread_stays(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(2);
  struct gate creating, closing;
  struct crowd other;
  struct ti_task *t;
  cfg.idle_timeout = 0;
  rig_start(&rig, &cfg);
  gate_init(&creating);
  gate_init(&closing);
  rig.close_gate = &closing;
  finish(submit(&rig, NULL));
  gate_await(&closing, 1); /* the one thread has decided to end */
  other.rig = &rig;
  other.gate = &creating;
  spawn(&other.thread, submit_held, &other);
  gate_await(&creating, 1);
  {
    struct ti_list_node *n;
    ti_mutex_lock(&rig.pool->lock);
    n = ti_list_peek(&rig.pool->queue.zero.tasks);
    ti_mutex_unlock(&rig.pool->lock);
    CHECK(ti_pool_cancel_task(rig.pool, TI_CONTAINER(n, struct ti_task, queued)));
  }
  t = submit(&rig, NULL); /* no further thread: one is being started */
  CHECK(stats(&rig).workers == 2 && stats(&rig).queued == 1);
  rig.close_gate = NULL;
  gate_open(&closing);
  CHECK(wait_for(t, -1) && t->outcome == TIDE_OK); /* although the other has not failed yet */
  gate_open(&creating);
  ti_thread_join(&other.thread);
  ti_task_release(t);
  rig_end(&rig);
  gate_fini(&creating);
  gate_fini(&closing);
}

/* The watchdog's thread fails to start. A caller that found this start under way gets the error of
** a second attempt. */
struct starter {
  struct rig *rig;
  struct ti_thread thread;
  struct gate *gate; /* its start waits there and fails; NULL: it fails at once */
  atomic_bool near;  /* it is about to call */
  int err;
};

static void *call_watch(void *arg) {
  struct starter *s = (struct starter *)arg;
  if (s->gate != NULL)
    atomic_store(&create_gate, s->gate);
  else
    atomic_store(&create_fails_from, 1);
  atomic_store(&s->near, true);
  s->err = ti_pool_cancel_start_watchdog(s->rig->pool);
  return NULL;
}

static void test_watchdog_that_does_not_start(void) {
  int i, k, err, signal = ti_signal_claim(0, &err); /* without one there is nothing to start */
  CHECK(signal != 0);
  for (i = 0; i < 100; i++) {
    struct rig rig;
    struct ti_pool_config cfg = config(1);
    struct gate gate;
    struct starter first = {.rig = &rig, .gate = &gate}, second = {.rig = &rig};
    cfg.signal = signal;
    rig_start(&rig, &cfg);
    gate_init(&gate);
    spawn(&first.thread, call_watch, &first);
    gate_await(&gate, 1);
    spawn(&second.thread, call_watch, &second);
    while (!atomic_load(&second.near)) sched_yield();
    for (k = 0; k < i; k++) sched_yield(); /* mostly it waits by then; else it starts one itself */
    gate_open(&gate);
    ti_thread_join(&first.thread);
    ti_thread_join(&second.thread);
    CHECK(first.err == EAGAIN && second.err == EAGAIN);
    atomic_store(&create_fails_from, 0);
    CHECK(ti_pool_cancel_start_watchdog(rig.pool) == 0); /* now it can */
    CHECK(finish(submit(&rig, NULL)) == TIDE_OK);
    rig_end(&rig);
    gate_fini(&gate);
  }
}

/* ---------------------------------------------------------- workers that do not open -- */

static void check_broken(struct ti_task *t) {
  struct ti_cursor c;
  const unsigned char *text;
  size_t len;
  CHECK(wait_for(t, -1) && t->outcome == TIDE_EBROKEN && ti_task_state(t) == TIDE_FINISHED);
  ti_buffer_cursor_init(&c, t->msg.bytes.data, t->msg.bytes.len);
  len = (size_t)ti_buffer_get_varint(&c);
  text = ti_buffer_get(&c, len);
  CHECK(text != NULL && len == strlen(why_text) && memcmp(text, why_text, len) == 0);
  CHECK(ti_buffer_get_varint(&c) == 0 && !c.failed && ti_buffer_left(&c) == 0);
}

static void test_broken(bool closed) {
  struct rig rig;
  struct ti_pool_config cfg = config(1);
  struct gate gate;
  struct ti_task *tasks[20], *t;
  int i, err;
  rig_start(&rig, &cfg);
  gate_init(&gate);
  rig.open_gate = &gate;
  atomic_store(&rig.open_fails, 1);
  for (i = 0; i < 20; i++) tasks[i] = submit(&rig, NULL);
  gate_await(&gate, 1);
  CHECK(ti_pool_broken_reason(rig.pool) == NULL && stats(&rig).queued == 20);
  if (closed) ti_pool_close(rig.pool, false);
  gate_open(&gate);
  for (i = 0; i < 20; i++) check_broken(tasks[i]);
  CHECK(strcmp(ti_pool_broken_reason(rig.pool), why_text) == 0);
  CHECK(stats(&rig).failed == 20 && stats(&rig).finished == 20);
  for (i = 0; i < 20; i++) {
    CHECK(!ti_pool_cancel_task(rig.pool, tasks[i]));
    ti_task_release(tasks[i]);
  }
  t = task_of(&rig, NULL, 0);
  CHECK(ti_pool_submit(rig.pool, t, TI_CLOCK_NEVER, &err) == TIDE_EBROKEN);
  ti_task_release(t);
  CHECK(ti_pool_wait(rig.pool, TI_CLOCK_NEVER)); /* a broken pool ends by itself */
  rig_end(&rig);
  gate_fini(&gate);
}

/* The third worker fails to open: running tasks continue, queued ones fail, and blocked submitters
** get the error. */
static void *call_submit(void *arg) {
  struct crowd *c = (struct crowd *)arg;
  struct ti_task *t = task_of(c->rig, NULL, 0);
  int err;
  c->refused = ti_pool_submit(c->rig->pool, t, TI_CLOCK_NEVER, &err);
  if (c->refused == TIDE_OK) check_broken(t);
  ti_task_release(t);
  return NULL;
}

static void test_broken_midway(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(3);
  struct gate gate, opening;
  struct job jobs[2];
  struct ti_task *running[2], *waiting[4];
  struct crowd blocked[3];
  int i;
  cfg.max_queue = 3;
  rig_start(&rig, &cfg);
  gate_init(&gate);
  gate_init(&opening);
  for (i = 0; i < 2; i++) {
    jobs[i] = job_of(&rig);
    jobs[i].gate = &gate;
    running[i] = submit(&rig, &jobs[i]);
  }
  gate_await(&gate, 2);
  rig.open_gate = &opening;
  atomic_store(&rig.open_fails, 1);
  for (i = 0; i < 4; i++) waiting[i] = submit(&rig, NULL);
  gate_await(&opening, 1);
  for (i = 0; i < 3; i++) {
    blocked[i].rig = &rig;
    spawn(&blocked[i].thread, call_submit, &blocked[i]);
  }
  await_waiting(&rig, 3);
  gate_open(&opening);
  for (i = 0; i < 3; i++) {
    ti_thread_join(&blocked[i].thread);
    CHECK(blocked[i].refused == TIDE_EBROKEN);
  }
  for (i = 0; i < 4; i++) {
    check_broken(waiting[i]);
    ti_task_release(waiting[i]);
  }
  gate_open(&gate);
  for (i = 0; i < 2; i++) CHECK(finish(running[i]) == TIDE_OK);
  rig_end(&rig);
  gate_fini(&gate);
  gate_fini(&opening);
}

/* Without memory to open a worker its task fails, and the pool is not broken. The same holds for a
** worker that needs replacing. */
static void test_starved(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(1);
  rig_start(&rig, &cfg);
  rig.silent = true;
  atomic_store(&rig.max_tasks, 1);
  CHECK(finish(submit(&rig, NULL)) == TIDE_OK);
  atomic_store(&rig.open_fails, 2); /* the next one may be open already */
  while (finish(submit(&rig, NULL)) != TIDE_ENOMEM) {}
  CHECK(ti_pool_broken_reason(rig.pool) == NULL);
  CHECK(finish(submit(&rig, NULL)) == TIDE_ENOMEM); /* still none */
  atomic_store(&rig.open_fails, 0);
  CHECK(finish(submit(&rig, NULL)) == TIDE_OK);
  rig_end(&rig);
}

/* No task waits for memory: all queued tasks fail, also when the pool was closed meanwhile. */
static void test_starved_queue(bool closed) {
  struct rig rig;
  struct ti_pool_config cfg = config(3);
  struct gate gate;
  struct ti_task *tasks[20];
  int i;
  rig_start(&rig, &cfg);
  gate_init(&gate);
  rig.silent = true;
  rig.open_gate = &gate;
  atomic_store(&rig.open_fails, 1);
  for (i = 0; i < 20; i++) tasks[i] = submit(&rig, NULL);
  gate_await(&gate, 3);
  if (closed) ti_pool_close(rig.pool, false);
  gate_open(&gate);
  for (i = 0; i < 20; i++) CHECK(finish(tasks[i]) == TIDE_ENOMEM);
  CHECK(stats(&rig).failed == 20 && stats(&rig).finished == 20);
  rig_end(&rig);
  gate_fini(&gate);
}

/* A thread with a worker serves the queue of those that have no memory for one. */
static void test_starved_beside(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(4);
  struct gate gate;
  struct job job;
  struct ti_task *running, *tasks[10];
  int i;
  rig_start(&rig, &cfg);
  gate_init(&gate);
  job = job_of(&rig);
  job.gate = &gate;
  running = submit(&rig, &job);
  gate_await(&gate, 1);
  rig.silent = true;
  atomic_store(&rig.open_fails, 1);
  for (i = 0; i < 10; i++) tasks[i] = submit(&rig, NULL);
  gate_open(&gate);
  for (i = 0; i < 10; i++) CHECK(finish(tasks[i]) == TIDE_OK);
  CHECK(finish(running) == TIDE_OK);
  rig_end(&rig);
  gate_fini(&gate);
}

/* The pool is closed at once: a worker is opened for the queue, and queued tasks end. */
static void test_closed_before_it_opened(void) {
  int i;
  for (i = 0; i < 100; i++) {
    struct rig rig;
    struct ti_pool_config cfg = config(2);
    struct ti_task *t;
    rig_start(&rig, &cfg);
    atomic_store(&rig.open_fails, 1);
    t = submit(&rig, NULL);
    ti_pool_close(rig.pool, false);
    check_broken(t);
    ti_task_release(t);
    rig_end(&rig);
  }
}

/* ----------------------------------------------------------------------- memory -- */

static void test_new_without_memory(void) {
  struct ti_pool_config cfg = config(1);
  struct ti_pool_runner quiet = test_runner;
  struct ti_pool *p = NULL;
  long fail_at;
  int err;
  quiet.dispose = NULL;
  for (fail_at = 1; p == NULL; fail_at++) {
    atomic_store(&memory.fail_at, fail_at);
    err = 0;
    p = ti_pool_new(&cfg, &counted_mem, &quiet, NULL, &err);
    if (p == NULL) CHECK(err == ENOMEM && memory_clean());
  }
  CHECK(fail_at == 4 && err == 0); /* the pool, its name, then none */
  atomic_store(&memory.fail_at, 0);
  ti_pool_hold(p);
  ti_pool_release(p);
  ti_pool_release(p);
  CHECK(memory_clean());
}

/* Every allocation of three submits with new priorities fails once. That submit returns the error
** and queues nothing, and all else continues. The tasks run until all are submitted, so each of two
** needs a thread. */
static void test_submit_without_memory(void) {
  long fail_at, left = 0;
  int i;
  for (fail_at = 1; left <= 0; fail_at++) {
    struct rig rig;
    struct ti_pool_config cfg = config(2);
    struct gate gate;
    struct job jobs[3];
    struct ti_task *tasks[3];
    int faults[3], accepted = 0;
    rig_start(&rig, &cfg);
    gate_init(&gate);
    for (i = 0; i < 3; i++) {
      jobs[i] = job_of(&rig);
      jobs[i].gate = &gate;
      tasks[i] = task_of(&rig, &jobs[i], i * 3 - 1);
    }
    atomic_store(&memory.fail_at, fail_at);
    for (i = 0; i < 3; i++) {
      int err = 0;
      faults[i] = ti_pool_submit(rig.pool, tasks[i], TI_CLOCK_NEVER, &err);
      CHECK(faults[i] == TIDE_OK || faults[i] == TIDE_ENOMEM ||
            (faults[i] == TIDE_ETHREAD && err == ENOMEM));
      if (faults[i] == TIDE_OK) accepted++;
    }
    gate_open(&gate);
    for (i = 0; i < 3; i++) {
      if (faults[i] == TIDE_OK) CHECK(wait_for(tasks[i], -1));
      CHECK(ti_task_done(tasks[i]) == (faults[i] == TIDE_OK));
      ti_task_release(tasks[i]);
    }
    left = atomic_load(&memory.fail_at);
    atomic_store(&memory.fail_at, 0);
    CHECK(stats(&rig).submitted == (size_t)accepted && accepted >= 2);
    rig_end(&rig);
    gate_fini(&gate);
  }
  CHECK(fail_at > 4); /* two threads and a nested worker, at least */
}

static void *call_submit_high(void *arg) {
  struct crowd *c = (struct crowd *)arg;
  struct ti_task *t = task_of(c->rig, NULL, 1);
  int err;
  c->refused = ti_pool_submit(c->rig->pool, t, TI_CLOCK_NEVER, &err);
  ti_task_release(t);
  return NULL;
}

static void *call_submit_low(void *arg) {
  struct crowd *c = (struct crowd *)arg;
  struct ti_task *t = task_of(c->rig, NULL, 0);
  int err;
  c->refused = ti_pool_submit(c->rig->pool, t, TI_CLOCK_NEVER, &err);
  ti_task_release(t);
  return NULL;
}

/* A submitter that was woken for a free place, and then fails, wakes the next one. */
static void test_room_is_passed_on(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(1);
  struct gate gate;
  struct job job;
  struct ti_task *running, *queued;
  struct crowd high, low;
  cfg.max_queue = 1;
  rig_start(&rig, &cfg);
  gate_init(&gate);
  job = job_of(&rig);
  job.gate = &gate;
  running = submit(&rig, &job);
  queued = submit(&rig, NULL);
  high.rig = low.rig = &rig;
  spawn(&high.thread, call_submit_high, &high);
  await_waiting(&rig, 1);
  spawn(&low.thread, call_submit_low, &low);
  await_waiting(&rig, 2);
  atomic_store(&memory.fail_size, sizeof(struct ti_task_queue_list)); /* the high one needs that */
  CHECK(ti_pool_cancel_task(rig.pool, queued));
  ti_thread_join(&low.thread);
  CHECK(low.refused == TIDE_OK);
  gate_open(&gate);
  ti_thread_join(&high.thread);
  CHECK(high.refused == TIDE_ENOMEM);
  atomic_store(&memory.fail_size, 0);
  finish(running);
  finish(queued);
  rig_end(&rig);
  gate_fini(&gate);
}

static void run_out(struct job *job) {
  (void)job;
  atomic_store(&memory.fail_at, 1); /* the result is the next to allocate */
}

static void test_result_without_memory(void) {
  struct rig rig;
  struct ti_pool_config cfg = config(1);
  struct job job;
  rig_start(&rig, &cfg);
  job = job_of(&rig);
  job.call = run_out;
  CHECK(finish(submit(&rig, &job)) == TIDE_ENOMEM);
  CHECK(stats(&rig).failed == 1);
  rig_end(&rig);
}

/* Memory may be missing for the message of a broken pool, and for its copy in each task. Without
** the message the first task fails with TIDE_ENOMEM, and the pool is broken at the next attempt. */
static void test_broken_without_memory(void) {
  long fail_at, left = 0;
  int i;
  for (fail_at = 1; left <= 0; fail_at++) {
    struct rig rig;
    struct ti_pool_config cfg = config(1);
    struct gate gate;
    struct ti_task *tasks[3];
    rig_start(&rig, &cfg);
    gate_init(&gate);
    rig.open_gate = &gate;
    atomic_store(&rig.open_fails, 1);
    for (i = 0; i < 3; i++) tasks[i] = submit(&rig, NULL);
    gate_await(&gate, 1);
    atomic_store(&memory.fail_at, fail_at);
    gate_open(&gate);
    for (i = 0; i < 3; i++)
      CHECK(finish(tasks[i]) == (fail_at == 1 && i == 0 ? TIDE_ENOMEM : TIDE_EBROKEN));
    left = atomic_load(&memory.fail_at);
    atomic_store(&memory.fail_at, 0);
    rig_end(&rig);
    gate_fini(&gate);
  }
  CHECK(fail_at > 5); /* the message, and at least one block for each task's copy */
}

int main(void) {
  uint64_t seed = check_seed(ti_clock_now());
  int i;
  test_no_thread_at_all();
  test_fewer_threads();
  test_last_thread_stays();
  for (i = 0; i < 4; i++) {
    test_failing_starts_in_a_crowd(seed, 1);
    test_failing_starts_in_a_crowd(seed, 3);
  }
  test_watchdog_that_does_not_start();
  test_broken(false);
  test_broken(true);
  test_broken_midway();
  test_starved();
  test_starved_queue(false);
  test_starved_queue(true);
  test_starved_beside();
  test_closed_before_it_opened();
  test_new_without_memory();
  test_submit_without_memory();
  test_room_is_passed_on();
  test_result_without_memory();
  test_broken_without_memory();
  return check_done();
}
