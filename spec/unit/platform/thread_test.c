/*
** thread_test.c: times, conditions with deadlines, and how threads start.
**
** SPDX-License-Identifier: MIT
*/
#include <pthread.h>
#include <signal.h>

#include "support.h"

static void test_time(void) {
  ti_time a = ti_clock_now(), b = ti_clock_deadline(0), c = ti_clock_deadline(10);
  CHECK(a <= b && b <= ti_clock_now());
  CHECK(c >= a + UINT64_C(10000000000) && c <= ti_clock_now() + UINT64_C(10000000000));
  CHECK(ti_clock_deadline(-1) == TI_CLOCK_NEVER && ti_clock_deadline(1e300) == TI_CLOCK_NEVER);
  CHECK(ti_clock_deadline(1e10) == TI_CLOCK_NEVER);
  CHECK(ti_clock_deadline(0.0 / (double)(b == 0)) == TI_CLOCK_NEVER); /* nan */
  CHECK(ti_clock_deadline(86400.0 * 365) != TI_CLOCK_NEVER);
}

static void test_deadline(void) {
  struct ti_mutex l;
  struct ti_cond c;
  ti_time deadline;
  CHECK(ti_mutex_init(&l) == 0 && ti_cond_init(&c) == 0);
  ti_mutex_lock(&l);
  CHECK(!ti_cond_wait(&c, &l, 0));
  deadline = ti_clock_deadline(0.02);
  while (ti_cond_wait(&c, &l, deadline)) {}
  CHECK(ti_clock_now() >= deadline);
  ti_mutex_unlock(&l);
  ti_cond_fini(&c);
  ti_mutex_fini(&l);
}

struct seen {
  sigset_t blocked;
  size_t stack;
  size_t room, size; /* as ti_thread_stack_room has it */
  char name[32];
};

static void *inspect(void *arg) {
  struct seen *s = (struct seen *)arg;
  pthread_attr_t attr;
  CHECK(pthread_sigmask(SIG_BLOCK, NULL, &s->blocked) == 0);
  CHECK(pthread_getattr_np(pthread_self(), &attr) == 0);
  CHECK(pthread_attr_getstacksize(&attr, &s->stack) == 0);
  pthread_attr_destroy(&attr);
  s->room = ti_thread_stack_room(&s->size);
  CHECK(ti_thread_stack_room(NULL) == s->room); /* determined only once */
  ti_thread_set_name("a name that is too long for it");
  CHECK(pthread_getname_np(pthread_self(), s->name, sizeof s->name) == 0);
  CHECK(strcmp(s->name, "a name that is ") == 0);
  ti_thread_set_name("x_1");
  CHECK(pthread_getname_np(pthread_self(), s->name, sizeof s->name) == 0);
  return NULL;
}

static void test_threads(void) {
  static const size_t stacks[] = {0, 1, 4097, 20000, 100001, 1 << 20};
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPIPE};
  static const int others[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGCHLD, SIGUSR1, SIGUSR2};
  sigset_t before, after;
  size_t i, k;
  pthread_sigmask(SIG_BLOCK, NULL, &before);
  for (i = 0; i < sizeof stacks / sizeof stacks[0]; i++) {
    struct ti_thread t;
    struct seen s;
    memset(&s, 0, sizeof s);
    CHECK(ti_thread_start(&t, stacks[i], inspect, &s) == 0);
    ti_thread_join(&t);
    CHECK(s.stack >= stacks[i] && strcmp(s.name, "x_1") == 0);
    /* whatever the system's default is; musl counts the thread's own data, too */
    if (stacks[i] == 0)
      CHECK(s.stack >= TI_THREAD_STACK && s.stack <= TI_THREAD_STACK + TI_THREAD_STACK / 8);
    CHECK(s.size == s.stack && s.room > 0 && s.room < s.size);
    for (k = 0; k < sizeof faults / sizeof faults[0]; k++)
      CHECK(!sigismember(&s.blocked, faults[k]));
    for (k = 0; k < sizeof others / sizeof others[0]; k++)
      CHECK(sigismember(&s.blocked, others[k]));
  }
  {
    struct ti_thread t;
    CHECK(ti_thread_start(&t, SIZE_MAX, inspect, NULL) != 0);
    CHECK(ti_thread_start(&t, SIZE_MAX / 2, inspect, NULL) != 0);
  }
  pthread_sigmask(SIG_BLOCK, NULL, &after);
  for (i = 1; i < 32; i++) CHECK(sigismember(&before, (int)i) == sigismember(&after, (int)i));
}

/* The first thread's stack grows, and all of it counts. */
static void test_first_thread(void) {
  size_t size, room = ti_thread_stack_room(&size);
  CHECK(room > 1 << 16 && room <= size);
}

int main(void) {
  test_first_thread();
  test_time();
  test_deadline();
  test_threads();
  return check_done();
}
