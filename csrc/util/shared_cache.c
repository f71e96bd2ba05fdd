/*
** util/shared_cache: an allocator for many threads that keeps freed large blocks.
**
** SPDX-License-Identifier: MIT
*/
#include "util/shared_cache.h"
#include "platform/mutex.h"

#include <string.h>

/* More than a state keeps: an owner's futures hold several messages until its collector finds
** them. */
#define LEAST ((size_t)32 << 20)

int ti_shared_cache_init(struct ti_shared_cache *s) {
  ti_block_cache_init(&s->blocks, &ti_alloc_default, LEAST);
  return ti_mutex_init(&s->lock);
}

void ti_shared_cache_fini(struct ti_shared_cache *s) {
  ti_block_cache_fini(&s->blocks);
  ti_mutex_fini(&s->lock);
}

static void *locked_alloc(struct ti_shared_cache *s, void *p, size_t osize, size_t nsize) {
  void *q;
  ti_mutex_lock(&s->lock);
  q = ti_block_cache_alloc(&s->blocks, p, osize, nsize);
  ti_mutex_unlock(&s->lock);
  return q;
}

void *ti_shared_cache_alloc(void *cache, void *p, size_t osize, size_t nsize) {
  struct ti_shared_cache *s = (struct ti_shared_cache *)cache;
  void *q;
  if (osize < BLOCK_CACHE_LARGE && nsize < BLOCK_CACHE_LARGE)
    return ti_alloc_default.alloc(NULL, p, osize, nsize);
  if (p == NULL || nsize == 0) return locked_alloc(s, p, osize, nsize);
  if (ti_block_cache_same(osize, nsize)) return p;
  /* copied here, without the lock: no thread waits for a copy */
  q = ti_shared_cache_alloc(s, NULL, 0, nsize);
  if (q == NULL) return NULL;
  memcpy(q, p, osize < nsize ? osize : nsize);
  ti_shared_cache_alloc(s, p, osize, 0);
  return q;
}
