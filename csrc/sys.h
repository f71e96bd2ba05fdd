/*
** tidepool, floor 1: sys, the only room that knows pthreads and the clock.
**
** Thin: a lock, a condition with a monotonic deadline, a thread, the time.
** Functions that can fail answer 0 or an errno code. Locks are not recursive;
** no two of this library are ever held together.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_SYS_H
#define TIDE_SYS_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "internal.h"

TIDE_INTERNAL_BEGIN

struct sys_lock {
  pthread_mutex_t m;
};
struct sys_cond {
  pthread_cond_t c; /* on the monotonic clock */
};
struct sys_thread {
  pthread_t t;
};

int tide_lock_init(struct sys_lock *l);
void tide_lock_fini(struct sys_lock *l);
void tide_lock_take(struct sys_lock *l); /* blocks while another thread holds it */
void tide_lock_drop(struct sys_lock *l);

/* A lock of one byte, for objects that are many, and sections of a few instructions without a
** call that could block: who waits looks again and again, and yields its processor in between. */
struct sys_bytelock {
  atomic_uchar held; /* A: acquire in take pairs with release in drop */
};

void tide_bytelock_wait(struct sys_bytelock *l); /* takes it when it is free again */

static inline void tide_bytelock_init(struct sys_bytelock *l) { atomic_init(&l->held, 0); }
static inline void tide_bytelock_take(struct sys_bytelock *l) {
  if (atomic_exchange_explicit(&l->held, 1, memory_order_acquire) != 0) tide_bytelock_wait(l);
}
static inline void tide_bytelock_drop(struct sys_bytelock *l) {
  atomic_store_explicit(&l->held, 0, memory_order_release);
}

/* Tells the processor that this is a loop that waits. */
static inline void tide_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

int tide_cond_init(struct sys_cond *c);
void tide_cond_fini(struct sys_cond *c);
void tide_cond_signal(struct sys_cond *c);
void tide_cond_broadcast(struct sys_cond *c);

/* A time in nanoseconds on the monotonic clock; SYS_NEVER as a deadline. */
typedef uint64_t sys_time;
#define SYS_NEVER UINT64_MAX

sys_time tide_now(void);
/* now + seconds; negative or too large: SYS_NEVER. */
sys_time tide_deadline(double seconds);

/* Sleeps until signalled (or for no reason), or the deadline: then false. The
** lock is held before and after. Callers loop on their predicate. */
bool tide_cond_wait(struct sys_cond *c, struct sys_lock *l, sys_time deadline);

/* Bytes of C stack: what a thread gets if nobody asks for a size; the least that may be asked for; and what Lua
** code may take that recurses through C functions as far as Lua lets it (200 levels of string.gsub, the
** hungriest: spec/c/stack_test.c). A sanitizer's frames are larger. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SYS_STACK_UNIT ((size_t)4 << 20)
#else
#define SYS_STACK_UNIT ((size_t)1 << 20)
#endif
#define SYS_STACK (2 * SYS_STACK_UNIT)
#define SYS_STACK_LEAST SYS_STACK_UNIT
#define SYS_STACK_LUA (SYS_STACK_UNIT / 2)

/* Starts a thread with all signals blocked but those that the running code itself raises, by a fault or by
** writing where nobody reads (SIGPIPE), so that the host's handlers run on the host's threads. stack_size 0:
** SYS_STACK, whatever the system's default is; a size the system refuses as too small or odd is rounded up. 0 or errno. */
int tide_thread_start(struct sys_thread *t, size_t stack_size, void *(*fn)(void *), void *arg);
void tide_thread_join(struct sys_thread *t); /* blocks until it has ended */
/* Whether the caller is that thread, which must not have been joined. */
struct sys_thread tide_thread_self(void);
bool tide_thread_is_self(const struct sys_thread *t);
/* How many bytes of the calling thread's stack are free, and in *size (NULL is legal) how many it has in all. SIZE_MAX
** for both: this is not known, or it runs on a stack of the program's own (a fibre's). Takes some nanoseconds,
** but for the first call of each thread. */
size_t tide_thread_room(size_t *size);
/* Names the calling thread for the OS, cut to what it allows. */
void tide_thread_setname(const char *name);

