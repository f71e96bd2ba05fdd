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
}

/* Tells the processor that this is a loop that waits. */
static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static bool look(const atomic_size_t *word, size_t value) {
  sys_time end = tide_now() + SPIN_TIME;
  do {
    for (int i = 0; i < LOOKS_PER_CLOCK; i++) {
      if (atomic_load_explicit(word, memory_order_relaxed) != value) return true;
      relax();
    }
  } while (tide_now() < end);
  return false;
}

bool tide_spin_while(struct spin *s, const atomic_size_t *word, size_t value) {
  if (!s->enabled) return false;
  if (s->skip > 0) {
    s->skip--;
    return false;
  }
  if (look(word, value)) {
    s->last = 0;
    return true;
  }
  s->last = s->last < SPIN_MAX_SKIP ? (unsigned char)(s->last * 2 + 1) : SPIN_MAX_SKIP;
  s->skip = s->last;
  return false;
}
