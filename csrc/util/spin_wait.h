/*
** util/spin_wait: spinning for a while before a sleep.
**
** Waking a sleeping thread takes longer than many waits last. A thread that is about to sleep
** therefore first spins: it checks whether what it waits for has come, until the spin time has
** passed. After each failed spin more sleeps go without one, so that little time is lost where
** spinning does not pay: nothing comes, or the other side has no processor to run on. A short
** sleep, such as while a long string is copied, shows that spinning would pay. Spins then begin
** again earlier, and last SPIN_EXTENSION times as long until one fails. docs/performance.md has the
** figures.
**
**     struct ti_spin_loop k;
**     if (ti_spin_wait_start(s, time, &k)) {
**       do found = …; while (!found && ti_spin_wait_again(&k));
**       ti_spin_wait_stop(s, found);
**     }
**     if (!found) {
**       ti_time began = ti_spin_wait_sleep(s); … ti_spin_wait_woke(s, began);
**     }
**
** Threads: a struct ti_spin_wait belongs to the thread that waits with it. No lock may be held
** during a spin. What a spin reads is a hint; the caller then takes its lock and checks again.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_UTIL_SPIN_WAIT_H
#define TI_UTIL_SPIN_WAIT_H

#include <stdbool.h>

#include "platform/clock.h"

TI_INTERNAL_BEGIN

#define SPIN_TIME 50000   /* nanoseconds; about the cost of waking a thread */
#define SPIN_MAX_SKIP 255 /* sleeps without a spin, after many failures */
#define SPIN_EXTENSION 4
#define SPIN_LONGEST 500000 /* nanoseconds; the limit of an extended spin */
#define SPIN_SHORT_SLEEP 16 /* what a short sleep takes off `skip` */

struct ti_spin_wait {
  bool enabled;          /* I: the other side has another processor */
  unsigned char skip;    /* sleeps until the next spin */
  unsigned char last;    /* what the last failure set `skip` to */
  bool extended;         /* spins last `extended_time` */
  ti_time extended_time; /* 0: no spin was started yet */
};

struct ti_spin_loop {
  ti_time time, end; /* how long; until when, 0: the clock was not read yet */
  int checks;        /* checks left until the clock is read again */
};

void ti_spin_wait_init(struct ti_spin_wait *s);

/* Returns whether to spin now, for `time` nanoseconds (0: never). */
bool ti_spin_wait_start(struct ti_spin_wait *s, ti_time time, struct ti_spin_loop *k);
/* Returns whether to check once more, after a check that found nothing. */
bool ti_spin_wait_again(struct ti_spin_loop *k);
/* Ends a spin that ti_spin_wait_start began. */
void ti_spin_wait_stop(struct ti_spin_wait *s, bool found);

/* To be called before and after the sleep, whether a spin came first or not. */
ti_time ti_spin_wait_sleep(const struct ti_spin_wait *s);
void ti_spin_wait_woke(struct ti_spin_wait *s, ti_time began);

TI_INTERNAL_END

#endif
