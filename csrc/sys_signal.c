/*
** tidepool, floor 1: sys_signal, the part of sys.h that reaches a thread with a signal.
**
** SPDX-License-Identifier: MIT
*/
#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <link.h>
#else
#include <sys/auxv.h>
#endif

#include "sys.h"

/* ThreadSanitizer holds signals back until the thread makes a call that it knows, which a loop
** in Lua never does; this is the same call, past it. */
#ifdef __SANITIZE_THREAD__
extern int __sigaction(int, const struct sigaction *, struct sigaction *);
#define sigaction_now __sigaction
#else
#define sigaction_now sigaction
#endif

/* Of each thread that takes a signal, its alarm. A signal brings no pointer: what it carries is lost when
** the user's signals are too many (RLIMIT_SIGPENDING), or where two become one. */
static TIDE_THREADS_OWN const struct sys_alarm *volatile own_alarm;

TIDE_IN_HANDLER static void on_signal(int sig) {
  int saved = errno;
  const struct sys_alarm *a = own_alarm;
  (void)sig;
  if (a != NULL) a->ring(a->ud); /* else it was sent to another thread, and not by us */
  errno = saved;
}

/* Makes sig ours if it is nobody's. */
static int claim(int sig) {
  struct sigaction now, ours;
  if (sigaction_now(sig, NULL, &now) != 0) return errno;
  if ((now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == on_signal) return 0;
  if ((now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL) return EBUSY;
  if (!tide_sys_stay_loaded()) return EBUSY; /* the handler could go, and the signal still come */
  memset(&ours, 0, sizeof ours);
  ours.sa_handler = on_signal;
  ours.sa_flags = SA_RESTART | SA_ONSTACK;
  sigemptyset(&ours.sa_mask);
  return sigaction_now(sig, &ours, NULL) == 0 ? 0 : errno;
}

int tide_signal_claim(int sig, int *err) {
  /* SIGURG: nobody minds a stray one, and debuggers let it through. Then those that programs use
  ** least. */
  const int some[] = {SIGURG, SIGRTMAX - 3, SIGRTMAX - 4, SIGRTMAX - 5, SIGRTMAX - 6};
  if (sig != 0) return (*err = claim(sig)) == 0 ? sig : 0;
  for (size_t i = 0; i < sizeof some / sizeof some[0]; i++)
    if ((*err = claim(some[i])) == 0) return some[i];
  return 0;
}

void tide_signal_take(int sig, const struct sys_alarm *a) {
  sigset_t set;
  own_alarm = a;
  sigemptyset(&set);
  sigaddset(&set, sig);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int tide_thread_signal(const struct sys_thread *t, int sig) { return pthread_kill(t->t, sig); }

/* Any system call: what is pending comes before it returns. */
void tide_signal_drain(void) { sched_yield(); }

#ifdef SIGEV_THREAD_ID
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

bool tide_timer_start(struct sys_timer *timer, sys_time period, int sig) {
  struct itimerspec every;
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
  event.sigev_signo = sig;
  if (timer_create(CLOCK_MONOTONIC, &event, &timer->id) != 0) return false;
  every.it_interval.tv_sec = (time_t)(period / 1000000000);
  every.it_interval.tv_nsec = (long)(period % 1000000000);
  every.it_value = every.it_interval;
  if (timer_settime(timer->id, 0, &every, NULL) == 0) return true;
  timer_delete(timer->id);
  return false;
}

/* What it sent is for the calling thread, and so comes before the call returns. */
void tide_timer_end(struct sys_timer *timer) { timer_delete(timer->id); }
#else
bool tide_timer_start(struct sys_timer *timer, sys_time period, int sig) {
  (void)timer, (void)period, (void)sig;
  return false;
}

void tide_timer_end(struct sys_timer *timer) { (void)timer; }
#endif

bool tide_sys_stay_loaded(void) {
  static const char here = 0;
  Dl_info info;
#ifdef __GLIBC__
  void *map;
  if (dladdr1(&here, &info, &map, RTLD_DL_LINKMAP) == 0) return false;
  if (((const struct link_map *)map)->l_name[0] == '\0') return true; /* the program itself */
#else
  Dl_info program;
  if (dladdr(&here, &info) == 0) return false;
  /* the program itself; dlopen may not know it by its name */
  if (dladdr((const void *)getauxval(AT_ENTRY), &program) !=
          0 && /* NOLINT: an address of the system's */
      program.dli_fbase == info.dli_fbase)
    return true;
#endif
  return dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE) != NULL;
}
