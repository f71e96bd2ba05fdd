/*
** sched/stop_token: asking the task that a worker runs to end.
**
** Each worker has one `struct ti_stop_token`; what it holds is about what the worker does now: it
** runs a task, or is opened or closed, where Lua code runs too.
**
**   want:   CLOSED --open--> 0 --ask--> a kind (interrupted, time_limit, memory_limit)
**              ^             |             |
**              +----close----+----close----+
**
** `ask` and `close` decide by one compare-and-swap: a task that was asked in time ends with that
** kind whatever it does; one that was not cannot be asked any more, nor can the next one in its
** place.
**
** Who asks reaches the worker's thread with a signal (`ring_locked` in watchdog.c), whose handler
** calls `arm` there, for all of the thread's stops that were asked. A signal that comes when none
** was asked does nothing, so it matters neither who sent it nor whether two became one; but who
** leaves (watchdog.h) lets what was sent come first, so that the next task's system calls are not
** interrupted.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_SCHED_STOP_TOKEN_H
#define TI_SCHED_STOP_TOKEN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/errcode.h"
#include "util/list.h"
#include "platform/clock.h"
#include "platform/signal.h"
#include "platform/thread.h"

TI_INTERNAL_BEGIN

enum { STOP_CLOSED = -1 };

struct ti_stop_token;
struct ti_watchdog;

/* A thread that can be rung. */
struct ti_signal_target {
  struct ti_signal_handler handler; /* I */
  struct ti_thread thread; /* I while the thread lives; written before its first stop is opened */
  struct ti_watchdog *watchdog; /* I: of its pool; NULL: none */
  struct ti_signal_set
      *signals; /* I: of its pool; NULL: there are none, the thread cannot be reached */
  _Atomic uint64_t
      accepted;     /* A: signals that it takes; the thread's, for who rings; release, acquire */
  int last_signal;  /* watchdog's lock: the signal that was sent last */
  bool unreachable; /* watchdog's lock: when it was to be rung last, there was no signal for it */
  struct ti_stop_token *_Atomic first; /* A: its stops; the thread's, and its handler's */
  atomic_bool
      /* A: the handler ran since the last signal was sent: a hint (relaxed), see ring_locked */
      delivered;
  unsigned undelivered;         /* watchdog's lock: how often it was to be rung since then */
  bool signalled;               /* watchdog's lock: a signal was sent since the thread last left */
  bool ticking;                 /* the thread's: it rings itself, too */
  struct ti_signal_timer timer; /* the thread's, while it ticks */
};

struct ti_stop_token {
  struct ti_signal_target *target; /* I */
  struct ti_stop_token *next;      /* I: the one made before it */
  void (*_Atomic hook)(
      void *ud);    /* A: of the worker that is opened: called in the handler; NULL: none */
  void *ud;         /* for arm */
  atomic_int state; /* A: see above; release in ask pairs with acquire in asked and close */
  atomic_bool
      left; /* A: the worker has left, or is leaving (watchdog.h); see ti_stop_token_leave */
  atomic_uint pins;         /* A: who asked and has not rung yet; release, paired with leave */
  struct ti_list_node link; /* watchdog's lock: in its list */
  ti_time due;              /* watchdog's lock: when to ask, or to ring again */
  int kind;                 /* watchdog's lock: what to ask for */
};

void ti_stop_token_init_target(struct ti_signal_target *b, struct ti_signal_set *signals);

/* These on its thread. From now on it can be rung, if there is a signal. */
void ti_stop_token_attach(struct ti_signal_target *b);
/* Before each task: takes other signals, if these have changed. */
void ti_stop_token_change_signals(struct ti_signal_target *b, uint64_t now);
static inline void ti_stop_token_refresh_signals(struct ti_signal_target *b) {
  uint64_t now;
  if (b->signals == NULL) return;
  now = ti_signal_set_now(b->signals);
  if (now == 0 && ti_signal_set_left(b->signals)) now = ti_signal_set_now(b->signals);
  if (now != atomic_load_explicit(&b->accepted, memory_order_relaxed))
    ti_stop_token_change_signals(b, now);
}
/* Rings the thread every 100 us from now on: for code whose parts must be stopped one by
** one. Where there is no such timer, there are the watchdog's signals. */
void ti_stop_token_start_ticks(struct ti_signal_target *b);
/* Ends that. No ring of it comes later. */
void ti_stop_token_stop_ticks(struct ti_signal_target *b);

/* On the bell's thread, or before it starts. The last that was made goes first. */
void ti_stop_token_init(struct ti_stop_token *s, struct ti_signal_target *b);
void ti_stop_token_fini(struct ti_stop_token *s);
/* The worker's: what a signal does from now on, on its own thread and in a handler. NULL:
** nothing. */
void ti_stop_token_set_hook(struct ti_stop_token *s, void (*hook)(void *ud), void *ud);

/* The worker's: before a task, and at its end. `close` answers TIDE_OK or what was asked for. */
void ti_stop_token_open(struct ti_stop_token *s);
int ti_stop_token_close(struct ti_stop_token *s);

/* What was asked of the running task, or TIDE_OK. */
static inline int ti_stop_token_requested(const struct ti_stop_token *s) {
  int state = atomic_load_explicit(&s->state, memory_order_acquire);
  return state > 0 ? state : TIDE_OK;
}

/* Asks the task that runs, which the caller knows not to have ended. False: it was asked already,
** or it is too late. */
bool ti_stop_token_request(struct ti_stop_token *s, int kind);

/* The same for another thread, under a lock that the worker needs before it goes on to
** something else. STOP_REQUESTED: asked now; STOP_ALREADY: it was asked before. With both it is to be
** chased (watchdog.h), or parted from, which the worker waits for. STOP_LEFT: it was asked before,
** and the worker has left already; STOP_TOO_LATE: too late. */
enum ti_stop_pin_result { STOP_TOO_LATE, STOP_LEFT, STOP_ALREADY, STOP_REQUESTED };
enum ti_stop_pin_result ti_stop_token_pin(struct ti_stop_token *s, int kind);
void ti_stop_token_unpin(struct ti_stop_token *s);
/* The worker's: from now on visits answer STOP_LEFT or STOP_TOO_LATE. Returns once those that were
** under way have parted. */
void ti_stop_token_leave(struct ti_stop_token *s);

TI_INTERNAL_END

#endif
