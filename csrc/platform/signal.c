/*
** platform/signal: reaching a running thread with a signal.
**
** SPDX-License-Identifier: MIT
*/
#include "platform/signal.h"

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

/* ThreadSanitizer delays signals until the thread makes a call that it knows, which a loop in Lua
** never does. This is the same call without ThreadSanitizer. */
#ifdef __SANITIZE_THREAD__
extern int __sigaction(int, const struct sigaction *, struct sigaction *);
#define sigaction_now __sigaction
#else
#define sigaction_now sigaction
#endif

/* The handler of the calling thread. A signal carries no pointer: that would be lost when the user
** has too many queued signals (RLIMIT_SIGPENDING), or where two become one. */
static TI_THREAD_LOCAL const struct ti_signal_handler *volatile own_handler;

TI_IN_HANDLER static void on_signal(int sig) {
  int saved = errno;
  const struct ti_signal_handler *a = own_handler;
  if (a != NULL) a->handle(a->ud, sig); /* NULL: a thread of the program, and a stray signal */
  errno = saved;
}

/* ------------------------------------------------------------ whose a signal is -- */

enum whose { UNCLAIMED, OURS, THEIRS, NONE };

static uint64_t bit(int sig) { return UINT64_C(1) << (sig - 1); }

static enum whose whose_is(int sig) {
  struct sigaction now;
  if (sig < 1 || sig > 64 || sigaction_now(sig, NULL, &now) != 0) return NONE;
  if ((now.sa_flags & SA_SIGINFO) != 0) return THEIRS;
  return now.sa_handler == on_signal ? OURS : now.sa_handler == SIG_DFL ? UNCLAIMED : THEIRS;
}

/* Installs our handler, where the program had none a moment ago. */
static enum whose put(int sig) {
  struct sigaction ours, before;
  memset(&ours, 0, sizeof ours);
  ours.sa_handler = on_signal;
  ours.sa_flags = SA_RESTART | SA_ONSTACK;
  sigemptyset(&ours.sa_mask);
  if (sigaction_now(sig, &ours, &before) != 0) return NONE;
  if ((before.sa_flags & SA_SIGINFO) == 0 &&
      (before.sa_handler == SIG_DFL || before.sa_handler == on_signal))
    return OURS;
  sigaction_now(sig, &before, NULL); /* it was quicker */
  return THEIRS;
}

/* The signal is ours, now. */
static bool hold(int sig) {
  enum whose w = whose_is(sig);
  return w == OURS || (w == UNCLAIMED && put(sig) == OURS);
}

const char *ti_signal_unfit(int sig) {
  if (sig >= SIGRTMIN && sig <= SIGRTMAX) return NULL;
  switch (sig) {
    case SIGUSR1:
    case SIGUSR2:
    case SIGURG:
    case SIGWINCH:
    case SIGIO:
#ifdef SIGPWR
    case SIGPWR:
#endif
#ifdef SIGSTKFLT
    case SIGSTKFLT:
#endif
      return NULL;
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGABRT:
    case SIGTRAP:
    case SIGSYS: return "faults of the program raise it";
    case SIGKILL:
    case SIGSTOP: return "no program can handle it";
    case SIGCONT:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU: return "it stops or continues the program";
    case SIGHUP:
    case SIGINT:
    case SIGQUIT:
    case SIGTERM: return "it is how a program is asked to end";
    case SIGPIPE:
    case SIGCHLD:
    case SIGALRM:
    case SIGVTALRM:
    case SIGPROF:
    case SIGXCPU:
    case SIGXFSZ: return "the system sends it";
    default: return "there is no such signal, or the C library has it";
  }
}

bool ti_signal_taken(int sig) { return whose_is(sig) == THEIRS; }

/* Makes sig ours if it has no handler. Returns 0 or an errno code. */
static int claim(int sig) {
  switch (ti_signal_unfit(sig) == NULL ? whose_is(sig) : NONE) {
    case OURS: return 0;
    case THEIRS: return EBUSY;
    case NONE: return EINVAL;
    case UNCLAIMED: break;
  }
  if (!ti_signal_stay_loaded())
    return EBUSY; /* else the handler could be unloaded before a signal arrives */
  return put(sig) == OURS ? 0 : EBUSY;
}

/* Returns the i-th candidate; 0: no more. SIGURG first: a stray one does no harm, and debuggers
** pass it on. Then SIGWINCH. Both are ignored without a handler, so a program that sets one back to
** the default does not die of one under way. Then real-time signals, those first that programs use
** least. */
static int candidate(int i) {
  const int least = SIGRTMIN, most = SIGRTMAX;
  int below = most - 3 - least + 1; /* from most - 3 down */
  if (i == 0) return SIGURG;
  if (i == 1) return SIGWINCH;
  i--;
  if (i <= below) return most - 2 - i;
  return i <= below + 3 ? most - (i - below - 1) : 0;
}

/* Returns the candidates that the calling thread blocks, as programs do that wait for signals by
** sigwait or signalfd. Returns none if it blocks all, which says nothing about one, or if it is a
** worker. */
static uint64_t blocked_here(void) {
  sigset_t set;
  uint64_t blocked = 0;
  bool all = true;
  int sig;
  if (own_handler != NULL || pthread_sigmask(SIG_BLOCK, NULL, &set) != 0) return 0;
  for (int i = 0; (sig = candidate(i)) != 0; i++) {
    if (sigismember(&set, sig) == 1)
      blocked |= bit(sig);
    else
      all = false;
  }
  return all ? 0 : blocked;
}

