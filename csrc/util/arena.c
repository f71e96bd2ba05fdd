/*
** util/arena: the small blocks of one worker's state.
**
** SPDX-License-Identifier: MIT
*/
#include "util/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A chunk is an eighth of `total`, within these bounds: so there are few chunks, and little of the
** last one is unused. Up to KEEP bytes nothing is given back. */
#define LEAST_CHUNK ((size_t)2 << 10)
#define MOST_CHUNK ((size_t)128 << 10)
#define KEEP ((size_t)256 << 10)

#if defined(__SANITIZE_ADDRESS__) || defined(TI_NO_ARENA)
#define OFF true
#else
#define OFF false
#endif

static size_t class_of(size_t size) { return (size + 7) / 8; }

void ti_arena_init(struct ti_arena *a, const struct ti_alloc *below) {
  memset(a, 0, sizeof *a);
  a->below = *below;
  a->off = OFF;
}

void ti_arena_fini(struct ti_arena *a) {
  for (size_t i = 0; i < a->nchunks; i++)
    ti_alloc_free(&a->below, a->chunks[i].base, a->chunks[i].size);
  ti_alloc_free(&a->below, a->chunks, a->capchunks * sizeof *a->chunks);
  ti_arena_init(a, &a->below);
}

static void put_free(struct ti_arena *a, void *p, size_t class) {
  memcpy(p, &a->free[class], sizeof(void *));
  a->free[class] = p;
}

static void *next_free(void *p) {
  void *next;
  memcpy(&next, p, sizeof next);
  return next;
}

/* ------------------------------------------------------------ giving back -- */

static int by_base(const void *a, const void *b) {
  uintptr_t x = (uintptr_t)((const struct ti_arena_chunk *)a)->base;
  uintptr_t y = (uintptr_t)((const struct ti_arena_chunk *)b)->base;
  return x < y ? -1 : x > y;
}

/* Returns the chunk that p lies in; they are sorted. Successive free blocks mostly lie in one
** chunk, so `last`, if not NULL, is tried first. */
static struct ti_arena_chunk *chunk_of(const struct ti_arena *a, const void *p,
                                       struct ti_arena_chunk *last) {
  size_t from = 0, to = a->nchunks; /* the chunk is in [from, to) */
  if (last != NULL && (uintptr_t)p - (uintptr_t)last->base < last->size) return last;
  while (to - from > 1) {
    size_t middle = from + (to - from) / 2;
    if ((uintptr_t)a->chunks[middle].base <= (uintptr_t)p)
      from = middle;
    else
      to = middle;
  }
  return &a->chunks[from];
}

static bool is_empty(const struct ti_arena_chunk *c) { return c->unused == c->size; }

static void count_unused(struct ti_arena *a) {
  struct ti_arena_chunk *c = NULL;
  qsort(a->chunks, a->nchunks, sizeof *a->chunks, by_base);
  for (size_t i = 0; i < a->nchunks; i++) a->chunks[i].unused = 0;
  if (a->next != a->end) chunk_of(a, a->next, NULL)->unused = (size_t)(a->end - a->next);
  for (size_t k = 1; k < ARENA_CLASSES; k++)
    for (void *p = a->free[k]; p != NULL; p = next_free(p)) {
      c = chunk_of(a, p, c);
      c->unused += k * 8;
    }
}

/* Takes blocks in empty chunks out of `free`. Reverses the order of the others. */
static void forget_empty(struct ti_arena *a) {
  struct ti_arena_chunk *c = NULL;
  if (a->next != a->end && is_empty(chunk_of(a, a->next, NULL))) a->next = a->end = NULL;
  for (size_t k = 1; k < ARENA_CLASSES; k++) {
    void *p = a->free[k], *next;
    a->free[k] = NULL;
    for (; p != NULL; p = next) {
      next = next_free(p);
      c = chunk_of(a, p, c);
      if (!is_empty(c)) put_free(a, p, k);
    }
  }
}

