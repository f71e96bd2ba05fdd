/*
** platform/mutex: a lock that is not recursive.
**
** No two locks of this library are held at the same time.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_PLATFORM_MUTEX_H
#define TI_PLATFORM_MUTEX_H

#include <pthread.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

struct ti_mutex {
  pthread_mutex_t m;
};

/* Returns 0, or an errno code when there is no memory for it. */
int ti_mutex_init(struct ti_mutex *l);
void ti_mutex_fini(struct ti_mutex *l);

/* Takes the lock. Blocks while another thread holds it. */
void ti_mutex_lock(struct ti_mutex *l);
void ti_mutex_unlock(struct ti_mutex *l);

TI_INTERNAL_END

#endif
