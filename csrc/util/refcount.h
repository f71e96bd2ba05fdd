/*
** util/refcount: a reference count to embed in shared objects.
**
** Invariant: count >= 1 while any thread may access the object; the thread that makes it 0 frees
** it. A new reference is made only from one that exists.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_UTIL_REFCOUNT_H
#define TI_UTIL_REFCOUNT_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

struct ti_refcount {
  atomic_size_t count; /* A */
};

static inline void ti_refcount_init(struct ti_refcount *r) { atomic_init(&r->count, 1); }

static inline void ti_refcount_hold(struct ti_refcount *r) {
  size_t before = atomic_fetch_add_explicit(&r->count, 1, memory_order_relaxed);
  assert(before > 0);
  (void)before;
}

/* Returns whether that was the last reference: the caller frees the object. The release pairs with
** the acquire of the thread that drops the last reference. */
static inline bool ti_refcount_release(struct ti_refcount *r) {
  size_t before = atomic_fetch_sub_explicit(&r->count, 1, memory_order_acq_rel);
  assert(before > 0);
  return before == 1;
}

TI_INTERNAL_END

#endif
