/*
** util/slab: blocks of one size cut from larger pieces.
**
** For objects of which there are very many: a block costs a few instructions and lies beside its
** neighbours, and a large piece can be one huge page where small ones are many page faults.
**
** Takes no lock, and allocates only to make or free a piece. Its user can therefore guard it with a
** lock that is held for a few instructions, and release that to make a piece:
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
** A piece whose blocks are all free is given back, except for SLAB_SPARE bytes of such pieces,
** which are kept. Under AddressSanitizer every block is a piece of its own, so that each is
** checked.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_UTIL_SLAB_H
#define TI_UTIL_SLAB_H

#include <stdint.h>

#include "util/list.h"
#include "util/alloc.h"

TI_INTERNAL_BEGIN

#define SLAB_FIRST \
  ((size_t)4 << 10) /* bytes of the first piece; each next one is twice as large, … */
#define SLAB_LARGEST ((size_t)2 << 20) /* … up to this */
#define SLAB_SPARE ((size_t)32 << 20)  /* bytes kept in empty pieces */

struct ti_slab_piece {
  struct ti_list_node link; /* in slab->partial while it has a free block */
  size_t size;              /* I: of this block of memory */
  size_t used;              /* blocks given out */
  size_t cut;               /* blocks ever cut; those behind are untouched memory */
  void *returned;           /* freed blocks: a list through themselves */
};

struct ti_slab {
  const struct ti_alloc *mem; /* I */
  size_t block;               /* I: bytes of a block with the pointer to its piece */
  struct ti_list partial;     /* pieces with a free block, those in use first */
  size_t spare;               /* bytes of pieces without a used block */
  size_t piece;               /* size of the next piece */
};

void ti_slab_init(struct ti_slab *s, const struct ti_alloc *mem, size_t size);
/* Frees the pieces. All blocks must have been given back. */
void ti_slab_fini(struct ti_slab *s);

/* Returns a block, uninitialised; NULL: a piece must be added. */
void *ti_slab_take(struct ti_slab *s);
/* Returns a new piece of `size` bytes (s->piece, read under the lock), or NULL if out of memory. */
struct ti_slab_piece *ti_slab_new_piece(const struct ti_slab *s, size_t size);
void ti_slab_add_piece(struct ti_slab *s, struct ti_slab_piece *p);

/* Gives a block back. Returns a piece that the caller must free without the lock, or NULL. */
struct ti_slab_piece *ti_slab_give(struct ti_slab *s, void *block);
void ti_slab_free_piece(const struct ti_slab *s, struct ti_slab_piece *p); /* NULL is legal */

TI_INTERNAL_END

#endif
