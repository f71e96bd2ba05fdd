/*
** sched/stop_token: requests to end what a worker does.
**
** Terms
**   stop token      a worker's: whether its current work was requested to end, and why (a kind)
**   kind            interrupted, time limit or memory limit: an error code
**   signal target   a thread that signals can reach, with the tokens of all its workers
**   pin             a requester that has not sent its signal yet; the worker waits for it
**
** A worker's work is a task that it runs, or its own opening or closing, which runs Lua code too.
** The states of a token:
**
**   CLOSED --open--> TIDE_OK --request--> a kind
**      ^                |                   |
**      +-----close------+-------close-------+
**
** `request` and `close` are each one compare-and-swap, so exactly one of them succeeds. A task that
** was requested in time ends with that kind whatever it does. A task that was not can no longer be
** requested, and the request cannot meet the next task.
**
** A request is followed by a signal to the worker's thread (watchdog.c). The handler calls the hook
** of each requested token of that thread, so stray and coalesced signals are harmless. Before a
** worker takes its next task it drains signals already sent (ti_watchdog_remove): they must not
** interrupt that task's system calls.
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

/* I: immutable; A: atomic; W: under the watchdog's lock; T: the target's own thread alone. */
struct ti_signal_target {
  struct ti_signal_handler handler; /* I */
  struct ti_thread thread;       /* I while the thread lives; set before its first token is open */
  struct ti_watchdog *watchdog;  /* I: the pool's; NULL: none */
  struct ti_signal_set *signals; /* I: the pool's; NULL: the thread cannot be reached */
  _Atomic uint64_t accepted;     /* A: signals that the thread accepts; it writes (release) */
  int last_signal;               /* W: the signal that was sent last */
  bool unreachable;              /* W: there was no signal for it the last time */
  struct ti_stop_token *_Atomic first; /* A: its tokens; shared by the thread and its handler */
  atomic_bool delivered;        /* A, a hint: the handler ran since the last signal was sent */
  unsigned undelivered;         /* W: checks that found the last signal not delivered */
  bool signalled;               /* W: a signal was sent since the thread last left */
  bool ticking;                 /* T: its timer runs */
  struct ti_signal_timer timer; /* T: while it ticks */
};

struct ti_stop_token {
  struct ti_signal_target *target; /* I */
  struct ti_stop_token *next;      /* I: the one made before it */
  void (*_Atomic hook)(void *ud);  /* A: called in the handler; NULL: none */
  void *ud;                        /* for the hook */
  atomic_int state;                /* A: see above; request releases, requested and close acquire */
  atomic_bool left;         /* A: the worker has left or is leaving: see ti_stop_token_leave */
  atomic_uint pins;         /* A: requesters that have not sent their signal yet */
  struct ti_list_node link; /* W: in the watchdog's list */
  ti_time due;              /* W: when to request, or to signal again */
  int kind;                 /* W: what to request at `due` */
};

/* Makes a target. `signals` may be NULL: no signal can reach the thread. */
void ti_stop_token_init_target(struct ti_signal_target *b, struct ti_signal_set *signals);

/* Makes the calling thread the target's. From now on signals of the set reach it. */
void ti_stop_token_attach(struct ti_signal_target *b);
/* Accepts the signals `now` from here on. On the target's thread. */
void ti_stop_token_change_signals(struct ti_signal_target *b, uint64_t now);
/* Accepts other signals if the pool's set has changed. On the target's thread, before each task. */
static inline void ti_stop_token_refresh_signals(struct ti_signal_target *b) {
  uint64_t now;
  if (b->signals == NULL) return;
  now = ti_signal_set_now(b->signals);
  if (now == 0 && ti_signal_set_left(b->signals)) now = ti_signal_set_now(b->signals);
  if (now != atomic_load_explicit(&b->accepted, memory_order_relaxed))
    ti_stop_token_change_signals(b, now);
}
/* Signals the calling thread every 100 us from now on, for code whose parts must be stopped one by
** one. Without such a timer only the watchdog's signals come. On the target's thread. */
void ti_stop_token_start_ticks(struct ti_signal_target *b);
/* Ends the ticks. None arrives after the call. On the target's thread. */
void ti_stop_token_stop_ticks(struct ti_signal_target *b);

/* Adds a token, which is closed, to its target. On the target's thread, or before that starts. */
void ti_stop_token_init(struct ti_stop_token *s, struct ti_signal_target *b);
/* Takes the token off its target. It must be the one made last. */
void ti_stop_token_fini(struct ti_stop_token *s);
/* Sets what a signal does while work is requested to end. The hook runs in a signal handler on the
** worker's thread; NULL: nothing. On the worker's thread. */
void ti_stop_token_set_hook(struct ti_stop_token *s, void (*hook)(void *ud), void *ud);

/* Opens the token before the worker begins something. On the worker's thread. */
void ti_stop_token_open(struct ti_stop_token *s);
/* Closes the token. Returns the kind that was requested, or TIDE_OK. On the worker's thread. */
int ti_stop_token_close(struct ti_stop_token *s);

/* Returns the kind that was requested of the current work, or TIDE_OK. Any thread. */
static inline int ti_stop_token_requested(const struct ti_stop_token *s) {
  int state = atomic_load_explicit(&s->state, memory_order_acquire);
  return state > 0 ? state : TIDE_OK;
}

/* Requests the current work to end. Returns false if it was requested before or is closed. The
** caller must know that the work that it means has not ended. */
bool ti_stop_token_request(struct ti_stop_token *s, int kind);

/* The result of ti_stop_token_pin. */
enum ti_stop_pin_result {
  STOP_TOO_LATE, /* the work has ended; it was not requested */
  STOP_LEFT,     /* it was requested before, and the worker has left */
  STOP_ALREADY,  /* it was requested before; the token is pinned */
  STOP_REQUESTED /* it is requested by this call; the token is pinned */
};

/* Requests the current work to end, for another thread. The caller holds a lock that the worker
** needs before it begins something else. With the last two results the caller must call
** ti_watchdog_keep_signalling or ti_stop_token_unpin: the worker waits for that. */
enum ti_stop_pin_result ti_stop_token_pin(struct ti_stop_token *s, int kind);
void ti_stop_token_unpin(struct ti_stop_token *s);
/* Makes later pins fail, and waits until those under way are removed. On the worker's thread. */
void ti_stop_token_leave(struct ti_stop_token *s);

TI_INTERNAL_END

#endif
