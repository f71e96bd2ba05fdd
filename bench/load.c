/*
** load.c: keeps the machine busy: threads that compute, and one that sleeps until given times.
**
** Prints how many turns of a loop the busy threads did per second, and how late the sleeper woke on
** average. A program that runs on the same processors changes both.
**
** usage: load THREADS SECONDS
**
** SPDX-License-Identifier: MIT
*/
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "timing.h"

enum { MOST = 256, TURN = 1000 };

typedef struct busy {
  pthread_t thread;
  double turns; /* written by the thread, read after it was joined */
} busy;

static atomic_bool over; /* set by main, read by the busy threads; relaxed: it orders nothing */

static void *work(void *ud) {
  busy *b = ud;
  unsigned x = 1;
  double turns = 0;
  while (!atomic_load_explicit(&over, memory_order_relaxed)) {
    for (int i = 0; i < TURN; i++) x = x * 1103515245U + 12345U;
    __asm__ volatile("" : : "r"(x));
    turns++;
  }
  b->turns = turns;
  return NULL;
}

/* Wakes every millisecond until `end`. Returns the mean lateness. */
static double lateness(double end) {
  double sum = 0;
  int times = 0;
  while (now() < end) {
    double when = now() + 1e-3;
    sleep_until(when);
    sum += now() - when;
    times++;
  }
  return times > 0 ? sum / times : 0;
}

int main(int argc, char **argv) {
  static busy all[MOST];
  long threads = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
  double length = argc > 2 ? strtod(argv[2], NULL) : 0;
  if (threads < 1 || threads > MOST || !(length > 0)) {
    fprintf(stderr, "usage: load THREADS SECONDS\n");
    return 2;
  }
  double start = now(), turns = 0;
  for (long i = 0; i < threads; i++)
    if (pthread_create(&all[i].thread, NULL, work, &all[i]) != 0) abort();
  double late = lateness(start + length);
  atomic_store_explicit(&over, true, memory_order_relaxed);
  double took = now() - start;
  for (long i = 0; i < threads; i++) {
    pthread_join(all[i].thread, NULL);
    turns += all[i].turns;
  }
  emit("turns_per_second", turns / took);
  emit("lateness", late);
  return EXIT_SUCCESS;
}
