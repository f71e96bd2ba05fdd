/*
** tidepool, floor 1: spin, looking for a moment before going to sleep.
**
** Waking a thread that sleeps costs more than many waits last. So a thread that is about to
** sleep first looks, for a while, whether what it waits for has come. It gives up after
** a time (SPIN_TIME unless told otherwise), and after each failure it goes to sleep without looking
** for longer and longer: where looking does not pay (nothing comes, or the other side has no
** processor to run on), the time lost is a small part of one percent, or some percent of many short sleeps. Sleeps that were short, such as while
** a long string is copied, say that looking would pay: it begins anew after some of them, and then lasts SPIN_PATIENCE
** times as long, until that fails, too.
**
**     struct look k;
**     if (tide_spin_start(s, time, &k)) {
**       do found = …; while (!found && tide_spin_again(&k));
**       tide_spin_stop(s, found);
**     }
**     if (!found) {
**       sys_time began = tide_spin_sleep(s); … tide_spin_woke(s, began);
**     }
**
** A struct spin belongs to the thread that waits with it. No lock may be held while spinning.
** What is looked at is a hint; the caller then takes its lock and looks again.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_SPIN_H
#define TIDE_SPIN_H

#include "sys.h"

TIDE_INTERNAL_BEGIN

#define SPIN_TIME 50000   /* nanoseconds; about what waking a sleeper costs */
#define SPIN_MAX_SKIP 255 /* sleeps without looking, after many failures */
#define SPIN_PATIENCE 4
#define SPIN_LONGEST 500000 /* nanoseconds; patience goes no further */
#define SPIN_SHORT_SLEEP 16 /* of `skip`: so much for a sleep that was short */

struct spin {
  bool enabled;       /* I: there is another processor for the other side */
  unsigned char skip; /* how many sleeps to go before the next look */
  unsigned char last; /* what skip was set to by the last failure */
  bool patient;       /* looks last `longer` */
  sys_time longer;    /* 0: no look was asked for yet */
};

struct look {
  sys_time time, end; /* how long; until when, 0: not asked yet */
  int looks;          /* before the clock is asked again */
};

void tide_spin_init(struct spin *s);

/* Whether to look at all now, for `time` nanoseconds (0: never). */
bool tide_spin_start(struct spin *s, sys_time time, struct look *k);
/* After a look that found nothing: whether to look once more. */
bool tide_spin_again(struct look *k);
/* Ends what tide_spin_start began. */
void tide_spin_stop(struct spin *s, bool found);

/* Before and after the sleep that a look, or none, was followed by. */
sys_time tide_spin_sleep(const struct spin *s);
void tide_spin_woke(struct spin *s, sys_time began);

TIDE_INTERNAL_END

#endif
