/*
** tidepool, floor 1: stop, asking the task that a worker runs to end.
**
** Each worker has one `struct stop`; what it holds is about what the worker does now: it runs a
** task, or is opened or closed, where Lua code runs too.
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
#ifndef TIDE_STOP_H
#define TIDE_STOP_H

#include "fault.h"
#include "fifo.h"
#include "sys.h"

TIDE_INTERNAL_BEGIN

enum { STOP_CLOSED = -1 };

struct stop;
struct watchdog;

/* A thread that can be rung. */
struct bell {
  struct sys_alarm alarm;   /* I */
  struct sys_thread thread; /* I while the thread lives; written before its first stop is opened */
  struct watchdog *dog;     /* I: of its pool; NULL: none */
  struct sys_signals
      *signals; /* I: of its pool; NULL: there are none, the thread cannot be reached */
  _Atomic uint64_t
      open;  /* A: signals that it takes; the thread's, for who rings; release, acquire */
  int sent;  /* watchdog's lock: the signal that was sent last */
  bool mute; /* watchdog's lock: when it was to be rung last, there was no signal for it */
  struct stop *_Atomic first; /* A: its stops; the thread's, and its handler's */
  atomic_bool
      heard; /* A: the handler ran since the last signal was sent: a hint (relaxed), see ring_locked */
  unsigned unheard;       /* watchdog's lock: how often it was to be rung since then */
  bool rung;              /* watchdog's lock: a signal was sent since the thread last left */
  bool ticks;             /* the thread's: it rings itself, too */
  struct sys_timer timer; /* the thread's, while it ticks */
};

struct stop {
  struct bell *bell; /* I */
  struct stop *next; /* I: the one made before it */
  void (*_Atomic arm)(
      void *ud);    /* A: of the worker that is opened: called in the handler; NULL: none */
  void *ud;         /* for arm */
  atomic_int want;  /* A: see above; release in ask pairs with acquire in asked and close */
  atomic_bool left; /* A: the worker has left, or is leaving (watchdog.h); see tide_stop_leaves */
  atomic_uint visitors;  /* A: who asked and has not rung yet; release, paired with leave */
  struct fifo_node link; /* watchdog's lock: in its list */
  sys_time due;          /* watchdog's lock: when to ask, or to ring again */
  int kind;              /* watchdog's lock: what to ask for */
};

void tide_bell_init(struct bell *b, struct sys_signals *signals);

/* These on its thread. From now on it can be rung, if there is a signal. */
void tide_bell_hang(struct bell *b);
/* Before each task: takes other signals, if these have changed. */
void tide_bell_change(struct bell *b, uint64_t now);
static inline void tide_bell_refresh(struct bell *b) {
  uint64_t now;
  if (b->signals == NULL) return;
  now = tide_signals_now(b->signals);
  if (now == 0 && tide_signals_left(b->signals)) now = tide_signals_now(b->signals);
  if (now != atomic_load_explicit(&b->open, memory_order_relaxed)) tide_bell_change(b, now);
}
/* Rings the thread every 100 us from now on: for code whose parts must be stopped one by
** one. Where there is no such timer, there are the watchdog's signals. */
void tide_bell_hurry(struct bell *b);
/* Ends that. No ring of it comes later. */
void tide_bell_calm(struct bell *b);

/* On the bell's thread, or before it starts. The last that was made goes first. */
void tide_stop_init(struct stop *s, struct bell *b);
void tide_stop_fini(struct stop *s);
/* The worker's: what a signal does from now on, on its own thread and in a handler. NULL: nothing. */
void tide_stop_setarm(struct stop *s, void (*arm)(void *ud), void *ud);

/* The worker's: before a task, and at its end. `close` answers FAULT_NONE or what was asked for. */
void tide_stop_open(struct stop *s);
int tide_stop_close(struct stop *s);

/* What was asked of the running task, or FAULT_NONE. */
static inline int tide_stop_asked(const struct stop *s) {
  int want = atomic_load_explicit(&s->want, memory_order_acquire);
  return want > 0 ? want : FAULT_NONE;
}

/* Asks the task that runs, which the caller knows not to have ended. False: it was asked already,
** or it is too late. */
bool tide_stop_ask(struct stop *s, int kind);

/* The same for another thread, under a lock that the worker needs before it goes on to
** something else. STOP_TOLD: asked now; STOP_KNOWN: it was asked before. With both it is to be
** chased (watchdog.h), or parted from, which the worker waits for. STOP_PAST: it was asked before,
** and the worker has left already; STOP_NOT: too late. */
enum stop_answer { STOP_NOT, STOP_PAST, STOP_KNOWN, STOP_TOLD };
enum stop_answer tide_stop_visit(struct stop *s, int kind);
void tide_stop_part(struct stop *s);
/* The worker's: from now on visits answer STOP_PAST or STOP_NOT. Returns once those that were
** under way have parted. */
void tide_stop_leaves(struct stop *s);

TIDE_INTERNAL_END

#endif
