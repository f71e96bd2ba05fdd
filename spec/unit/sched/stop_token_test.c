/* link: -Wl,--wrap=pthread_kill */
/*
** stop_token_test.c: a running task is requested to stop, by a call or by its time limit, and no
** signal meets another task than its own.
**
** SPDX-License-Identifier: MIT
*/
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pool_support.h"

/* ------------------------------------------------------------- the decision -- */

static void test_request_and_close_decide(void) {
  struct ti_signal_target b;
  struct ti_stop_token s;
  ti_stop_token_init_target(&b, NULL);
  ti_stop_token_init(&s, &b);
  CHECK(!ti_stop_token_request(&s, TIDE_EINTERRUPTED) && ti_stop_token_requested(&s) == TIDE_OK);
  ti_stop_token_open(&s);
  CHECK(ti_stop_token_request(&s, TIDE_ETIMELIMIT));
  CHECK(!ti_stop_token_request(&s, TIDE_EINTERRUPTED)); /* the first counts */
  CHECK(ti_stop_token_requested(&s) == TIDE_ETIMELIMIT &&
        ti_stop_token_close(&s) == TIDE_ETIMELIMIT);
  ti_stop_token_open(&s);
  CHECK(ti_stop_token_requested(&s) == TIDE_OK && ti_stop_token_close(&s) == TIDE_OK);
  CHECK(ti_stop_token_pin(&s, TIDE_EINTERRUPTED) == STOP_TOO_LATE); /* too late */
  ti_stop_token_open(&s);
  CHECK(ti_stop_token_pin(&s, TIDE_EINTERRUPTED) == STOP_REQUESTED);
  CHECK(ti_stop_token_pin(&s, TIDE_EINTERRUPTED) == STOP_ALREADY);
  CHECK(atomic_load(&s.pins) == 2); /* each must signal or unpin */
  ti_stop_token_unpin(&s);
  CHECK(atomic_load(&s.pins) == 1);
  ti_stop_token_fini(&s);
  CHECK(atomic_load(&b.first) == NULL);
}

/* --------------------------------------------------------------- the signal -- */

static atomic_int host_signals;
static void host_handler(int sig) {
  (void)sig;
  atomic_fetch_add(&host_signals, 1);
}

static void test_no_handler_is_replaced(void) {
  struct sigaction host, now;
  int err = 0;
  memset(&host, 0, sizeof host);
  host.sa_handler = host_handler;
  sigemptyset(&host.sa_mask);
  CHECK(sigaction(SIGUSR1, &host, NULL) == 0);
  CHECK(ti_signal_claim(SIGUSR1, &err) == 0 && err == EBUSY);
  CHECK(ti_signal_claim(SIGKILL, &err) == 0 && err != 0);
  CHECK(ti_signal_claim(9999, &err) == 0 && err == EINVAL);
  CHECK(ti_signal_claim(SIGUSR2, &err) == SIGUSR2 && ti_signal_claim(SIGUSR2, &err) == SIGUSR2);
  /* SIGURG is the host's: another one */
  CHECK(sigaction(SIGURG, &host, &now) == 0);
  err = ti_signal_claim(0, &err);
  CHECK(err != 0 && err != SIGURG);
  CHECK(kill(getpid(), SIGURG) == 0 && atomic_load(&host_signals) == 1);
  CHECK(sigaction(SIGURG, &now, NULL) == 0);
  CHECK(ti_signal_claim(0, &err) == SIGURG);
  /* to threads that are no workers: nothing happens */
  CHECK(kill(getpid(), SIGURG) == 0 && kill(getpid(), SIGUSR2) == 0);
  CHECK(raise(SIGURG) == 0);
}

/* ---------------------------------------------------------------- the tasks -- */

struct stoppable {
  struct job job;
  atomic_bool requested; /* before it is interrupted */
  atomic_bool signalled; /* the signal came */
  int turns;             /* how long it runs by itself; 0: until it is stopped */
};

