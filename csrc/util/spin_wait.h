/*
** util/spin_wait: looking for news for a while before going to sleep.
**
** Waking a sleeping thread takes longer than many waits last. A thread that is about to sleep
** therefore first looks whether what it waits for has come. It stops after the spin time. After
** each failure more sleeps go without a look, so that little time is lost where looking does not
** pay: nothing comes, or the other side has no processor to run on. A sleep that was short, such
** as while a long string is copied, shows that looking would pay. Looks then begin again earlier,
** and last SPIN_EXTENSION times as long until one fails. docs/performance.md has the figures.
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
** while spinning. What is read is a hint; the caller then takes its lock and checks again.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_UTIL_SPIN_WAIT_H
#define TI_UTIL_SPIN_WAIT_H

#include <stdbool.h>

#include "platform/clock.h"

TI_INTERNAL_BEGIN

#define SPIN_TIME 50000   /* nanoseconds; about what waking a sleeper costs */
#define SPIN_MAX_SKIP 255 /* sleeps without looking, after many failures */
#define SPIN_EXTENSION 4
#define SPIN_LONGEST 500000 /* nanoseconds; patience goes no further */
#define SPIN_SHORT_SLEEP 16 /* of `skip`: so much for a sleep that was short */

struct ti_spin_wait {
  bool enabled;          /* I: there is another processor for the other side */
  unsigned char skip;    /* how many sleeps to go before the next look */
  unsigned char last;    /* what skip was set to by the last failure */
  bool extended;         /* looks last `longer` */
  ti_time extended_time; /* 0: no look was asked for yet */
};

struct ti_spin_loop {
  ti_time time, end; /* how long; until when, 0: not asked yet */
  int checks;        /* before the clock is asked again */
};

void ti_spin_wait_init(struct ti_spin_wait *s);

/* Whether to look at all now, for `time` nanoseconds (0: never). */
bool ti_spin_wait_start(struct ti_spin_wait *s, ti_time time, struct ti_spin_loop *k);
/* After a look that found nothing: whether to look once more. */
bool ti_spin_wait_again(struct ti_spin_loop *k);
/* Ends what ti_spin_wait_start began. */
void ti_spin_wait_stop(struct ti_spin_wait *s, bool found);

/* Before and after the sleep that a look, or none, was followed by. */
ti_time ti_spin_wait_sleep(const struct ti_spin_wait *s);
void ti_spin_wait_woke(struct ti_spin_wait *s, ti_time began);

TI_INTERNAL_END

#endif
