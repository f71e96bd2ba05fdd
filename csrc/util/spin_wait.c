/*
** util/spin_wait: spinning for a while before a sleep.
**
** SPDX-License-Identifier: MIT
*/
#include "util/spin_wait.h"
#include "platform/clock.h"
#include "platform/cpu_count.h"
#include "platform/thread.h"

enum { CHECKS_PER_CLOCK = 32 };

void ti_spin_wait_init(struct ti_spin_wait *s) {
  s->enabled = ti_cpu_count_parallel();
  s->skip = s->last = 0;
  s->extended = false;
  s->extended_time = 0;
}

static ti_time extend(ti_time time) {
  if (time >= SPIN_LONGEST) return time;
  return time < SPIN_LONGEST / SPIN_EXTENSION ? time * SPIN_EXTENSION : SPIN_LONGEST;
}

bool ti_spin_wait_start(struct ti_spin_wait *s, ti_time time, struct ti_spin_loop *k) {
  if (!s->enabled || time == 0) return false;
  s->extended_time = extend(time);
  if (s->skip > 0) {
    s->skip--;
    return false;
  }
  k->time = s->extended ? s->extended_time : time;
  k->end = 0;
  k->checks = CHECKS_PER_CLOCK;
  return true;
}

bool ti_spin_wait_again(struct ti_spin_loop *k) {
  ti_thread_relax();
  if (--k->checks > 0) return true;
  k->checks = CHECKS_PER_CLOCK;
  /* most spins end before the clock is read */
  if (k->end == 0) k->end = ti_clock_now() + k->time;
  return ti_clock_now() < k->end;
}

void ti_spin_wait_stop(struct ti_spin_wait *s, bool found) {
  if (found) {
    s->last = 0;
  } else {
    s->last = s->last < SPIN_MAX_SKIP ? (unsigned char)(s->last * 2 + 1) : SPIN_MAX_SKIP;
    s->skip = s->last;
    s->extended = false;
  }
}

ti_time ti_spin_wait_sleep(const struct ti_spin_wait *s) {
  return s->extended_time > 0 ? ti_clock_now() : 0;
}

void ti_spin_wait_woke(struct ti_spin_wait *s, ti_time began) {
  if (s->extended_time == 0 || ti_clock_now() - began >= s->extended_time) return;
  s->skip = s->skip > SPIN_SHORT_SLEEP ? (unsigned char)(s->skip - SPIN_SHORT_SLEEP) : 0;
  s->extended = true;
}