static _Thread_local struct stoppable *volatile running;
static atomic_int misdirected, signals;

TI_IN_HANDLER static void on_signal(void *rig) {
  struct stoppable *now = running;
  (void)rig;
  atomic_fetch_add(&signals, 1);
  if (now == NULL) return;
  if (!atomic_load(&now->requested)) atomic_fetch_add(&misdirected, 1);
  atomic_store(&now->signalled, true);
}

static void run_until_stopped(struct job *job) {
  struct stoppable *self = TI_CONTAINER(job, struct stoppable, job);
  running = self;
  for (int i = 0; (self->turns == 0 || i < self->turns) && !atomic_load(&self->signalled); i++)
    ti_thread_relax();
  running = NULL;
}

static int chosen; /* 0: none, the first that is free */

static void rig_with_signal(struct rig *rig, int workers, ti_time limit) {
  struct ti_pool_config cfg = config(workers);
  int err;
  cfg.signal = ti_signal_claim(chosen, &err);
  cfg.time_limit = limit;
  rig_start(rig, &cfg);
  rig->on_signal = on_signal;
}

static void init(struct stoppable *s, struct rig *rig, int turns) {
  memset(s, 0, sizeof *s);
  s->job = job_of(rig);
  s->job.call = run_until_stopped;
  s->turns = turns;
}

/* Submits a task that runs until it is stopped, and waits until it runs. */
static struct ti_task *run_one(struct rig *rig, struct stoppable *s) {
  struct ti_task *t;
  rig_with_signal(rig, 1, 0);
  init(s, rig, 0);
  t = submit(rig, &s->job);
  while (ti_task_state(t) == TIDE_PENDING) sched_yield();
  return t;
}

static void test_interrupts_what_runs(void) {
  struct rig rig;
  struct stoppable s;
  struct ti_task *t = run_one(&rig, &s);
  atomic_store(&s.requested, true);
  CHECK(ti_pool_cancel_interrupt(rig.pool, t) && ti_pool_cancel_interrupt(rig.pool, t));
  CHECK(wait_for(t, -1) && t->outcome == TIDE_EINTERRUPTED && atomic_load(&s.signalled));
  CHECK(ti_pool_cancel_interrupt(rig.pool, t)); /* it ended by that request */
  ti_task_release(t);
  init(&s, &rig, 1);
  t = submit(&rig, &s.job);
  CHECK(wait_for(t, -1) && t->outcome == TIDE_OK && !ti_pool_cancel_interrupt(rig.pool, t));
  ti_task_release(t);
  rig_end(&rig);
}

static void test_limits_time(void) {
  struct rig rig;
  struct stoppable s;
  rig_with_signal(&rig, 2, 3 * 1000 * 1000);
  CHECK(ti_pool_cancel_start_watchdog(rig.pool) == 0);
  for (int i = 0; i < 20; i++) {
    init(&s, &rig, 0);
    atomic_store(&s.requested, true);
    CHECK(finish(submit(&rig, &s.job)) == TIDE_ETIMELIMIT && atomic_load(&s.signalled));
  }
  rig_end(&rig);
}

static void test_interrupts_all(void) {
  enum { N = 4 };
  struct rig rig;
  struct stoppable s[N];
  struct ti_task *t[N];
  rig_with_signal(&rig, N, 0);
  for (int i = 0; i < N; i++) {
    init(&s[i], &rig, 0);
    atomic_store(&s[i].requested, true);
    t[i] = submit(&rig, &s[i].job);
  }
  for (int i = 0; i < N; i++)
    while (ti_task_state(t[i]) == TIDE_PENDING) sched_yield();
  ti_pool_close(rig.pool, true);
  ti_pool_cancel_interrupt_all(rig.pool);
  for (int i = 0; i < N; i++) CHECK(finish(t[i]) == TIDE_EINTERRUPTED);
  rig_end(&rig);
}