int ti_signal_claim(int sig, int *err) {
  uint64_t avoided;
  if (sig != 0) return (*err = claim(sig)) == 0 ? sig : 0;
  avoided = blocked_here();
  *err = EBUSY;
  for (int i = 0; (sig = candidate(i)) != 0; i++)
    if ((avoided & bit(sig)) == 0 && (*err = claim(sig)) == 0) return sig;
  return 0;
}

/* --------------------------------------------------- the signals of some threads -- */

/* Signals that the threads accept besides the first, in case the program takes that. */
enum { SPARE = 2 };

/* Checks all signals of the set, and claims others for those that the program has taken. */
static void renew(struct ti_signal_set *s) {
  uint64_t set = hold(s->first) ? bit(s->first) : 0;
  int sig, n = set != 0;
  for (int pass = 0; pass < 2; pass++) {
    uint64_t before = atomic_load_explicit(&s->set, memory_order_relaxed);
    for (int i = 0; n < 1 + SPARE && (sig = candidate(i)) != 0; i++) {
      /* first those that these threads take already */
      if ((set & bit(sig)) != 0 || (s->avoided & bit(sig)) != 0) continue;
      if (pass == 0 && (before & bit(sig)) == 0) continue;
      /* A terminal sends it, and with a handler it would interrupt system calls that it does not
      ** interrupt without. */
      if (sig == SIGWINCH && (set & bit(SIGURG)) != 0) continue;
      if (!hold(sig)) continue;
      set |= bit(sig);
      n++;
    }
  }
  atomic_store_explicit(&s->set, set, memory_order_relaxed);
}

void ti_signal_set_init(struct ti_signal_set *s, int first) {
  s->first = first;
  s->avoided = first != 0 ? blocked_here() : 0;
  atomic_init(&s->set, 0);
  if (first != 0) renew(s);
}

/* Returns the best signal of `open` that is ours now. *theirs: the program has another one. */
static int find(const struct ti_signal_set *s, uint64_t open, bool *theirs) {
  int sig = s->first;
  *theirs = false;
  for (int i = -1; sig != 0; sig = candidate(++i)) {
    if ((open & bit(sig)) == 0) continue;
    if (hold(sig)) return sig;
    *theirs = true;
  }
  return 0;
}

int ti_signal_set_find(struct ti_signal_set *s, uint64_t open) {
  bool theirs;
  int sig = find(s, open, &theirs);
  if (theirs || sig == 0) renew(s);
  return sig;
}

bool ti_signal_set_left(struct ti_signal_set *s) {
  if (s->first == 0) return false;
  if (ti_signal_set_find(s, ti_signal_set_now(s)) != 0) return true;
  renew(s);
  return ti_signal_set_now(s) != 0;
}

bool ti_signal_ticks(uint64_t open) { return (open & bit(SIGURG)) != 0 && hold(SIGURG); }

static void set_of(uint64_t signals, sigset_t *set) {
  sigemptyset(set);
  for (int sig = 1; sig <= 64; sig++)
    if ((signals & bit(sig)) != 0) sigaddset(set, sig);
}

void ti_signal_set_take(uint64_t before, uint64_t now) {
  sigset_t set;
  set_of(now & ~before, &set);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  set_of(before & ~now, &set);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void ti_signal_set_handler(const struct ti_signal_handler *a) { own_handler = a; }

int ti_signal_send(const struct ti_thread *t, int sig) { return pthread_kill(t->t, sig); }

void ti_signal_settle(bool by_interrupt) {
  static const int some[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
  const struct timespec slice = {0, 1000000};
  int slices = 100,
      least = by_interrupt ? 20 : 0; /* its handler may have begun, and not come far */
  bool pending = true;
  for (int i = 0; i < slices && (pending || i < least); i++) {
    sigset_t set;
    pending = false;
    if (sigpending(&set) == 0)
      for (size_t k = 0; k < sizeof some / sizeof some[0]; k++)
        pending = pending || sigismember(&set, some[k]) == 1;
    if (pending || i < least) nanosleep(&slice, NULL);
  }
}

/* Any system call: what is pending comes before it returns. */
void ti_signal_drain(void) { sched_yield(); }

#ifdef SIGEV_THREAD_ID
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

bool ti_signal_timer_start(struct ti_signal_timer *timer, ti_time period) {
  struct itimerspec every;
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
  event.sigev_signo = SIGURG;
  if (timer_create(CLOCK_MONOTONIC, &event, &timer->id) != 0) return false;
  every.it_interval.tv_sec = (time_t)(period / 1000000000);
  every.it_interval.tv_nsec = (long)(period % 1000000000);
  every.it_value = every.it_interval;
  if (timer_settime(timer->id, 0, &every, NULL) == 0) return true;
  timer_delete(timer->id);
  return false;
}

TI_IN_HANDLER void ti_signal_timer_pause(struct ti_signal_timer *timer, int sig) {
  struct itimerspec never;
  if (sig == SIGURG) return;
  memset(&never, 0, sizeof never);
  timer_settime(timer->id, 0, &never, NULL);
}

/* What it sent is for the calling thread, and so comes before the call returns. */
void ti_signal_timer_end(struct ti_signal_timer *timer) { timer_delete(timer->id); }
#else
bool ti_signal_timer_start(struct ti_signal_timer *timer, ti_time period) {
  (void)timer, (void)period;
  return false;
}

TI_IN_HANDLER void ti_signal_timer_pause(struct ti_signal_timer *timer, int sig) {
  (void)timer, (void)sig;
}

void ti_signal_timer_end(struct ti_signal_timer *timer) { (void)timer; }
#endif

bool ti_signal_stay_loaded(void) {
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
