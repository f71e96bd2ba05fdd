/*
** util/arena: the small blocks of one worker's state.
**
** Blocks of up to ARENA_SMALL bytes are cut from chunks, in classes of 8 bytes each; a freed one
** is the next of its class to be given out. Larger blocks are those of the mem below. Used by one
** thread at a time; so there is no lock, no header before a block, and what a worker frees stays
** warm in its own cache.
**
** Invariants:
**   1  a small block lies in one chunk; its size is known from what the caller says (lua_Alloc)
**   2  each byte of a chunk is of a block given out, of one in `free`, or between `next` and `end`
**   3  `live` counts the first kind. When it falls below `low`, chunks without such a byte go back
**      to the mem below: a state that was big once does not stay big. `low` is at most a quarter
**      of `total`, and halves what is live if that did not help: looking is rare.
**
** Under AddressSanitizer, or with -DTI_NO_ARENA (for valgrind and the like), every block is one
** of the mem below, so that such tools see each.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_UTIL_ARENA_H
#define TI_UTIL_ARENA_H

#include <stdbool.h>

#include "util/alloc.h"

TI_INTERNAL_BEGIN

enum { ARENA_SMALL = 512, ARENA_CLASSES = ARENA_SMALL / 8 + 1 };

struct ti_arena_chunk {
  char *base;
  size_t size;   /* a multiple of 8 */
  size_t unused; /* while chunks are looked through: bytes not given out */
};

struct ti_arena {
  struct ti_alloc below;
  bool off;                  /* all blocks are those of the mem below */
  void *free[ARENA_CLASSES]; /* by size / 8; each begins with a pointer to the next */
  char *next, *end;          /* the part of one chunk that was never given out */
  struct ti_arena_chunk *chunks;
  size_t nchunks, capchunks;
  size_t total, live, low;
};

void ti_arena_init(struct ti_arena *a, const struct ti_alloc *below);
void ti_arena_fini(struct ti_arena *a); /* with all small blocks, given out or not */
/* As lua_Alloc; `arena` is a struct ti_arena. */
void *ti_arena_alloc(void *arena, void *ptr, size_t osize, size_t nsize);

TI_INTERNAL_END

#endif
