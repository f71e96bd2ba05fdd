/*
** util/shared_cache: an allocator for many threads whose large blocks stay warm.
**
** What block_cache.h does for one state, for the messages of an executor: one thread fills
** them, another frees them. Small blocks are the C library's and take no lock; the lock is a leaf.
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

int ti_shared_cache_init(struct ti_shared_cache *s); /* 0 or an errno code */
/* Small blocks may still be freed afterwards, large ones not. */
void ti_shared_cache_fini(struct ti_shared_cache *s);
/* For a struct ti_alloc, with the shelf as ud. Small blocks may also be those of
** ti_alloc_default. */
void *ti_shared_cache_alloc(void *cache, void *p, size_t osize, size_t nsize);

TI_INTERNAL_END

#endif
