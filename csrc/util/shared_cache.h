/*
** util/shared_cache: an allocator for many threads that keeps freed large blocks.
**
** It is a block cache (block_cache.h) for the messages of an executor: one thread fills them,
** another one frees them. Small blocks come from the C library without a lock. The lock is a leaf.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_UTIL_SHARED_CACHE_H
#define TI_UTIL_SHARED_CACHE_H

#include <stddef.h>

#include "util/block_cache.h"
#include "platform/mutex.h"

TI_INTERNAL_BEGIN

struct ti_shared_cache {
  struct ti_mutex lock;
  struct ti_block_cache blocks; /* L */
};

/* Returns 0 or an errno code. */
int ti_shared_cache_init(struct ti_shared_cache *s);
/* Small blocks may still be freed afterwards, large ones not. */
void ti_shared_cache_fini(struct ti_shared_cache *s);
/* The function of a struct ti_alloc; `cache` is a struct ti_shared_cache. Small blocks may also be
** those of ti_alloc_default. */
void *ti_shared_cache_alloc(void *cache, void *p, size_t osize, size_t nsize);

TI_INTERNAL_END

#endif
