/*
** sched/pool_cancel: cancelling and interrupting a pool's tasks.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_SCHED_POOL_CANCEL_H
#define TI_SCHED_POOL_CANCEL_H

#include "sched/pool_config.h"

TI_INTERNAL_BEGIN

/* Cancels t (of this pool) and takes it out of the queue; true if it is cancelled now or was
** before. Delivers its watches: no lock may be held. The caller holds a reference. */
bool ti_pool_cancel_task(struct ti_pool *p, struct ti_task *t);

/* Cancels t (of this pool) as above or, if it runs, asks it to end with TIDE_EINTERRUPTED. True: it
** was cancelled, or ends by a stop: this one, or one that came before. False: it ended by itself;
** or it was asked, and there is no signal for its thread, so that it ends only if it looks. Never
** waits. */
bool ti_pool_cancel_interrupt(struct ti_pool *p, struct ti_task *t);

/* Up to `size` bytes of text, a zero included: the names of the tasks that run ("crunch, 2 without
** a name"); and how many they are. */
size_t ti_pool_cancel_names(struct ti_pool *p, char *text, size_t size);

/* Makes sure that there is a thread that sees to time limits, and a signal. 0 or errno; ENOTSUP: no
** signal. */
int ti_pool_cancel_start_watchdog(struct ti_pool *p);

/* How many running tasks were asked to end, and cannot be reached: the program has all signals. */
size_t ti_pool_cancel_unreachable(struct ti_pool *p);

/* For a pool that was closed with `cancel`: interrupts what runs, and workers' opening and closing.
** */
void ti_pool_cancel_interrupt_all(struct ti_pool *p);

TI_INTERNAL_END

#endif
