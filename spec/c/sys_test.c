/*
** sys_test.c: times, conditions with deadlines, and how threads start.
**
** SPDX-License-Identifier: MIT
*/
#include <pthread.h>
#include <signal.h>

#include "support.h"

static void test_time(void) {
  sys_time a = tide_now(), b = tide_deadline(0), c = tide_deadline(10);
  CHECK(a <= b && b <= tide_now());
  CHECK(c >= a + UINT64_C(10000000000) && c <= tide_now() + UINT64_C(10000000000));
  CHECK(tide_deadline(-1) == SYS_NEVER && tide_deadline(1e300) == SYS_NEVER);
  CHECK(tide_deadline(1e10) == SYS_NEVER);
  CHECK(tide_deadline(0.0 / (double)(b == 0)) == SYS_NEVER); /* nan */
  CHECK(tide_deadline(86400.0 * 365) != SYS_NEVER);
}

static void test_deadline(void) {
  struct sys_lock l;
  struct sys_cond c;
  sys_time deadline;
  CHECK(tide_lock_init(&l) == 0 && tide_cond_init(&c) == 0);
  tide_lock_take(&l);
  CHECK(!tide_cond_wait(&c, &l, 0));
  deadline = tide_deadline(0.02);
  while (tide_cond_wait(&c, &l, deadline)) {}
  CHECK(tide_now() >= deadline);
  tide_lock_drop(&l);
  tide_cond_fini(&c);
  tide_lock_fini(&l);
}

struct seen {
  sigset_t blocked;
  size_t stack;
  size_t room, size; /* as tide_thread_room has it */
  char name[32];
};

static void *look(void *arg) {
  struct seen *s = (struct seen *)arg;
  pthread_attr_t attr;
  CHECK(pthread_sigmask(SIG_BLOCK, NULL, &s->blocked) == 0);
  CHECK(pthread_getattr_np(pthread_self(), &attr) == 0);
  CHECK(pthread_attr_getstacksize(&attr, &s->stack) == 0);
  pthread_attr_destroy(&attr);
  s->room = tide_thread_room(&s->size);
  CHECK(tide_thread_room(NULL) == s->room); /* asked once only */
  tide_thread_setname("a name that is too long for it");
  CHECK(pthread_getname_np(pthread_self(), s->name, sizeof s->name) == 0);
  CHECK(strcmp(s->name, "a name that is ") == 0);
  tide_thread_setname("x_1");
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
    struct sys_thread t;
    struct seen s;
    memset(&s, 0, sizeof s);
    CHECK(tide_thread_start(&t, stacks[i], look, &s) == 0);
    tide_thread_join(&t);
    CHECK(s.stack >= stacks[i] && strcmp(s.name, "x_1") == 0);
    /* whatever the system's default is; musl counts the thread's own data, too */
    if (stacks[i] == 0) CHECK(s.stack >= SYS_STACK && s.stack <= SYS_STACK + SYS_STACK / 8);
    CHECK(s.size == s.stack && s.room > 0 && s.room < s.size);
    for (k = 0; k < sizeof faults / sizeof faults[0]; k++)
      CHECK(!sigismember(&s.blocked, faults[k]));
    for (k = 0; k < sizeof others / sizeof others[0]; k++)
      CHECK(sigismember(&s.blocked, others[k]));
  }
  {
    struct sys_thread t;
    CHECK(tide_thread_start(&t, SIZE_MAX, look, NULL) != 0);
    CHECK(tide_thread_start(&t, SIZE_MAX / 2, look, NULL) != 0);
  }
  pthread_sigmask(SIG_BLOCK, NULL, &after);
  for (i = 1; i < 32; i++) CHECK(sigismember(&before, (int)i) == sigismember(&after, (int)i));
}

/* The first thread's stack grows, and all of it counts. */
static void test_first_thread(void) {
  size_t size, room = tide_thread_room(&size);
  CHECK(room > 1 << 16 && room <= size);
}

int main(void) {
  test_first_thread();
  test_time();
  test_deadline();
  test_threads();
  return check_done();
}
