/*
** platform/mutex: a lock that is not recursive.
**
** Wrong use (a lock that is taken twice by one thread) is asserted, not reported.
**
** SPDX-License-Identifier: MIT
*/
#include "platform/mutex.h"

#include <assert.h>

static void must(int err) {
  assert(err == 0);
  (void)err;
}

int ti_mutex_init(struct ti_mutex *l) {
#ifdef PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP
  pthread_mutexattr_t attr;
  int err = pthread_mutexattr_init(&attr);
  if (err != 0) return err;
  pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
  err = pthread_mutex_init(&l->m, &attr);
  pthread_mutexattr_destroy(&attr);
  return err;
#else
  return pthread_mutex_init(&l->m, NULL);
#endif
}
void ti_mutex_fini(struct ti_mutex *l) { must(pthread_mutex_destroy(&l->m)); }
void ti_mutex_lock(struct ti_mutex *l) { must(pthread_mutex_lock(&l->m)); }
void ti_mutex_unlock(struct ti_mutex *l) { must(pthread_mutex_unlock(&l->m)); }
