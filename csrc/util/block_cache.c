/*
** util/block_cache: an allocator for a state that keeps freed large blocks.
**
** SPDX-License-Identifier: MIT
*/
#include "util/block_cache.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "platform/pages.h"

#define KIB ((size_t)1024)
#define HUGE_PAGE (2048 * KIB)
#define LARGE ((size_t)BLOCK_CACHE_LARGE)
/* From this size on blocks are whole huge pages, if that wastes no more than a quarter. */
#define HUGE (HUGE_PAGE / 4 * 3)
/* Blocks from this size on are mapped: malloc would put them between small blocks of any thread,
** and could not give them back. Tools that check memory (arena.h) see those below HUGE. */
#if defined(__SANITIZE_ADDRESS__) || defined(TI_NO_ARENA)
#define MAPPED HUGE
#else
#define MAPPED LARGE
#endif

/* Returns the real size of a block; 0: too large. There are few real sizes, so that a kept block
** fits the next one. */
static size_t real_size(size_t size) {
  size_t step = LARGE / 4, real;
  if (size < LARGE) return size;
  while (step < size / 8) step *= 2;
  if (size > SIZE_MAX - HUGE_PAGE - step) return 0;
  real = (size + step - 1) / step * step;
  if (real >= HUGE) {
    size_t whole = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    if (whole - size <= whole / 4) real = whole;
  }
  return real;
}

bool ti_block_cache_same(size_t a, size_t b) {
  return a >= LARGE && b >= LARGE && real_size(a) == real_size(b);
}

/* Maps memory aligned to a huge page: maps more, and unmaps the ends. */
static char *map_huge(size_t real) {
  size_t asked = real + HUGE_PAGE, head, tail;
  char *p = (char *)ti_pages_map(asked);
  if (p == NULL) return NULL;
  head = (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
  tail = asked - head - real;
  if (head > 0) ti_pages_unmap(p, head);
  if (tail > 0) ti_pages_unmap(p + head + real, tail);
  ti_pages_advise_huge(p + head, real);
  return p + head;
}

static void *obtain(size_t real) {
  if (real < MAPPED) return realloc(NULL, real);
  return real < HUGE ? ti_pages_map(real) : map_huge(real);
}

static void release(void *p, size_t real) {
  if (real < MAPPED)
    free(p);
  else
    ti_pages_unmap(p, real);
}

void ti_block_cache_init(struct ti_block_cache *b, const struct ti_alloc *small, size_t least) {
  memset(b, 0, sizeof *b);
  b->least = least;
  b->small = *small;
}

static void drop(struct ti_block_cache *b, size_t i) {
  b->kept -= b->cached[i].size;
  b->n--;
  memmove(&b->cached[i], &b->cached[i + 1], (b->n - i) * sizeof b->cached[0]);
}

/* Gives the oldest kept block back to the system. */
static void evict(struct ti_block_cache *b) {
  release(b->cached[0].p, b->cached[0].size);
  drop(b, 0);
}

void ti_block_cache_fini(struct ti_block_cache *b) {
  while (b->n > 0) evict(b);
}

/* Returns a large block: a kept one, the latest first, or a new one. */
static void *take(struct ti_block_cache *b, size_t size) {
  size_t real = real_size(size);
  void *p;
  if (real == 0) return NULL;
  for (size_t i = b->n; i > 0; i--)
    if (b->cached[i - 1].size == real) {
      p = b->cached[i - 1].p;
      drop(b, i - 1);
      b->used += real;
      return p;
    }
  p = obtain(real);
  while (p == NULL && b->n > 0) { /* the kept blocks may be what is missing */
    evict(b);
    p = obtain(real);
  }
  if (p != NULL) b->used += real;
  return p;
}

static void give(struct ti_block_cache *b, void *p, size_t size) {
  size_t real = real_size(size), most = b->used;
  b->used -= real;
  /* the next call may be as large as this one */
  if (most < b->least) most = b->least;
  if (real > most) {
    release(p, real);
    return;
  }
  while (b->n == BLOCK_CACHE_ENTRIES || b->kept + real > most) evict(b);
  b->cached[b->n].p = p;
  b->cached[b->n].size = real;
  b->n++;
  b->kept += real;
}

static void *resize(struct ti_block_cache *b, void *p, size_t osize, size_t nsize) {
  void *q;
  if (ti_block_cache_same(osize, nsize)) return p;
  q = nsize < LARGE ? ti_alloc_new(&b->small, nsize) : take(b, nsize);
  if (q == NULL) return NULL;
  memcpy(q, p, osize < nsize ? osize : nsize);
  if (osize < LARGE)
    ti_alloc_free(&b->small, p, osize);
  else
    give(b, p, osize);
  return q;
}

void *ti_block_cache_alloc(void *cache, void *p, size_t osize, size_t nsize) {
  struct ti_block_cache *b = (struct ti_block_cache *)cache;
  if (nsize < LARGE && (p == NULL || osize < LARGE))
    return b->small.alloc(b->small.ud, p, osize, nsize);
  if (p == NULL) return take(b, nsize);
  if (nsize > 0) return resize(b, p, osize, nsize);
  give(b, p, osize);
  return NULL;
}

static void *any_thread_alloc(void *ud, void *p, size_t osize, size_t nsize) {
  (void)ud;
  (void)nsize; /* 0: it only frees */
  assert(nsize == 0 && osize >= LARGE);
  release(p, real_size(osize));
  return NULL;
}

const struct ti_alloc ti_block_cache_any_thread = {any_thread_alloc, NULL};
