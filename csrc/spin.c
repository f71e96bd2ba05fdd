/*
** tidepool, floor 1: spin, looking for a moment before going to sleep.
**
** SPDX-License-Identifier: MIT
*/
#include "spin.h"

enum { LOOKS_PER_CLOCK = 32 };

void tide_spin_init(struct spin *s) {
  s->enabled = tide_sys_parallel();
  s->skip = s->last = 0;
  s->patient = false;
  s->longer = 0;
}

static sys_time longer(sys_time time) {
  if (time >= SPIN_LONGEST) return time;
  return time < SPIN_LONGEST / SPIN_PATIENCE ? time * SPIN_PATIENCE : SPIN_LONGEST;
}

bool tide_spin_start(struct spin *s, sys_time time, struct look *k) {
  if (!s->enabled || time == 0) return false;
  s->longer = longer(time);
  if (s->skip > 0) {
    s->skip--;
    return false;
  }
  k->time = s->patient ? s->longer : time;
  k->end = 0;
  k->looks = LOOKS_PER_CLOCK;
  return true;
}

bool tide_spin_again(struct look *k) {
  tide_relax();
  if (--k->looks > 0) return true;
  k->looks = LOOKS_PER_CLOCK;
  if (k->end == 0) k->end = tide_now() + k->time; /* most looks end before the first question */
  return tide_now() < k->end;
}

void tide_spin_stop(struct spin *s, bool found) {
  if (found) {
    s->last = 0;
  } else {
    s->last = s->last < SPIN_MAX_SKIP ? (unsigned char)(s->last * 2 + 1) : SPIN_MAX_SKIP;
    s->skip = s->last;
    s->patient = false;
  }
}

sys_time tide_spin_sleep(const struct spin *s) { return s->longer > 0 ? tide_now() : 0; }

void tide_spin_woke(struct spin *s, sys_time began) {
  if (s->longer == 0 || tide_now() - began >= s->longer) return;
  s->skip = s->skip > SPIN_SHORT_SLEEP ? (unsigned char)(s->skip - SPIN_SHORT_SLEEP) : 0;
  s->patient = true;
}
