/*
** platform/clock: the monotonic clock.
**
** SPDX-License-Identifier: MIT
*/
#include "platform/clock.h"

#include <assert.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

ti_time ti_clock_now(void) {
  struct timespec ts;
  int err = clock_gettime(CLOCK_MONOTONIC, &ts);
  assert(err == 0);
  (void)err;
  return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

ti_time ti_clock_deadline(double seconds) {
  /* far below where the sum, or a time_t of 64 bits, overflows */
  const double forever = 100.0 * 366 * 86400;
  if (!(seconds >= 0 && seconds < forever)) return TI_CLOCK_NEVER;
  return ti_clock_now() + (uint64_t)(seconds * (double)NS_PER_S);
}
