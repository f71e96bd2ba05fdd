/*
** tidepool, floor 0: slab, blocks of one size cut from larger pieces.
**
** SPDX-License-Identifier: MIT
*/
#include "slab.h"

#include <assert.h>

#if defined(__SANITIZE_ADDRESS__)
#define WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#endif
#ifndef WATCHED
#define WATCHED 0
#endif

enum { ALIGN = 16 }; /* as malloc's blocks are */

#define HEADER ((sizeof(struct slab_piece) + ALIGN - 1) / ALIGN * ALIGN)

void tide_slab_init(struct slab *s, const struct mem *mem, size_t size) {
  s->mem = mem;
  s->block = (size + sizeof(void *) + ALIGN - 1) / ALIGN * ALIGN;
  fifo_init(&s->roomy);
  s->spare = 0;
  s->piece = WATCHED ? HEADER + s->block : SLAB_FIRST;
  assert(s->piece >= HEADER + s->block);
}

/* The piece's address, kept in the last bytes of a block. */
static struct slab_piece **piece_of(const struct slab *s, void *block) {
  return (struct slab_piece **)(void *)((unsigned char *)block + s->block - sizeof(void *));
}

static size_t capacity(const struct slab *s, const struct slab_piece *p) {
  return (p->size - HEADER) / s->block;
}

void *tide_slab_take(struct slab *s) {
  struct fifo_node *n = fifo_peek(&s->roomy);
  struct slab_piece *p;
  void *block;
  if (n == NULL) return NULL;
  p = TIDE_CONTAINER(n, struct slab_piece, link);
  if (p->used++ == 0) s->spare -= p->size;
  block = p->returned;
  if (block != NULL) {
    p->returned = *(void **)block;
  } else {
    block = (unsigned char *)p + HEADER + p->cut++ * s->block;
    *piece_of(s, block) = p;
  }
  if (p->returned == NULL && p->cut == capacity(s, p)) fifo_remove(&p->link);
  return block;
}

struct slab_piece *tide_slab_newpiece(const struct slab *s, size_t size) {
  struct slab_piece *p = (struct slab_piece *)tide_mem_new(s->mem, size);
  if (p == NULL) return NULL;
  fifo_node_init(&p->link);
  p->size = size;
  p->used = p->cut = 0;
  p->returned = NULL;
  return p;
}

void tide_slab_addpiece(struct slab *s, struct slab_piece *p) {
  if (!WATCHED && p->size == s->piece && s->piece < SLAB_LARGEST) s->piece *= 2;
  s->spare += p->size;
  fifo_push(&s->roomy, &p->link);
}

struct slab_piece *tide_slab_give(struct slab *s, void *block) {
  struct slab_piece *p = *piece_of(s, block);
  assert(p->used > 0);
  *(void **)block = p->returned;
  p->returned = block;
  if (fifo_linked(&p->link)) {
    if (p->used > 1) {
      p->used--;
      return NULL;
    }
    fifo_remove(&p->link);
  }
  if (--p->used > 0) { /* before the empty ones, so that these stay empty */
    fifo_pushfront(&s->roomy, &p->link);
    return NULL;
  }
  if (WATCHED || s->spare + p->size > SLAB_SPARE) return p;
  s->spare += p->size;
  fifo_push(&s->roomy, &p->link);
  return NULL;
}

void tide_slab_freepiece(const struct slab *s, struct slab_piece *p) {
  if (p != NULL) tide_mem_free(s->mem, p, p->size);
}

void tide_slab_fini(struct slab *s) {
  struct fifo_node *n;
  while ((n = fifo_pop(&s->roomy)) != NULL) {
    struct slab_piece *p = TIDE_CONTAINER(n, struct slab_piece, link);
    assert(p->used == 0);
    tide_slab_freepiece(s, p);
  }
}