/* Sets when chunks are counted next: when `live` is a quarter of `total`, or, if it is less
** already, half of what it is. */
static void set_low(struct ti_arena *a) {
  a->low = a->total <= KEEP ? 0 : a->total / 4;
  if (a->low > a->live) a->low = a->live / 2;
}

static void give_back(struct ti_arena *a) {
  size_t n = 0;
  count_unused(a);
  forget_empty(a);
  for (size_t i = 0; i < a->nchunks; i++) {
    struct ti_arena_chunk c = a->chunks[i];
    if (is_empty(&c)) {
      a->total -= c.size;
      ti_alloc_free(&a->below, c.base, c.size);
    } else {
      a->chunks[n++] = c;
    }
  }
  a->nchunks = n;
  set_low(a);
}

/* ---------------------------------------------------------- small blocks -- */

static bool add_chunk(struct ti_arena *a) {
  size_t size = a->total / 8 / LEAST_CHUNK * LEAST_CHUNK;
  char *base;
  if (a->nchunks == a->capchunks) {
    size_t cap = a->capchunks > 0 ? a->capchunks * 2 : 16;
    struct ti_arena_chunk *chunks = (struct ti_arena_chunk *)ti_alloc_resize(
        &a->below, a->chunks, a->capchunks * sizeof *chunks, cap * sizeof *chunks);
    if (chunks == NULL) return false;
    a->chunks = chunks;
    a->capchunks = cap;
  }
  if (size < LEAST_CHUNK) size = LEAST_CHUNK;
  if (size > MOST_CHUNK) size = MOST_CHUNK;
  size -= 64; /* with the C library's header it stays below a round size */
  base = (char *)ti_alloc_new(&a->below, size);
  if (base == NULL) return false;
  /* the rest of the last chunk is less than a small block */
  if (a->next != a->end) put_free(a, a->next, (size_t)(a->end - a->next) / 8);
  a->chunks[a->nchunks].base = base;
  a->chunks[a->nchunks++].size = size;
  a->next = base;
  a->end = base + size;
  a->total += size;
  set_low(a);
  return true;
}

static void *new_small(struct ti_arena *a, size_t class) {
  void *p = a->free[class];
  if (p != NULL) {
    a->free[class] = next_free(p);
  } else {
    if ((size_t)(a->end - a->next) < class * 8 && !add_chunk(a)) return NULL;
    p = a->next;
    a->next += class * 8;
  }
  a->live += class * 8;
  return p;
}

static void free_small(struct ti_arena *a, void *p, size_t class) {
  put_free(a, p, class);
  a->live -= class * 8;
  if (a->live < a->low) give_back(a);
}

/* Moves a block from small to large, large to small, or to another class. */
static void *move(struct ti_arena *a, void *ptr, size_t osize, size_t nsize) {
  void *p = nsize <= ARENA_SMALL ? new_small(a, class_of(nsize)) : ti_alloc_new(&a->below, nsize);
  if (p == NULL) return NULL; /* also for a smaller block: Lua 5.4 allows that */
  memcpy(p, ptr, osize < nsize ? osize : nsize);
  if (osize <= ARENA_SMALL)
    free_small(a, ptr, class_of(osize));
  else
    ti_alloc_free(&a->below, ptr, osize);
  return p;
}

void *ti_arena_alloc(void *arena, void *ptr, size_t osize, size_t nsize) {
  struct ti_arena *a = (struct ti_arena *)arena;
  if (a->off || (nsize > ARENA_SMALL && (ptr == NULL || osize > ARENA_SMALL)) ||
      (nsize == 0 && ptr != NULL && osize > ARENA_SMALL))
    return a->below.alloc(a->below.ud, ptr, osize, nsize);
  if (ptr == NULL || osize == 0) return nsize > 0 ? new_small(a, class_of(nsize)) : NULL;
  if (nsize == 0) {
    free_small(a, ptr, class_of(osize));
    return NULL;
  }
  if (osize <= ARENA_SMALL && class_of(osize) == class_of(nsize)) return ptr;
  return move(a, ptr, osize, nsize);
}
