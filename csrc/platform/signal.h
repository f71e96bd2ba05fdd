/*
** platform/signal: reaching a running thread with a signal.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_PLATFORM_SIGNAL_H
#define TI_PLATFORM_SIGNAL_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "platform/clock.h"
#include "platform/compiler.h"
#include "platform/thread.h"

TI_INTERNAL_BEGIN

/* Terms
**   signal set   signals as the bits of a word: signal n is bit n - 1
**   ours         a signal whose handler is this library's
**
** Handlers are the program's. The library installs its handler only for a signal that has none
** (SIG_DFL), and never removes it, so the library stays loaded. The program may later install a
** handler of its own, ignore the signal, or set it back to SIG_DFL. Each use therefore checks whose
** the signal is, and a thread takes more than one. */

/* What a thread does in the handler, whoever sent the signal. */
struct ti_signal_handler {
  void (*handle)(void *ud, int sig);
  void *ud;
};

/* Returns NULL if `sig` may be used to reach threads, else why not, in words. */
const char *ti_signal_unfit(int sig);

/* Whether the program handles or ignores it. */
bool ti_signal_taken(int sig);

/* Makes `sig` ours. 0 stands for the first free signal of a list that the calling thread does not
** block. Returns the signal, or 0 and an errno code in *err: EBUSY if the program has it, EINVAL if
** it is no signal, or one that cannot be used. */
int ti_signal_claim(int sig, int *err);

/* The signals that reach some threads. */
struct ti_signal_set {
  int first;            /* I: one that was claimed; 0: there never is one */
  uint64_t avoided;     /* I: those that the maker blocks, since it waits for them another way */
  _Atomic uint64_t set; /* A, relaxed: `first` and spare ones; each check may change it */
};

void ti_signal_set_init(struct ti_signal_set *s, int first);

/* Returns the signals that the threads are to take from now on. */
static inline uint64_t ti_signal_set_now(const struct ti_signal_set *s) {
  return atomic_load_explicit(&s->set, memory_order_relaxed);
}

/* Returns a signal that is ours now, of those in `open` that a thread takes; 0: the program has
** them all. Claims spare ones when the program has taken one. Some system calls. Any thread. */
int ti_signal_set_find(struct ti_signal_set *s, uint64_t open);

/* Whether a thread that takes ti_signal_set_now can be reached. Otherwise as ti_signal_set_find. */
bool ti_signal_set_left(struct ti_signal_set *s);

/* Sets the calling thread's handler for the rest of its life. The thread blocks all signals. `a`
** lives until the thread is joined. */
void ti_signal_set_handler(const struct ti_signal_handler *a);

/* The calling thread took the signals `before`, and takes `now` from here on. */
void ti_signal_set_take(uint64_t before, uint64_t now);

/* Sends `sig` to a thread that has not ended. Several that are pending may become one, except for
** real-time signals. Never blocks. Returns 0 or an errno code. */
int ti_signal_send(const struct ti_thread *t, int sig);

/* To be called by a thread that blocks signals, after a child process has ended. A signal that
** ended the child (Ctrl-C reaches all processes of a terminal's foreground) may still be on its way
** to the program's own thread. Returns when none of the usual ones is pending for the process,
** after a tenth of a second at most. */
void ti_signal_settle(bool by_interrupt);

/* Returns when the signals that were sent to the calling thread have been delivered. */
void ti_signal_drain(void);

/* Whether a thread that takes `open` may have a timer. Only SIGURG serves for timers: it does no
** harm if the program sets it back to SIG_DFL meanwhile. */
bool ti_signal_ticks(uint64_t open);

/* A timer that sends SIGURG to the calling thread every `period` ns. `start` returns false where
** there is no such timer. After `end` no signal of it comes. `pause` is for the handler: for a
** signal other than SIGURG, which means that the program has taken SIGURG, it stops the timer for
** good. */
struct ti_signal_timer {
  timer_t id;
};
bool ti_signal_timer_start(struct ti_signal_timer *timer, ti_time period);
void ti_signal_timer_pause(struct ti_signal_timer *timer, int sig);
void ti_signal_timer_end(struct ti_signal_timer *timer);

/* Keeps the library that this code is in loaded for good. Returns false if that failed. */
bool ti_signal_stay_loaded(void);

TI_INTERNAL_END

#endif
