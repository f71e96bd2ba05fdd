/*
** platform/thread: threads and their C stacks.
**
** Wrong use (a thread that is joined twice) is asserted, not reported.
**
** SPDX-License-Identifier: MIT
*/
#include "platform/thread.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static void must(int err) {
  assert(err == 0);
  (void)err;
}

/* All signals except those that the running code itself raises. If these were blocked, a crash
** would bypass its handler, and a writer would go on after its reader has closed. */
static void maskable(sigset_t *set) {
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPIPE};
  size_t i;
  sigfillset(set);
  for (i = 0; i < sizeof faults / sizeof faults[0]; i++) sigdelset(set, faults[i]);
}

/* Sets the size, rounded up to whole pages and to the system's minimum. */
static int set_stack(pthread_attr_t *attr, size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), least = (size_t)PTHREAD_STACK_MIN;
  if (size < least) size = least;
  if (size > SIZE_MAX - page) return EAGAIN;
  return pthread_attr_setstacksize(attr, (size + page - 1) / page * page);
}

/* Creates the thread with these signals blocked from its first instruction on. */
static int create(struct ti_thread *t, pthread_attr_t *attr, const sigset_t *blocked,
                  void *(*fn)(void *), void *arg) {
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 32)
  int err = pthread_attr_setsigmask_np(attr, blocked);
  return err == 0 ? pthread_create(&t->t, attr, fn, arg) : err;
#else
  sigset_t before;
  int err;
  /* the mask is inherited: set before the start, no signal can slip in between */
  must(pthread_sigmask(SIG_SETMASK, blocked, &before));
  err = pthread_create(&t->t, attr, fn, arg);
  must(pthread_sigmask(SIG_SETMASK, &before, NULL));
  return err;
#endif
}

int ti_thread_start(struct ti_thread *t, size_t stack_size, void *(*fn)(void *), void *arg) {
  pthread_attr_t attr;
  sigset_t blocked;
  int tries, err = pthread_attr_init(&attr);
  if (err != 0) return err;
  if (stack_size == 0) stack_size = TI_THREAD_STACK;
  err = set_stack(&attr, stack_size);
  if (err == 0) {
    maskable(&blocked);
    err = create(t, &attr, &blocked, fn, arg);
    /* The program's thread-local data lies in the stack, so the minimum may be too small. */
    for (tries = 0; err == EINVAL && tries < 8; tries++) {
      size_t size;
      must(pthread_attr_getstacksize(&attr, &size));
      err = size <= SIZE_MAX / 2 ? pthread_attr_setstacksize(&attr, size * 2) : EAGAIN;
      if (err == 0) err = create(t, &attr, &blocked, fn, arg);
    }
  }
  pthread_attr_destroy(&attr);
  return err;
}

void ti_thread_join(struct ti_thread *t) { must(pthread_join(t->t, NULL)); }

struct ti_thread ti_thread_self(void) {
  const struct ti_thread self = {pthread_self()};
  return self;
}

bool ti_thread_is_self(const struct ti_thread *t) {
  return pthread_equal(t->t, pthread_self()) != 0;
}

/* The place of the thread's stack. It is determined once, as that takes long: for the first thread
** of a process the C library reads a file. `end` is 0 if it is not known. */
static TI_THREAD_LOCAL struct {
  uintptr_t lowest, end;
  bool found;
} own_stack;

static void find_stack(void) {
  pthread_attr_t attr;
  void *lowest;
  size_t size;
  own_stack.found = true;
  if (pthread_getattr_np(pthread_self(), &attr) != 0) return;
  if (pthread_attr_getstack(&attr, &lowest, &size) == 0) {
    own_stack.lowest = (uintptr_t)lowest;
    own_stack.end = (uintptr_t)lowest + size;
  }
  pthread_attr_destroy(&attr);
#ifndef __GLIBC__
  /* Other C libraries report only the current size of the first thread's stack, which grows. */
  if (syscall(SYS_gettid) == getpid()) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= own_stack.end)
      own_stack.end = 0;
    else
      own_stack.lowest = own_stack.end - (uintptr_t)limit.rlim_cur;
  }
#endif
}

size_t ti_thread_stack_room(size_t *size) {
  /* AddressSanitizer may keep variables elsewhere, so none of their addresses serves. */
  uintptr_t here = (uintptr_t)__builtin_frame_address(0);
  bool known;
  if (!own_stack.found) find_stack();
  known = here >= own_stack.lowest && here < own_stack.end; /* stacks grow down */
  if (size != NULL) *size = known ? own_stack.end - own_stack.lowest : SIZE_MAX;
  return known ? here - own_stack.lowest : SIZE_MAX;
}

void ti_thread_yield(void) { (void)sched_yield(); }

void ti_thread_set_name(const char *name) {
  char cut[16]; /* Linux: 15 bytes and a zero */
  size_t len = strnlen(name, sizeof cut - 1);
  memcpy(cut, name, len);
  cut[len] = '\0';
  pthread_setname_np(pthread_self(), cut);
}
