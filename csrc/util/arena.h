/*
** util/arena: the small blocks of one worker's state.
**
** Blocks of up to ARENA_SMALL bytes are cut from chunks, in classes of 8 bytes each. A freed block
** is the next of its class to be given out. Larger blocks come from the allocator below. One thread
** at a time uses an arena, so there is no lock and no header before a block, and what a worker
** frees stays in its processor's cache.
**
** Invariants
**   1  A small block lies in one chunk. Its size is what the caller says (lua_Alloc).
**   2  Each byte of a chunk belongs to a block given out, to one in `free`, or to the part between
**      `next` and `end`.
**   3  `live` counts the bytes given out. When it falls below `low`, chunks without such a byte are
**      freed: a state that was large once does not stay so. `low` is at most a quarter of `total`,
**      and half of `live` if that did not help, so this happens rarely.
**
** Under AddressSanitizer, or with -DTI_NO_ARENA (for valgrind and the like), every block comes from
** the allocator below, so that such tools see each.
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
  size_t unused; /* while chunks are counted: bytes not given out */
};

struct ti_arena {
  struct ti_alloc below;
  bool off;                  /* all blocks come from `below` */
  void *free[ARENA_CLASSES]; /* by size / 8; each block begins with a pointer to the next */
  char *next, *end;          /* the part of one chunk that was never given out */
  struct ti_arena_chunk *chunks;
  size_t nchunks, capchunks;
  size_t total, live, low;
};

void ti_arena_init(struct ti_arena *a, const struct ti_alloc *below);
/* Frees all chunks, and with them all small blocks, given out or not. */
void ti_arena_fini(struct ti_arena *a);
/* A lua_Alloc; `arena` is a struct ti_arena. */
void *ti_arena_alloc(void *arena, void *ptr, size_t osize, size_t nsize);

TI_INTERNAL_END

#endif