/* A task whose thread signals itself by ticks, and that needs many signals beside those that others
** send. */
enum { SIGNALS = 50 };

static void run_with_ticks(struct job *job) {
  struct stoppable *self = TI_CONTAINER(job, struct stoppable, job);
  struct ti_signal_target *target = self->job.rig->target;
  run_until_stopped(job);
  ti_stop_token_start_ticks(target);
  ti_stop_token_start_ticks(target); /* it ticks already */
  for (int i = 0; i < SIGNALS; i++) {
    atomic_store(&self->signalled, false);
    run_until_stopped(job);
  }
}

static void test_ticks(int rounds) {
  struct rig rig;
  rig_with_signal(&rig, 1, 0);
  atomic_store(&misdirected, 0);
  for (int i = 0; i < rounds; i++) {
    struct stoppable s, next;
    struct ti_task *t, *b;
    int before;
    init(&s, &rig, 0);
    init(&next, &rig, 2000);
    s.job.call = run_with_ticks;
    t = submit(&rig, &s.job);
    b = submit(&rig, &next.job);
    while (ti_task_state(t) == TIDE_PENDING) ti_thread_relax();
    before = atomic_load(&signals);
    atomic_store(&s.requested, true);
    CHECK(ti_pool_cancel_interrupt(rig.pool, t));
    CHECK(finish(t) == TIDE_EINTERRUPTED && atomic_load(&signals) - before > SIGNALS);
    CHECK(finish(b) == TIDE_OK && !atomic_load(&next.signalled));
  }
  CHECK(atomic_load(&misdirected) == 0);
  rig_end(&rig);
}

/* Tasks that end by themselves, about when they are interrupted, and others in between that are
** not. */
static void test_no_signal_meets_another_task(int rounds) {
  struct rig rig;
  uint64_t random = check_seed(20261125);
  int stopped = 0, ended = 0;
  rig_with_signal(&rig, 2, 0);
  atomic_store(&misdirected, 0);
  for (int i = 0; i < rounds; i++) {
    struct stoppable victim, bystander;
    struct ti_task *v, *b;
    bool hit;
    init(&victim, &rig, 1 + (int)check_random(&random, 6000));
    init(&bystander, &rig, 1 + (int)check_random(&random, 300));
    v = submit(&rig, &victim.job);
    b = submit(&rig, &bystander.job);
    while (i % 4 != 0 && ti_task_state(v) == TIDE_PENDING) ti_thread_relax();
    for (size_t n = check_random(&random, 1000); n > 0; n--) ti_thread_relax();
    atomic_store(&victim.requested, true);
    hit = ti_pool_cancel_interrupt(rig.pool, v);
    CHECK(finish(b) == TIDE_OK && !atomic_load(&bystander.signalled));
    CHECK(wait_for(v, -1));
    if (ti_task_state(v) == TIDE_FINISHED) {
      CHECK(hit == (v->outcome == TIDE_EINTERRUPTED));
      if (hit)
        stopped++;
      else
        ended++;
    } else {
      CHECK(hit);
    }
    ti_task_release(v);
  }
  printf("%d stopped, %d ended by themselves, %d signals\n", stopped, ended, atomic_load(&signals));
  CHECK(atomic_load(&misdirected) == 0);
  rig_end(&rig);
}

/* ------------------------------------------------------ signals that do not come -- */

int __real_pthread_kill(pthread_t t, int sig);
int __wrap_pthread_kill(pthread_t t, int sig);

static atomic_int lost, refused; /* so many of the next signals */

int __wrap_pthread_kill(pthread_t t, int sig) {
  if (atomic_load(&lost) > 0 && atomic_fetch_sub(&lost, 1) > 0) return 0;
  if (atomic_load(&refused) > 0 && atomic_fetch_sub(&refused, 1) > 0) return EAGAIN;
  return __real_pthread_kill(t, sig);
}

