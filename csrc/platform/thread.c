/*
** platform/thread: the only room that knows pthreads and the clock.
**
** Calls that can only fail by a mistake of ours (a lock taken twice, a thread
** joined twice) are asserted, not reported.
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
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

static void must(int err) {
  assert(err == 0);
  (void)err;
}

/* ---------------------------------------------------------------- lock -- */

int ti_mutex_init(struct ti_mutex *l) {
#ifdef PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP
  pthread_mutexattr_t attr;
  int err = pthread_mutexattr_init(&attr);
  if (err != 0) return err;
  pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
  err = pthread_mutex_init(&l->m, &attr);
  pthread_mutexattr_destroy(&attr);
  return err;
#else
  return pthread_mutex_init(&l->m, NULL);
#endif
}
void ti_mutex_fini(struct ti_mutex *l) { must(pthread_mutex_destroy(&l->m)); }
void ti_mutex_lock(struct ti_mutex *l) { must(pthread_mutex_lock(&l->m)); }
void ti_mutex_unlock(struct ti_mutex *l) { must(pthread_mutex_unlock(&l->m)); }

void ti_byte_lock_wait(struct ti_byte_lock *l) {
  enum { LOOKS = 64 }; /* longer than any section; who holds it then has no processor */
  do {
    for (int i = 0; i < LOOKS && atomic_load_explicit(&l->held, memory_order_relaxed) != 0; i++)
      ti_thread_relax();
    if (atomic_load_explicit(&l->held, memory_order_relaxed) != 0) sched_yield();
  } while (atomic_exchange_explicit(&l->held, 1, memory_order_acquire) != 0);
}

/* ----------------------------------------------------------- condition -- */

int ti_cond_init(struct ti_cond *c) {
  pthread_condattr_t attr;
  int err = pthread_condattr_init(&attr);
  if (err != 0) return err;
  err = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  if (err == 0) err = pthread_cond_init(&c->c, &attr);
  pthread_condattr_destroy(&attr);
  return err;
}

void ti_cond_fini(struct ti_cond *c) { must(pthread_cond_destroy(&c->c)); }
void ti_cond_signal(struct ti_cond *c) { must(pthread_cond_signal(&c->c)); }
void ti_cond_broadcast(struct ti_cond *c) { must(pthread_cond_broadcast(&c->c)); }

bool ti_cond_wait(struct ti_cond *c, struct ti_mutex *l, ti_time deadline) {
  struct timespec ts;
  int err;
  if (deadline == TI_CLOCK_NEVER) {
    must(pthread_cond_wait(&c->c, &l->m));
    return true;
  }
  ts.tv_sec = (time_t)(deadline / NS_PER_S);
  ts.tv_nsec = (long)(deadline % NS_PER_S);
  err = pthread_cond_timedwait(&c->c, &l->m, &ts);
  assert(err == 0 || err == ETIMEDOUT);
  return err == 0;
}

/* ---------------------------------------------------------------- time -- */

ti_time ti_clock_now(void) {
  struct timespec ts;
  int err = clock_gettime(CLOCK_MONOTONIC, &ts);
  must(err);
  return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

ti_time ti_clock_deadline(double seconds) {
  /* a hundred years: far from where the sum, or a 64 bit time_t, could overflow */
  const double forever = 100.0 * 366 * 86400;
  if (!(seconds >= 0 && seconds < forever)) return TI_CLOCK_NEVER;
  return ti_clock_now() + (uint64_t)(seconds * (double)NS_PER_S);
}

/* -------------------------------------------------------------- thread -- */

/* All but those that the running code itself raises: blocking these would turn a
** crash with a handler into one without, and have writers go on whose output nobody reads. */
static void maskable(sigset_t *set) {
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPIPE};
  size_t i;
  sigfillset(set);
  for (i = 0; i < sizeof faults / sizeof faults[0]; i++) sigdelset(set, faults[i]);
}

/* Rounded up to what the system takes: a whole number of pages, at least its minimum. */
static int set_stack(pthread_attr_t *attr, size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), least = (size_t)PTHREAD_STACK_MIN;
  if (size < least) size = least;
  if (size > SIZE_MAX - page) return EAGAIN;
  return pthread_attr_setstacksize(attr, (size + page - 1) / page * page);
}

/* Makes the thread with these signals blocked from its first instruction on. */
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
    /* thread-local data of the program comes out of the stack: the minimum may be too small */
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

/* Of each thread, where its stack lies: asked once, as that takes a while (for the first thread of
** a process the C library reads a file). None is known: `end` is 0, or both are. */
static TI_THREAD_LOCAL struct {
  uintptr_t lowest, end;
  bool asked;
} own_stack;

static void ask_stack(void) {
  pthread_attr_t attr;
  void *lowest;
  size_t size;
  own_stack.asked = true;
  if (pthread_getattr_np(pthread_self(), &attr) != 0) return;
  if (pthread_attr_getstack(&attr, &lowest, &size) == 0) {
    own_stack.lowest = (uintptr_t)lowest;
    own_stack.end = (uintptr_t)lowest + size;
  }
  pthread_attr_destroy(&attr);
#ifndef __GLIBC__
  /* Others tell of a first thread's stack, which grows, only what it takes now. */
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
  /* not the address of a variable: AddressSanitizer may have these elsewhere */
  uintptr_t here = (uintptr_t)__builtin_frame_address(0);
  bool known;
  if (!own_stack.asked) ask_stack();
  known = here >= own_stack.lowest && here < own_stack.end; /* stacks grow down */
  if (size != NULL) *size = known ? own_stack.end - own_stack.lowest : SIZE_MAX;
  return known ? here - own_stack.lowest : SIZE_MAX;
}

void ti_thread_set_name(const char *name) {
  char cut[16]; /* Linux: 15 bytes and a zero */
  size_t len = strnlen(name, sizeof cut - 1);
  memcpy(cut, name, len);
  cut[len] = '\0';
  pthread_setname_np(pthread_self(), cut);
}

/* ------------------------------------------------------------- programs -- */

/* On threads of ours: what programs begin with. A handler of fork reads it, so it is there from a
** thread's beginning (see signal.c). */
#ifdef __GLIBC__
static _Thread_local __attribute__((tls_model("initial-exec"))) const sigset_t *programs;
#else
static _Thread_local const sigset_t *programs;
#endif

void ti_child_mask_get(sigset_t *mask) {
  if (programs != NULL)
    *mask = *programs;
  else
    must(pthread_sigmask(SIG_SETMASK, NULL, mask));
}

/* In the child of a fork. */
static void unblock_child(void) {
  if (programs != NULL) pthread_sigmask(SIG_SETMASK, programs, NULL);
}

/* If there is no memory for the handler, children keep the mask of the thread. The C library
** forgets it when it unloads the library that this code is in. */
static void register_child(void) { (void)pthread_atfork(NULL, NULL, unblock_child); }

void ti_child_mask_set(const sigset_t *mask) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  must(pthread_once(&once, register_child));
  programs = mask;
  if (sigismember(mask, SIGPIPE) == 1) {
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    must(pthread_sigmask(SIG_BLOCK, &pipe, NULL));
  }
}
