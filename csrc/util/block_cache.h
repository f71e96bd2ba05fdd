/*
** util/block_cache: an allocator for a state that keeps freed large blocks.
**
** Memory fresh from the system costs more than its use: each page is faulted in and cleared. Blocks
** of 64 KiB and more that a state frees are therefore kept for its next ones. It keeps as much as
** it uses, since a collector's heap varies between one and two times of that, but at least `least`.
** Blocks from 1.5 MiB on are huge pages where the system has them. A block's real size follows from
** its size alone, so there is no header.
**
** No locks: one thread at a time. Only ti_block_cache_any_thread is for any thread.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_UTIL_BLOCK_CACHE_H
#define TI_UTIL_BLOCK_CACHE_H

#include <stdbool.h>

#include "util/alloc.h"

TI_INTERNAL_BEGIN

enum {
  BLOCK_CACHE_LARGE = 64 * 1024, /* smaller blocks are passed on */
  BLOCK_CACHE_STATE = 8 << 20,   /* the `least` of a state */
  BLOCK_CACHE_ENTRIES = 32
};

struct ti_block_cache {
  struct ti_alloc small; /* the allocator of smaller blocks */
  size_t least;          /* I */
  size_t used;           /* bytes in large blocks that are given out */
  size_t kept;           /* bytes in `cached` */
  size_t n;
  struct ti_cached_block {
    void *p;
    size_t size;                 /* of the block */
  } cached[BLOCK_CACHE_ENTRIES]; /* oldest first */
};

/* Makes a cache. `least`: bytes that may be kept even if no block is used. */
void ti_block_cache_init(struct ti_block_cache *b, const struct ti_alloc *small, size_t least);
/* Frees what is kept. Blocks given out may still be freed by ti_block_cache_any_thread. */
void ti_block_cache_fini(struct ti_block_cache *b);
/* A lua_Alloc; `cache` is a struct ti_block_cache. */
void *ti_block_cache_alloc(void *cache, void *p, size_t osize, size_t nsize);
/* Returns whether blocks of these sizes have the same real size, so that one may become the other
** in place. */
bool ti_block_cache_same(size_t a, size_t b);
/* Frees large blocks of any struct ti_block_cache, from any thread, also after that has ended. It
** allocates nothing. */
extern const struct ti_alloc ti_block_cache_any_thread;

TI_INTERNAL_END

#endif
