/*
** tidepool, floor 1: watchdog, a thread that sees to deadlines of running tasks.
**
** It asks tasks that run too long to stop, and rings those that were asked until they have ended:
** code that catches the error, or a finalizer that begins later, is rung again. The thread starts
** when it is first needed. Its lock is a leaf, and guards the list and the fields of `struct stop`
** that say so; a signal is sent under it, so that who leaves knows that none is to come.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_WATCHDOG_H
#define TIDE_WATCHDOG_H

#include "stop.h"

TIDE_INTERNAL_BEGIN

struct watchdog {
  struct sys_lock lock;
  struct sys_cond news; /* its thread: something is due sooner than `next`, or `ending` */
  struct fifo list;     /* L: stops */
  sys_time next;        /* L: when the thread looks again */
  enum { WATCHDOG_NONE, WATCHDOG_STARTING, WATCHDOG_RUNNING } state; /* L */
  bool ending;                                                       /* L */
  struct sys_thread thread;                                          /* L: while RUNNING */
};

int tide_watchdog_init(struct watchdog *w); /* 0 or errno */
void tide_watchdog_fini(struct watchdog *w);

/* Starts its thread if there is none. 0 or errno. */
int tide_watchdog_start(struct watchdog *w);
/* Ends its thread and joins it, if there is one: when no task runs any more. */
void tide_watchdog_end(struct watchdog *w);

/* The worker's: its task is to be asked for `kind` at `due`. */
void tide_watchdog_limit(struct watchdog *w, struct stop *s, sys_time due, int kind);
/* For who asked, as a visitor: rings now, and again until the task has ended. False: there is
** no signal for it now. */
bool tide_watchdog_chase(struct watchdog *w, struct stop *s);
/* How many were asked to end and cannot be reached. */
size_t tide_watchdog_mute(struct watchdog *w);
/* The worker's, whose task asked itself to end: its thread is signalled from now on, until it
** leaves. */
void tide_watchdog_follow(struct stop *s);
/* The worker's, at the end of a task that had a limit or was asked to stop: nobody will ring for it
** any more. Waits for who is about to, and for the signals that were sent. */
void tide_watchdog_leave(struct watchdog *w, struct stop *s);

TIDE_INTERNAL_END

#endif
