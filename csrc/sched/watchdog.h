/*
** sched/watchdog: a thread that sees to deadlines of running tasks.
**
** It asks tasks that run too long to stop, and rings those that were asked until they have ended:
** code that catches the error, or a finalizer that begins later, is signalled again. The thread starts
** when it is first needed. Its lock is a leaf, and guards the list and the fields of `struct
** ti_stop_token` that say so; a signal is sent under it, so that who leaves knows that none is to
** come.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_SCHED_WATCHDOG_H
#define TI_SCHED_WATCHDOG_H

#include "sched/stop_token.h"
#include "platform/clock.h"
#include "platform/cond.h"
#include "platform/mutex.h"
#include "platform/thread.h"

TI_INTERNAL_BEGIN

struct ti_watchdog {
  struct ti_mutex lock;
  struct ti_cond changed; /* its thread: something is due sooner than `next`, or `ending` */
  struct ti_list list;    /* L: stops */
  ti_time next;           /* L: when the thread looks again */
  enum { WATCHDOG_NONE, WATCHDOG_STARTING, WATCHDOG_RUNNING } state; /* L */
  bool ending;                                                       /* L */
  struct ti_thread thread;                                           /* L: while RUNNING */
};

int ti_watchdog_init(struct ti_watchdog *w); /* 0 or errno */
void ti_watchdog_fini(struct ti_watchdog *w);

/* Starts its thread if there is none. 0 or errno. */
int ti_watchdog_start(struct ti_watchdog *w);
/* Ends its thread and joins it, if there is one: when no task runs any more. */
void ti_watchdog_end(struct ti_watchdog *w);

/* The worker's: its task is to be asked for `kind` at `due`. */
void ti_watchdog_limit(struct ti_watchdog *w, struct ti_stop_token *s, ti_time due, int kind);
/* For who asked, as a visitor: rings now, and again until the task has ended. False: there is
** no signal for it now. */
bool ti_watchdog_keep_signalling(struct ti_watchdog *w, struct ti_stop_token *s);
/* How many were asked to end and cannot be reached. */
size_t ti_watchdog_unreachable(struct ti_watchdog *w);
/* The worker's, whose task asked itself to end: its thread is signalled from now on, until it
** leaves. */
void ti_watchdog_follow(struct ti_stop_token *s);
/* The worker's, at the end of a task that had a limit or was asked to stop: nobody will ring for it
** any more. Waits for who is about to, and for the signals that were sent. */
void ti_watchdog_remove(struct ti_watchdog *w, struct ti_stop_token *s);

TI_INTERNAL_END

#endif
