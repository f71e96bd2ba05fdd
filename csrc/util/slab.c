/*
** util/slab: blocks of one size cut from larger pieces.
**
** SPDX-License-Identifier: MIT
*/
#include "util/slab.h"

#include <assert.h>

#if defined(__SANITIZE_ADDRESS__)
#define ONE_EACH 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONE_EACH 1
#endif
#endif
#ifndef ONE_EACH
#define ONE_EACH 0
#endif

enum { ALIGN = 16 }; /* as malloc's blocks are */

#define HEADER ((sizeof(struct ti_slab_piece) + ALIGN - 1) / ALIGN * ALIGN)

void ti_slab_init(struct ti_slab *s, const struct ti_alloc *mem, size_t size) {
  s->mem = mem;
  s->block = (size + sizeof(void *) + ALIGN - 1) / ALIGN * ALIGN;
  ti_list_init(&s->partial);
  s->spare = 0;
  s->piece = ONE_EACH ? HEADER + s->block : SLAB_FIRST;
  assert(s->piece >= HEADER + s->block);
}

/* Returns where a block keeps the address of its piece: its last bytes. */
static struct ti_slab_piece **piece_of(const struct ti_slab *s, void *block) {
  return (struct ti_slab_piece **)(void *)((unsigned char *)block + s->block - sizeof(void *));
}

static size_t capacity(const struct ti_slab *s, const struct ti_slab_piece *p) {
  return (p->size - HEADER) / s->block;
}

void *ti_slab_take(struct ti_slab *s) {
  struct ti_list_node *n = ti_list_peek(&s->partial);
  struct ti_slab_piece *p;
  void *block;
  if (n == NULL) return NULL;
  p = TI_CONTAINER(n, struct ti_slab_piece, link);
  if (p->used++ == 0) s->spare -= p->size;
  block = p->returned;
  if (block != NULL) {
    p->returned = *(void **)block;
  } else {
    block = (unsigned char *)p + HEADER + p->cut++ * s->block;
    *piece_of(s, block) = p;
  }
  if (p->returned == NULL && p->cut == capacity(s, p)) ti_list_remove(&p->link);
  return block;
}

struct ti_slab_piece *ti_slab_new_piece(const struct ti_slab *s, size_t size) {
  struct ti_slab_piece *p = (struct ti_slab_piece *)ti_alloc_new(s->mem, size);
  if (p == NULL) return NULL;
  ti_list_node_init(&p->link);
  p->size = size;
  p->used = p->cut = 0;
  p->returned = NULL;
  return p;
}

void ti_slab_add_piece(struct ti_slab *s, struct ti_slab_piece *p) {
  if (!ONE_EACH && p->size == s->piece && s->piece < SLAB_LARGEST) s->piece *= 2;
  s->spare += p->size;
  ti_list_push(&s->partial, &p->link);
}

struct ti_slab_piece *ti_slab_give(struct ti_slab *s, void *block) {
  struct ti_slab_piece *p = *piece_of(s, block);
  assert(p->used > 0);
  *(void **)block = p->returned;
  p->returned = block;
  if (ti_list_linked(&p->link)) {
    if (p->used > 1) {
      p->used--;
      return NULL;
    }
    ti_list_remove(&p->link);
  }
  if (--p->used > 0) { /* before the empty ones, so that these stay empty */
    ti_list_push_front(&s->partial, &p->link);
    return NULL;
  }
  if (ONE_EACH || s->spare + p->size > SLAB_SPARE) return p;
  s->spare += p->size;
  ti_list_push(&s->partial, &p->link);
  return NULL;
}

void ti_slab_free_piece(const struct ti_slab *s, struct ti_slab_piece *p) {
  if (p != NULL) ti_alloc_free(s->mem, p, p->size);
}

void ti_slab_fini(struct ti_slab *s) {
  struct ti_list_node *n;
  while ((n = ti_list_pop(&s->partial)) != NULL) {
    struct ti_slab_piece *p = TI_CONTAINER(n, struct ti_slab_piece, link);
    assert(p->used == 0);
    ti_slab_free_piece(s, p);
  }
}
