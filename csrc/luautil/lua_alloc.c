/*
** luautil/lua_alloc: the one allocator of a worker's state.
**
** SPDX-License-Identifier: MIT
*/
#include "luautil/lua_alloc.h"

#include <string.h>

void ti_lua_alloc_init(struct ti_lua_alloc *a, const struct ti_alloc *host) {
  struct ti_alloc small = {ti_arena_alloc, &a->arena};
  memset(a, 0, sizeof *a);
  a->host = *host;
  ti_arena_init(&a->arena, &ti_alloc_default);
  ti_block_cache_init(&a->blocks, &small, BLOCK_CACHE_STATE);
}

void ti_lua_alloc_fini(struct ti_lua_alloc *a) {
  ti_block_cache_fini(&a->blocks);
  ti_arena_fini(&a->arena);
  if (a->heir.take != NULL) a->heir.end(a->heir.ud);
}

/* Allocates from the arena and the block cache. */
static void *own(struct ti_lua_alloc *a, void *p, size_t osize, size_t nsize) {
#ifdef TI_COLLECT
  if (a->collect && p == NULL && osize > 0 && nsize > 0) { /* osize is then a new object's type */
    a->refused = !a->refused;
    if (a->refused) return NULL;
  }
#endif
  if (nsize < BLOCK_CACHE_LARGE && (p == NULL || osize < BLOCK_CACHE_LARGE))
    return ti_arena_alloc(&a->arena, p, osize, nsize);
  if (nsize == 0 && a->heir.take != NULL && a->heir.take(a->heir.ud, p, osize)) return NULL;
  return ti_block_cache_alloc(&a->blocks, p, osize, nsize);
}

static void *obtain(struct ti_lua_alloc *a, void *p, size_t osize, size_t nsize) {
  if (a->host.alloc != NULL) return a->host.alloc(a->host.ud, p, osize, nsize);
  return own(a, p, osize, nsize);
}

static void *limited(struct ti_lua_alloc *a, void *p, size_t osize, size_t nsize) {
  size_t old = p != NULL ? osize : 0;
  void *q;
  if (!ti_memory_limit_allows(&a->limit, old, nsize)) return NULL;
  q = obtain(a, p, osize, nsize);
  if (q != NULL || nsize == 0) ti_memory_limit_count(&a->limit, old, nsize);
  return q;
}

void *ti_lua_alloc_realloc(void *ud, void *p, size_t osize, size_t nsize) {
  struct ti_lua_alloc *a = (struct ti_lua_alloc *)ud;
  if (a->limit.interrupt != NULL) return limited(a, p, osize, nsize);
  return obtain(a, p, osize, nsize);
}