/* Programs that a thread of ours starts do not begin with the signals blocked that it has blocked, but with
** those that were blocked where its executor was made. Stores the mask that a program begins with which the
** calling thread starts; on other threads that is their own mask. */
void tide_programs_mask(sigset_t *mask);
/* Makes it that for the calling thread, a new one of ours. A child that fork() makes on it, in whatever library, begins
** with it, too. `mask` lives as long as the thread. Also blocks SIGPIPE where that was blocked. */
void tide_programs_inherit(const sigset_t *mask);

/* Signals: how a running thread is reached. They are the program's: a handler of ours is put where it has none
** (SIG_DFL), and never taken away, so what it is in stays loaded. The program may want one later: it sets a
** handler, ignores it, or sets it back to SIG_DFL. So whose a signal is is looked at before each use, and
** threads take more than one. A set of them is a word: signal n is bit n - 1. */

/* What a thread does in the handler, whoever sent the signal. */
struct sys_alarm {
  void (*ring)(void *ud, int sig);
  void *ud;
};

/* Why `sig` is not for this, in words; NULL: it may be. */
const char *tide_signal_unfit(int sig);
/* The program handles or ignores it. */
bool tide_signal_taken(int sig);
/* Makes `sig` ours; 0: the first of some that is free, and that the calling thread does not block as one of few. The
** signal, or 0 and errno in *err: EBUSY if the program has it, EINVAL if it is none, or none for this. */
int tide_signal_claim(int sig, int *err);

/* The signals by which some threads are to be reached. */
struct sys_signals {
  int first;        /* I: one that was claimed; 0: none, ever */
  uint64_t shunned; /* I: that the maker blocks: it waits for them in another way */
  _Atomic uint64_t
      set; /* A, relaxed: those now, `first` and some to spare; each look may change it */
};

void tide_signals_init(struct sys_signals *s, int first);
/* What its threads are to take from now on. */
static inline uint64_t tide_signals_now(const struct sys_signals *s) {
  return atomic_load_explicit(&s->set, memory_order_relaxed);
}
/* One that is ours now, of those that a thread takes; 0: the program has them all. Looks for others, for later,
** when it finds that the program has one. Some system calls; any thread. */
int tide_signals_find(struct sys_signals *s, uint64_t open);
/* Whether a thread that takes tide_signals_now can be reached. The same. */
bool tide_signals_left(struct sys_signals *s);

/* The calling thread, which blocks all signals, has that alarm for the rest of its life, which lives until the
** thread is joined. */
void tide_signal_alarm(const struct sys_alarm *a);
/* The calling thread took the signals `before`, and takes `now` from here on. */
void tide_signals_take(uint64_t before, uint64_t now);
/* Sends it to a thread that has not ended. Several that were not taken yet may become one, but for
** real-time signals. Never blocks. 0 or errno. */
int tide_thread_signal(const struct sys_thread *t, int sig);
/* After a child process has ended, by SIGINT or not: what ended it (Ctrl-C goes to all processes of a terminal's
** foreground) may be on its way to the program's own thread still. For a thread that blocks signals. Returns when
** none of the usual ones is pending any more for the process, after a tenth of a second at most. */
void tide_signal_settle(bool by_interrupt);
/* Returns when what was sent to the calling thread has come. */
void tide_signal_drain(void);
/* Whether a thread that takes `open` may have a timer: by SIGURG alone, which does no harm if the
** program sets it back to SIG_DFL meanwhile. */
bool tide_signal_ticks(uint64_t open);
/* Sends SIGURG to the calling thread every `period` ns, until it ends the timer: none comes after that. False:
** there is no such timer. In the handler, for a signal `sig` other than SIGURG: the program has that now, and
** the timer pauses for good. */
struct sys_timer {
  timer_t id;
};
bool tide_timer_start(struct sys_timer *timer, sys_time period);
void tide_timer_pause(struct sys_timer *timer, int sig);
void tide_timer_end(struct sys_timer *timer);

/* Keeps the library that this code is in loaded, for good. */
bool tide_sys_stay_loaded(void);

/* Whether more than one processor is there for this process' threads; one system call. */
bool tide_sys_parallel(void);

/* Processors this process may use: affinity mask and cgroup CPU quotas; >= 1. */
int tide_sys_cpus(void);
/* The quota part, for tests: `root` stands for "/" (the files proc/self/cgroup and
** sys/fs/cgroup/… below it); 0 if there is no quota, else processors, rounded up. */
int tide_sys_cgroup_cpus(const char *root);

TIDE_INTERNAL_END

#endif
