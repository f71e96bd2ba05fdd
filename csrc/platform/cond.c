/*
** platform/cond: a condition variable on the monotonic clock.
**
** SPDX-License-Identifier: MIT
*/
#include "platform/cond.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

static void must(int err) {
  assert(err == 0);
  (void)err;
}

int ti_cond_init(struct ti_cond *c) {
  pthread_condattr_t attr;
  int err = pthread_condattr_init(&attr);
  if (err != 0) return err;
  err = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  if (err == 0) err = pthread_cond_init(&c->c, &attr);
  pthread_condattr_destroy(&attr);
  return err;
}

void ti_cond_fini(struct ti_cond *c) { must(pthread_cond_destroy(&c->c)); }
void ti_cond_signal(struct ti_cond *c) { must(pthread_cond_signal(&c->c)); }
void ti_cond_broadcast(struct ti_cond *c) { must(pthread_cond_broadcast(&c->c)); }

bool ti_cond_wait(struct ti_cond *c, struct ti_mutex *l, ti_time deadline) {
  struct timespec ts;
  int err;
  if (deadline == TI_CLOCK_NEVER) {
    must(pthread_cond_wait(&c->c, &l->m));
    return true;
  }
  ts.tv_sec = (time_t)(deadline / NS_PER_S);
  ts.tv_nsec = (long)(deadline % NS_PER_S);
  err = pthread_cond_timedwait(&c->c, &l->m, &ts);
  assert(err == 0 || err == ETIMEDOUT);
  return err == 0;
}
