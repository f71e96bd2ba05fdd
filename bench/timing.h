/*
** timing.h: functions that the C programs of the bench use: the clock, medians, printing a figure.
**
** Each program is one file, and uses no tidepool. Times are in seconds.
**
** SPDX-License-Identifier: MIT
*/
#ifndef BENCH_TIMING_H
#define BENCH_TIMING_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double seconds_of(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline double now(void) { return seconds_of(CLOCK_MONOTONIC); }

/* Sleeps until that time of the monotonic clock. */
static inline void sleep_until(double when) {
  struct timespec t = {(time_t)when, (long)((when - (double)(time_t)when) * 1e9)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0) continue;
}

/* Returns p, or ends the program if p is NULL. */
static inline void *need(void *p) {
  if (p == NULL) {
    fprintf(stderr, "out of memory\n");
    abort();
  }
  return p;
}

static inline int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Returns the value that a share q of the samples does not exceed. Sorts the samples. */
static inline double quantile(double *samples, int n, double q) {
  qsort(samples, (size_t)n, sizeof *samples, ascending);
  return samples[(int)(q * (n - 1))];
}

/* Returns the median time of `repeats` calls of fn. */
static inline double median_time(void (*fn)(void *ud), void *ud, int repeats) {
  double *took = need(malloc(sizeof *took * (size_t)repeats));
  for (int i = 0; i < 3; i++) fn(ud); /* warms up; not counted */
  for (int i = 0; i < repeats; i++) {
    double start = now();
    fn(ud);
    took[i] = now() - start;
  }
  double median = quantile(took, repeats, 0.5);
  free(took);
  return median;
}

static inline void emit(const char *name, double value) { printf("%s\t%.9g\n", name, value); }

#endif
