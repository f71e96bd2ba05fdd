/*
** tidepool, floor 0: slab, blocks of one size cut from larger pieces.
**
** For objects that come by the hundred thousand: a block costs a few instructions, lies beside its
** neighbours, and a large piece can be one huge page where small ones are many page faults.
**
** Takes no lock and, but for making and freeing a piece, does not allocate; so its user can
** guard it with a lock that is held for a few instructions, and let that go to make a piece:
**
**     while ((p = tide_slab_take(s)) == NULL) {
**       piece = tide_slab_newpiece(s, size)          -- without the lock; size was read under it
**       tide_slab_addpiece(s, piece)
**     }
**
**     piece:   +--------+-----------------+-----------------+---
**              | header | block, -> piece | block, -> piece | …
**              +--------+-----------------+-----------------+---
**
** A piece whose blocks are all free goes, except for SLAB_SPARE bytes of such pieces, which are
** kept for what comes next. Under AddressSanitizer every block is a piece of its own, so that it
** watches each of them.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_SLAB_H
#define TIDE_SLAB_H

#include <stdint.h>

#include "fifo.h"
#include "mem.h"

TIDE_INTERNAL_BEGIN

#define SLAB_FIRST ((size_t)4 << 10) /* bytes of the first piece; each next is twice as large … */
#define SLAB_LARGEST ((size_t)2 << 20) /* … up to this */
#define SLAB_SPARE ((size_t)32 << 20)  /* bytes kept in empty pieces */

struct slab_piece {
  struct fifo_node link; /* in slab->roomy while it has a free block */
  size_t size;           /* I: of this block of memory */
  size_t used;           /* blocks that are out */
  size_t cut;            /* blocks that ever were; those behind are untouched memory */
  void *returned;        /* blocks that came back: a list through themselves */
};

struct slab {
  const struct mem *mem; /* I */
  size_t block;          /* I: bytes of a block with the pointer to its piece */
  struct fifo roomy;     /* pieces with a free block, those in use first */
  size_t spare;          /* bytes of those that are empty */
  size_t piece;          /* size of the next piece */
};

void tide_slab_init(struct slab *s, const struct mem *mem, size_t size);
/* Frees the pieces; all blocks must have come back. */
void tide_slab_fini(struct slab *s);

/* A block, as it is; NULL: a piece is needed. */
void *tide_slab_take(struct slab *s);
/* A piece of `size` bytes (s->piece, read with the lock held). NULL: out of memory. */
struct slab_piece *tide_slab_newpiece(const struct slab *s, size_t size);
void tide_slab_addpiece(struct slab *s, struct slab_piece *p);

/* Takes the block back. Answers a piece that the caller is to free without the lock, or NULL. */
struct slab_piece *tide_slab_give(struct slab *s, void *block);
void tide_slab_freepiece(const struct slab *s, struct slab_piece *p); /* NULL is legal */

TIDE_INTERNAL_END

#endif
