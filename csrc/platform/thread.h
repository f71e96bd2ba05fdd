/*
** platform/thread: the only room that knows pthreads and the clock.
**
** Thin: a lock, a condition with a monotonic deadline, a thread, the time.
** Functions that can fail answer 0 or an errno code. Locks are not recursive;
** no two of this library are ever held together.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_PLATFORM_THREAD_H
#define TI_PLATFORM_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

struct ti_mutex {
  pthread_mutex_t m;
};
struct ti_cond {
  pthread_cond_t c; /* on the monotonic clock */
};
struct ti_thread {
  pthread_t t;
};

int ti_mutex_init(struct ti_mutex *l);
void ti_mutex_fini(struct ti_mutex *l);
void ti_mutex_lock(struct ti_mutex *l); /* blocks while another thread holds it */
void ti_mutex_unlock(struct ti_mutex *l);

/* A lock of one byte, for objects that are many, and sections of a few instructions without a
** call that could block: who waits looks again and again, and yields its processor in between. */
struct ti_byte_lock {
  atomic_uchar held; /* A: acquire in take pairs with release in drop */
};

void ti_byte_lock_wait(struct ti_byte_lock *l); /* takes it when it is free again */

static inline void ti_byte_lock_init(struct ti_byte_lock *l) { atomic_init(&l->held, 0); }
static inline void ti_byte_lock_lock(struct ti_byte_lock *l) {
  if (atomic_exchange_explicit(&l->held, 1, memory_order_acquire) != 0) ti_byte_lock_wait(l);
}
static inline void ti_byte_lock_unlock(struct ti_byte_lock *l) {
  atomic_store_explicit(&l->held, 0, memory_order_release);
}

/* Tells the processor that this is a loop that waits. */
static inline void ti_thread_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

int ti_cond_init(struct ti_cond *c);
void ti_cond_fini(struct ti_cond *c);
void ti_cond_signal(struct ti_cond *c);
void ti_cond_broadcast(struct ti_cond *c);

/* A time in nanoseconds on the monotonic clock; TI_CLOCK_NEVER as a deadline. */
typedef uint64_t ti_time;
#define TI_CLOCK_NEVER UINT64_MAX

ti_time ti_clock_now(void);
/* now + seconds; negative or too large: TI_CLOCK_NEVER. */
ti_time ti_clock_deadline(double seconds);

/* Sleeps until signalled (or for no reason), or the deadline: then false. The
** lock is held before and after. Callers loop on their predicate. */
bool ti_cond_wait(struct ti_cond *c, struct ti_mutex *l, ti_time deadline);

/* Bytes of C stack: what a thread gets if nobody asks for a size; the least that may be asked for;
** and what Lua code may take that recurses through C functions as far as Lua lets it (200 levels of
** string.gsub, the hungriest: spec/unit/luautil/c_stack_test.c). A sanitizer's frames are
** larger. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TI_THREAD_STACK_UNIT ((size_t)4 << 20)
#else
#define TI_THREAD_STACK_UNIT ((size_t)1 << 20)
#endif
#define TI_THREAD_STACK (2 * TI_THREAD_STACK_UNIT)
#define TI_THREAD_STACK_LEAST TI_THREAD_STACK_UNIT
#define TI_THREAD_STACK_LUA (TI_THREAD_STACK_UNIT / 2)

/* Starts a thread with all signals blocked but those that the running code itself raises, by a
** fault or by writing where nobody reads (SIGPIPE), so that the host's handlers run on the host's
** threads. stack_size 0: TI_THREAD_STACK, whatever the system's default is; a size the system
** refuses as too small or odd is rounded up. 0 or errno. */
int ti_thread_start(struct ti_thread *t, size_t stack_size, void *(*fn)(void *), void *arg);
void ti_thread_join(struct ti_thread *t); /* blocks until it has ended */
/* Whether the caller is that thread, which must not have been joined. */
struct ti_thread ti_thread_self(void);
bool ti_thread_is_self(const struct ti_thread *t);
/* How many bytes of the calling thread's stack are free, and in *size (NULL is legal) how many it
** has in all. SIZE_MAX for both: this is not known, or it runs on a stack of the program's own (a
** fibre's). Takes some nanoseconds, but for the first call of each thread. */
size_t ti_thread_stack_room(size_t *size);
/* Names the calling thread for the OS, cut to what it allows. */
void ti_thread_set_name(const char *name);

