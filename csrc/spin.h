/*
** tidepool, floor 1: spin, looking for a moment before going to sleep.
**
** Waking a thread that sleeps costs more than many waits last. So a thread that is about to
** sleep first watches a counter that whoever has news for it raises. It gives up after
** SPIN_TIME, and after each failure it goes to sleep without looking for longer and longer:
** where looking does not pay (nothing comes, or the other side has no processor to run on), the
** time lost is a small part of one percent.
**
** A struct spin belongs to the thread that waits with it. No lock may be held while spinning.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_SPIN_H
#define TIDE_SPIN_H

#include <stdatomic.h>

#include "sys.h"

TIDE_INTERNAL_BEGIN

#define SPIN_TIME 50000   /* nanoseconds; about what waking a sleeper costs */
#define SPIN_MAX_SKIP 255 /* sleeps without looking, after many failures */

struct spin {
  bool enabled;       /* I: there is another processor for the other side */
  unsigned char skip; /* how many sleeps to go before the next look */
  unsigned char last; /* what skip was set to by the last failure */
};

void tide_spin_init(struct spin *s);

/* Looks until *word is not `value` any more: true; false if it gave up. The caller then takes its
** lock and looks again. Relaxed: a hint; the lock orders what matters. */
bool tide_spin_while(struct spin *s, const atomic_size_t *word, size_t value);

TIDE_INTERNAL_END

#endif
