/*
** tidepool, floor 0: block, an allocator for a state whose large blocks stay warm.
**
** Memory fresh from the system costs more than what is done with it: each page is faulted in and
** cleared. So blocks of 64 KiB and more that a state gives back are kept for its next ones, up
** to as much as it uses (a collector's heap swings between one and two times of that) or `least`, and
** blocks from 1.5 MiB on come in huge pages where the system has them. What a block really takes
** follows from its size alone: there is no header.
**
** Around an allocator that has large blocks of its own (tide_blocks_init_around) all blocks are that one's, and large ones
** it gave out before may come back. So both can be exchanged for each other at any time.
**
** No locks: one thread at a time. Only tide_blocks_loose is for any thread.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_BLOCK_H
#define TIDE_BLOCK_H

#include <stdbool.h>

#include "mem.h"

TIDE_INTERNAL_BEGIN

enum {
  BLOCKS_LARGE = 64 * 1024, /* smaller blocks are passed on */
  BLOCKS_STATE = 8 << 20,   /* for a state, as `least` */
  BLOCKS_WARM = 32
};

struct blocks {
  struct mem small; /* what smaller blocks are passed on to */
  bool around;      /* I: and large ones come from, of just their size */
  bool collect; /* I: with TIDE_COLLECT, each new object is refused first, so that Lua collects */
  bool refused; /* it was */
  size_t least; /* I */
  size_t used;  /* bytes in large blocks that are out */
  size_t kept;  /* bytes in `warm` */
  size_t n;
  struct warm {
    void *p;
    size_t size;       /* of the block; `around`: at least */
  } warm[BLOCKS_WARM]; /* oldest first */
};

/* `least`: bytes that may be kept even if nothing is used; 0: nothing ever is kept. */
void tide_blocks_init(struct blocks *b, const struct mem *small, size_t least);
/* The same, around `all`. */
void tide_blocks_init_around(struct blocks *b, const struct mem *all, size_t least);
/* Frees what is kept; what is out may still be freed by tide_blocks_loose. */
void tide_blocks_fini(struct blocks *b);
/* As lua_Alloc, with a struct blocks as ud. */
void *tide_blocks_alloc(void *blocks, void *p, size_t osize, size_t nsize);
/* Whether blocks of these sizes take the same, so that one may become the other as it is. */
bool tide_blocks_same(size_t a, size_t b);
/* Frees large blocks of any struct blocks, from any thread, also when that is gone. */
extern const struct mem tide_blocks_loose;

TIDE_INTERNAL_END

#endif