/* Programs that a thread of ours starts do not begin with the signals blocked that it has blocked,
** but with those that were blocked where its executor was made. Stores the mask that a program
** begins with which the calling thread starts; on other threads that is their own mask. */
void ti_child_mask_get(sigset_t *mask);
/* Makes it that for the calling thread, a new one of ours. A child that fork() makes on it, in
** whatever library, begins with it, too. `mask` lives as long as the thread. Also blocks SIGPIPE
** where that was blocked. */
void ti_child_mask_set(const sigset_t *mask);

/* Signals: how a running thread is reached. They are the program's: a handler of ours is put where
** it has none (SIG_DFL), and never taken away, so what it is in stays loaded. The program may want
** one later: it sets a handler, ignores it, or sets it back to SIG_DFL. So whose a signal is is
** looked at before each use, and threads take more than one. A set of them is a word: signal n is
** bit n - 1. */

/* What a thread does in the handler, whoever sent the signal. */
struct ti_signal_handler {
  void (*ring)(void *ud, int sig);
  void *ud;
};

/* Why `sig` is not for this, in words; NULL: it may be. */
const char *ti_signal_unfit(int sig);
/* The program handles or ignores it. */
bool ti_signal_taken(int sig);
/* Makes `sig` ours; 0: the first of some that is free, and that the calling thread does not block
** as one of few. The signal, or 0 and errno in *err: EBUSY if the program has it, EINVAL if it is
** none, or none for this. */
int ti_signal_claim(int sig, int *err);

/* The signals by which some threads are to be reached. */
struct ti_signal_set {
  int first;        /* I: one that was claimed; 0: none, ever */
  uint64_t shunned; /* I: that the maker blocks: it waits for them in another way */
  _Atomic uint64_t
      set; /* A, relaxed: those now, `first` and some to spare; each look may change it */
};

void ti_signal_set_init(struct ti_signal_set *s, int first);
/* What its threads are to take from now on. */
static inline uint64_t ti_signal_set_now(const struct ti_signal_set *s) {
  return atomic_load_explicit(&s->set, memory_order_relaxed);
}
/* One that is ours now, of those that a thread takes; 0: the program has them all. Looks for
** others, for later, when it finds that the program has one. Some system calls; any thread. */
int ti_signal_set_find(struct ti_signal_set *s, uint64_t open);
/* Whether a thread that takes ti_signal_set_now can be reached. The same. */
bool ti_signal_set_left(struct ti_signal_set *s);

/* The calling thread, which blocks all signals, has that alarm for the rest of its life, which
** lives until the thread is joined. */
void ti_signal_set_handler(const struct ti_signal_handler *a);
/* The calling thread took the signals `before`, and takes `now` from here on. */
void ti_signal_set_take(uint64_t before, uint64_t now);
/* Sends it to a thread that has not ended. Several that were not taken yet may become one, but for
** real-time signals. Never blocks. 0 or errno. */
int ti_signal_send(const struct ti_thread *t, int sig);
/* After a child process has ended, by SIGINT or not: what ended it (Ctrl-C goes to all processes of
** a terminal's foreground) may be on its way to the program's own thread still. For a thread that
** blocks signals. Returns when none of the usual ones is pending any more for the process, after a
** tenth of a second at most. */
void ti_signal_settle(bool by_interrupt);
/* Returns when what was sent to the calling thread has come. */
void ti_signal_drain(void);
/* Whether a thread that takes `open` may have a timer: by SIGURG alone, which does no harm if the
** program sets it back to SIG_DFL meanwhile. */
bool ti_signal_ticks(uint64_t open);
/* Sends SIGURG to the calling thread every `period` ns, until it ends the timer: none comes after
** that. False: there is no such timer. In the handler, for a signal `sig` other than SIGURG: the
** program has that now, and the timer pauses for good. */
struct ti_signal_timer {
  timer_t id;
};
bool ti_signal_timer_start(struct ti_signal_timer *timer, ti_time period);
void ti_signal_timer_pause(struct ti_signal_timer *timer, int sig);
void ti_signal_timer_end(struct ti_signal_timer *timer);

/* Keeps the library that this code is in loaded, for good. */
bool ti_signal_stay_loaded(void);

/* Whether more than one processor is there for this process' threads; one system call. */
bool ti_cpu_count_parallel(void);

/* Processors this process may use: affinity mask and cgroup CPU quotas; >= 1. */
int ti_cpu_count_get(void);
/* The quota part, for tests: `root` stands for "/" (the files proc/self/cgroup and
** sys/fs/cgroup/… below it); 0 if there is no quota, else processors, rounded up. */
int ti_cpu_count_cgroup(const char *root);

TI_INTERNAL_END

#endif