/* The next one does. */
static void test_lost_signals(void) {
  for (int i = 1; i < 4; i++) {
    atomic_store(&lost, i);
    test_interrupts_what_runs();
    CHECK(atomic_load(&lost) <= 0);
    atomic_store(&refused, i);
    test_interrupts_what_runs();
    CHECK(atomic_load(&refused) <= 0);
  }
}

/* The user's other processes have used up all queued signals that are allowed. The system refuses a
** real-time signal then; other signals lose what they carry. */
static void test_too_many_queued_signals(int signal) {
  struct rlimit before, none;
  CHECK(getrlimit(RLIMIT_SIGPENDING, &before) == 0);
  none = before;
  none.rlim_cur = 0;
  chosen = signal;
  CHECK(setrlimit(RLIMIT_SIGPENDING, &none) == 0);
  if (signal < SIGRTMIN) {
    test_interrupts_what_runs();
    test_limits_time();
    test_ticks(1); /* there is no timer */
    CHECK(setrlimit(RLIMIT_SIGPENDING, &before) == 0);
  } else {
    struct rig rig;
    struct stoppable s;
    struct ti_task *t = run_one(&rig, &s);
    atomic_store(&s.requested, true);
    CHECK(ti_pool_cancel_interrupt(rig.pool, t));
    CHECK(!wait_for(t, 0.03)); /* refused all that time */
    CHECK(setrlimit(RLIMIT_SIGPENDING, &before) == 0);
    CHECK(finish(t) == TIDE_EINTERRUPTED);
    rig_end(&rig);
  }
  chosen = 0;
}

/* Stray signals to a worker stop nothing. */
static void test_stray_signals(void) {
  struct rig rig;
  struct stoppable s;
  struct ti_task *t = run_one(&rig, &s);
  pthread_t worker;
  ti_mutex_lock(&rig.pool->lock);
  worker = rig.pool->all_threads->thread.t;
  ti_mutex_unlock(&rig.pool->lock);
  for (int i = 0; i < 1000; i++) CHECK(__real_pthread_kill(worker, rig.pool->cfg.signal) == 0);
  CHECK(!atomic_load(&s.signalled) && !ti_task_done(t));
  atomic_store(&s.requested, true);
  CHECK(ti_pool_cancel_interrupt(rig.pool, t) && finish(t) == TIDE_EINTERRUPTED);
  rig_end(&rig);
}

/* A submit that comes too late starts the watchdog for its time limit before it is refused. */
static void test_watchdog_after_the_end(void) {
  struct ti_pool_config cfg = config(1);
  struct rig rig;
  int err;
  rig_start(&rig, &cfg);
  CHECK(ti_pool_cancel_start_watchdog(rig.pool) == ENOTSUP); /* without a signal */
  rig_end(&rig);
  cfg.signal = ti_signal_claim(0, &err);
  rig_start(&rig, &cfg);
  ti_pool_close(rig.pool, false);
  CHECK(ti_pool_wait(rig.pool, TI_CLOCK_NEVER));
  CHECK(ti_pool_cancel_start_watchdog(rig.pool) == 0);
  ti_pool_release(rig.pool);
  CHECK(atomic_load(&rig.disposed) == 1 && memory_clean());
}

int main(void) {
  const char *san = getenv("SAN"), *rounds = getenv("TIDE_ROUNDS");
  bool sanitized = san != NULL && *san != '\0';
  test_request_and_close_decide();
  test_no_handler_is_replaced();
  test_interrupts_what_runs();
  test_limits_time();
  test_interrupts_all();
  test_watchdog_after_the_end();
  test_stray_signals();
  test_lost_signals();
  test_too_many_queued_signals(SIGURG);
  test_too_many_queued_signals(SIGRTMAX - 3);
  test_ticks(sanitized ? 20 : 200);
  test_no_signal_meets_another_task(rounds != NULL ? atoi(rounds) : sanitized ? 5000 : 30000);
  return check_done();
}
