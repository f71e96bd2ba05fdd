/*
** platform/clock: the monotonic clock.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_PLATFORM_CLOCK_H
#define TI_PLATFORM_CLOCK_H

#include <stdint.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

/* A time in nanoseconds on the monotonic clock. */
typedef uint64_t ti_time;

/* As a deadline: there is none. */
#define TI_CLOCK_NEVER UINT64_MAX

ti_time ti_clock_now(void);

/* Returns now + seconds. A negative number, or one of more than a hundred years: TI_CLOCK_NEVER. */
ti_time ti_clock_deadline(double seconds);

TI_INTERNAL_END

#endif
