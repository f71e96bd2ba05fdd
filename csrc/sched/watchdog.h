/*
** sched/watchdog: a thread for the deadlines of running tasks.
**
** It requests tasks that run too long to stop. It signals requested tasks again and again until
** they have ended: code may catch the error, and a finalizer may begin later. The thread starts
** when it is first needed.
**
** Locks: the watchdog's lock is a leaf. It guards the list and the fields marked W in stop_token.h.
** Signals are sent under it. A worker that has removed itself from the list therefore knows that no
** further signal is sent for it.
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
  struct ti_list list;    /* L: stop tokens */
  ti_time next;           /* L: when the thread checks the list again */
  enum { WATCHDOG_NONE, WATCHDOG_STARTING, WATCHDOG_RUNNING } state; /* L */
  bool ending;                                                       /* L */
  struct ti_thread thread;                                           /* L: while RUNNING */
};

/* Makes a watchdog without a thread. Returns 0 or an errno code. */
int ti_watchdog_init(struct ti_watchdog *w);
void ti_watchdog_fini(struct ti_watchdog *w);

/* Starts the watchdog's thread unless it runs. Returns 0 or an errno code. */
int ti_watchdog_start(struct ti_watchdog *w);
/* Ends and joins the watchdog's thread, if there is one. No task may run any more. */
void ti_watchdog_end(struct ti_watchdog *w);

/* Has the watchdog request `kind` at `due`. On the worker's thread, when its task begins. */
void ti_watchdog_limit(struct ti_watchdog *w, struct ti_stop_token *s, ti_time due, int kind);
/* Signals the worker of a pinned token now, and again until the task has ended. Removes the pin.
** Returns false if no signal reaches the worker now. Any thread, with no lock held. */
bool ti_watchdog_keep_signalling(struct ti_watchdog *w, struct ti_stop_token *s);
/* Returns how many requested tasks no signal reaches. */
size_t ti_watchdog_unreachable(struct ti_watchdog *w);
/* Has the watchdog signal the calling worker, whose task requested its own end, until it leaves. */
void ti_watchdog_follow(struct ti_stop_token *s);
/* Takes the worker off the list, at the end of a task that had a limit or was requested to stop.
** Waits until requesters that are about to signal it have done so, and drains signals already
** sent. On the worker's thread. */
void ti_watchdog_remove(struct ti_watchdog *w, struct ti_stop_token *s);

TI_INTERNAL_END

#endif
