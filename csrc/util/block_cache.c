/*
** util/block_cache: an allocator for a state whose large blocks stay warm.
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
/* Blocks from here on are whole huge pages if that wastes no more than a quarter. */
#define HUGE (HUGE_PAGE / 4 * 3)
/* Large blocks are mapped: by malloc they would lie between small ones of any thread, and what is
** free there does not go back. Not those below HUGE if a tool shall see them (see arena.h). */
#if defined(__SANITIZE_ADDRESS__) || defined(TI_NO_ARENA)
#define MAPPED HUGE
#else
#define MAPPED LARGE
#endif

/* What a mapped block of that size takes; 0: too much. Few sizes, so that one fits the next. */
static size_t room_for(size_t size) {
  size_t step = LARGE / 4, room;
  if (size < LARGE) return size;
  while (step < size / 8) step *= 2;
  if (size > SIZE_MAX - HUGE_PAGE - step) return 0;
  room = (size + step - 1) / step * step;
  if (room >= HUGE) {
    size_t whole = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    if (whole - size <= whole / 4) room = whole;
  }
  return room;
}

bool ti_block_cache_same(size_t a, size_t b) {
  return a >= LARGE && b >= LARGE && room_for(a) == room_for(b);
}

/* Aligned to a huge page: more is asked for, and the ends given back. */
static char *map_huge(size_t room) {
  size_t asked = room + HUGE_PAGE, head, tail;
  char *p = (char *)ti_pages_map(asked);
  if (p == NULL) return NULL;
  head = (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
  tail = asked - head - room;
  if (head > 0) ti_pages_unmap(p, head);
  if (tail > 0) ti_pages_unmap(p + head + room, tail);
  ti_pages_advise_huge(p + head, room);
  return p + head;
}

static void *obtain(size_t room) {
  if (room < MAPPED) return realloc(NULL, room);
  return room < HUGE ? ti_pages_map(room) : map_huge(room);
}

static void release(void *p, size_t room) {
  if (room < MAPPED)
    free(p);
  else
    ti_pages_unmap(p, room);
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

/* Gives the oldest back to the system. */
static void evict(struct ti_block_cache *b) {
  release(b->cached[0].p, b->cached[0].size);
  drop(b, 0);
}

void ti_block_cache_fini(struct ti_block_cache *b) {
  while (b->n > 0) evict(b);
}

/* A large block: one that was kept, the latest first, or a new one. */
static void *take(struct ti_block_cache *b, size_t size) {
  size_t room = room_for(size);
  void *p;
  if (room == 0) return NULL;
  for (size_t i = b->n; i > 0; i--)
    if (b->cached[i - 1].size == room) {
      p = b->cached[i - 1].p;
      drop(b, i - 1);
      b->used += room;
      return p;
    }
  p = obtain(room);
  while (p == NULL && b->n > 0) { /* what is kept may be what is missing */
    evict(b);
    p = obtain(room);
  }
  if (p != NULL) b->used += room;
  return p;
}

static void give(struct ti_block_cache *b, void *p, size_t size) {
  size_t room = room_for(size), most = b->used;
  b->used -= room;
  /* the next call may be as large as this one */
  if (most < b->least) most = b->least;
  if (room > most) {
    release(p, room);
    return;
  }
  while (b->n == BLOCK_CACHE_ENTRIES || b->kept + room > most) evict(b);
  b->cached[b->n].p = p;
  b->cached[b->n].size = room;
  b->n++;
  b->kept += room;
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
  (void)nsize; /* 0: nothing but freeing is asked for */
  assert(nsize == 0 && osize >= LARGE);
  release(p, room_for(osize));
  return NULL;
}

const struct ti_alloc ti_block_cache_any_thread = {any_thread_alloc, NULL};
