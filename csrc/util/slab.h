/*
** util/slab: blocks of one size cut from larger pieces.
**
** For objects that come by the hundred thousand: a block costs a few instructions, lies beside its
** neighbours, and a large piece can be one huge page where small ones are many page faults.
**
** Takes no lock and, but for making and freeing a piece, does not allocate; so its user can
** guard it with a lock that is held for a few instructions, and let that go to make a piece:
**
**     while ((p = ti_slab_take(s)) == NULL) {
**       piece = ti_slab_new_piece(s, size)          -- without the lock; size was read under it
**       ti_slab_add_piece(s, piece)
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
#ifndef TI_UTIL_SLAB_H
#define TI_UTIL_SLAB_H

#include <stdint.h>

#include "util/list.h"
#include "util/alloc.h"

TI_INTERNAL_BEGIN

#define SLAB_FIRST ((size_t)4 << 10) /* bytes of the first piece; each next is twice as large … */
#define SLAB_LARGEST ((size_t)2 << 20) /* … up to this */
#define SLAB_SPARE ((size_t)32 << 20)  /* bytes kept in empty pieces */

struct ti_slab_piece {
  struct ti_list_node link; /* in slab->partial while it has a free block */
  size_t size;              /* I: of this block of memory */
  size_t used;              /* blocks that are out */
  size_t cut;               /* blocks that ever were; those behind are untouched memory */
  void *returned;           /* blocks that came back: a list through themselves */
};

struct ti_slab {
  const struct ti_alloc *mem; /* I */
  size_t block;               /* I: bytes of a block with the pointer to its piece */
  struct ti_list partial;     /* pieces with a free block, those in use first */
  size_t spare;               /* bytes of those that are empty */
  size_t piece;               /* size of the next piece */
};

void ti_slab_init(struct ti_slab *s, const struct ti_alloc *mem, size_t size);
/* Frees the pieces; all blocks must have come back. */
void ti_slab_fini(struct ti_slab *s);

/* A block, as it is; NULL: a piece is needed. */
void *ti_slab_take(struct ti_slab *s);
/* A piece of `size` bytes (s->piece, read with the lock held). NULL: out of memory. */
struct ti_slab_piece *ti_slab_new_piece(const struct ti_slab *s, size_t size);
void ti_slab_add_piece(struct ti_slab *s, struct ti_slab_piece *p);

/* Takes the block back. Answers a piece that the caller is to free without the lock, or NULL. */
struct ti_slab_piece *ti_slab_give(struct ti_slab *s, void *block);
void ti_slab_free_piece(const struct ti_slab *s, struct ti_slab_piece *p); /* NULL is legal */

TI_INTERNAL_END

#endif
