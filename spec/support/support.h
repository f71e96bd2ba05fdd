/*
** support.h: what the tests of platform, util and sched share beyond check.h.
**
** A counting allocator that can fail, and a gate: threads wait at it until it is
** opened, and others wait until enough threads have come. So no test has to sleep.
**
** SPDX-License-Identifier: MIT
*/
#ifndef SUPPORT_H
#define SUPPORT_H

#include <string.h>

#include "util/alloc.h"
#include "platform/clock.h"
#include "platform/cond.h"
#include "platform/mutex.h"
#include "platform/thread.h"
#include "check.h"

/* ---------------------------------------------------------------- memory -- */

/* Counts what is allocated; the `fail_at`th allocation from now on fails, and only that. */
struct counted {
  atomic_size_t blocks, bytes;
  atomic_long fail_at;     /* 0: none */
  atomic_size_t fail_size; /* all of just that size fail; 0: none */
};

static inline void *counted_alloc(void *ud, void *p, size_t osize, size_t nsize) {
  struct counted *c = (struct counted *)ud;
  void *q;
  if (nsize == 0) {
    if (p != NULL) {
      atomic_fetch_sub(&c->blocks, 1);
      atomic_fetch_sub(&c->bytes, osize);
    }
    free(p);
    return NULL;
  }
  if (atomic_load(&c->fail_at) > 0 && atomic_fetch_sub(&c->fail_at, 1) == 1) return NULL;
  if (nsize == atomic_load(&c->fail_size)) return NULL;
  q = realloc(p, nsize);
  if (q == NULL) return NULL;
  if (p == NULL) atomic_fetch_add(&c->blocks, 1);
  atomic_fetch_add(&c->bytes, nsize - (p != NULL ? osize : 0));
  return q;
}

static struct counted memory;
static const struct ti_alloc counted_mem = {counted_alloc, &memory};

static inline bool memory_clean(void) {
  return atomic_load(&memory.blocks) == 0 && atomic_load(&memory.bytes) == 0;
}

/* ------------------------------------------------------------------ gate -- */

struct gate {
  struct ti_mutex lock;
  struct ti_cond changed;
  int here;  /* lock: threads that wait at it now */
  int came;  /* lock: threads that ever came */
  bool open; /* lock */
};

static inline void gate_init(struct gate *g) {
  CHECK(ti_mutex_init(&g->lock) == 0);
  CHECK(ti_cond_init(&g->changed) == 0);
  g->here = g->came = 0;
  g->open = false;
}

static inline void gate_fini(struct gate *g) {
  ti_cond_fini(&g->changed);
  ti_mutex_fini(&g->lock);
}

static inline void gate_enter(struct gate *g) {
  ti_mutex_lock(&g->lock);
  g->here++;
  g->came++;
  ti_cond_broadcast(&g->changed);
  while (!g->open) ti_cond_wait(&g->changed, &g->lock, TI_CLOCK_NEVER);
  g->here--;
  ti_mutex_unlock(&g->lock);
}

static inline void gate_open(struct gate *g) {
  ti_mutex_lock(&g->lock);
  g->open = true;
  ti_cond_broadcast(&g->changed);
  ti_mutex_unlock(&g->lock);
}

/* Waits until n threads have come in all. */
static inline void gate_await(struct gate *g, int n) {
  ti_mutex_lock(&g->lock);
  while (g->came < n) ti_cond_wait(&g->changed, &g->lock, TI_CLOCK_NEVER);
  ti_mutex_unlock(&g->lock);
}

/* --------------------------------------------------------------- threads -- */

static inline void spawn(struct ti_thread *t, void *(*fn)(void *), void *arg) {
  if (ti_thread_start(t, 0, fn, arg) != 0) {
    printf("no thread for the test\n");
    exit(2);
  }
}

#endif
