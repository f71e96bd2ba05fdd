/*
** tidepool, floor 1: shelf, an allocator for many threads whose large blocks stay warm.
**
** SPDX-License-Identifier: MIT
*/
#include "shelf.h"

#include <string.h>

/* More than for a state: an owner's futures keep messages until its collector finds them, several at once. */
#define LEAST ((size_t)32 << 20)

int tide_shelf_init(struct shelf *s) {
  tide_blocks_init(&s->blocks, &tide_mem_default, LEAST);
  return tide_lock_init(&s->lock);
}

void tide_shelf_fini(struct shelf *s) {
  tide_blocks_fini(&s->blocks);
  tide_lock_fini(&s->lock);
}

static void *locked_alloc(struct shelf *s, void *p, size_t osize, size_t nsize) {
  void *q;
  tide_lock_take(&s->lock);
  q = tide_blocks_alloc(&s->blocks, p, osize, nsize);
  tide_lock_drop(&s->lock);
  return q;
}

void *tide_shelf_alloc(void *shelf, void *p, size_t osize, size_t nsize) {
  struct shelf *s = (struct shelf *)shelf;
  void *q;
  if (osize < BLOCKS_LARGE && nsize < BLOCKS_LARGE)
    return tide_mem_default.alloc(NULL, p, osize, nsize);
  if (p == NULL || nsize == 0) return locked_alloc(s, p, osize, nsize);
  if (tide_blocks_same(osize, nsize)) return p;
  /* moved here, not there: nobody shall wait for a copy */
  q = tide_shelf_alloc(s, NULL, 0, nsize);
  if (q == NULL) return NULL;
  memcpy(q, p, osize < nsize ? osize : nsize);
  tide_shelf_alloc(s, p, osize, 0);
  return q;
}
