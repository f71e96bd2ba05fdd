/*
** util/block_cache: an allocator for a state whose large blocks stay warm.
**
** Memory fresh from the system costs more than what is done with it: each page is faulted in and
** cleared. So blocks of 64 KiB and more that a state gives back are kept for its next ones, up
** to as much as it uses (a collector's heap swings between one and two times of that) or `least`,
** and blocks from 1.5 MiB on come in huge pages where the system has them. What a block really
** takes follows from its size alone: there is no header.
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
  BLOCK_CACHE_STATE = 8 << 20,   /* for a state, as `least` */
  BLOCK_CACHE_ENTRIES = 32
};

struct ti_block_cache {
  struct ti_alloc small; /* what smaller blocks are passed on to */
  size_t least;          /* I */
  size_t used;           /* bytes in large blocks that are out */
  size_t kept;           /* bytes in `warm` */
  size_t n;
  struct ti_cached_block {
    void *p;
    size_t size;                 /* of the block */
  } cached[BLOCK_CACHE_ENTRIES]; /* oldest first */
};

/* `least`: bytes that may be kept even if nothing is used. */
void ti_block_cache_init(struct ti_block_cache *b, const struct ti_alloc *small, size_t least);
/* Frees what is kept; what is out may still be freed by ti_block_cache_any_thread. */
void ti_block_cache_fini(struct ti_block_cache *b);
/* As lua_Alloc, with a struct ti_block_cache as ud. */
void *ti_block_cache_alloc(void *cache, void *p, size_t osize, size_t nsize);
/* Whether blocks of these sizes take the same, so that one may become the other as it is. */
bool ti_block_cache_same(size_t a, size_t b);
/* Frees large blocks of any struct ti_block_cache, from any thread, also when that is gone. */
extern const struct ti_alloc ti_block_cache_any_thread;

TI_INTERNAL_END

#endif
