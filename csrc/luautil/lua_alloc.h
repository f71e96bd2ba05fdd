/*
** tidepool, floor 2: lua_alloc, the one allocator of a worker's state.
**
** lua_newstate gets ti_lua_alloc_realloc and a struct ti_lua_alloc, and the state has both until
** lua_close has returned. Nothing exchanges them: Lua 5.5's string buffers remember the allocator
** of their birth. What a request goes through, in this order:
**
**   1  the memory limit (memory_limit.h), while a task with a limit runs
**   2  the heir, while the state closes: it takes over blocks that others still read (borrowed.h)
**   3  the arena for small blocks (arena.h), the block cache for large ones (block_cache.h);
**      or, in place of 2 and 3, the allocator that the host gave for workers (tide_config.alloc)
**
** The states of hosts have their hosts' allocators, which the library never exchanges either.
** One thread at a time uses a struct ti_lua_alloc. No locks.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_LUAUTIL_LUA_ALLOC_H
#define TI_LUAUTIL_LUA_ALLOC_H

#include "util/arena.h"
#include "util/block_cache.h"
#include "luautil/memory_limit.h"

TI_INTERNAL_BEGIN

/* What takes over large blocks of a state that closes. */
struct ti_lua_alloc_heir {
  /* Returns whether it takes a block, of BLOCK_CACHE_LARGE bytes or more, that the state frees;
  ** NULL: there is no heir. It frees the block with ti_block_cache_any_thread. */
  bool (*take)(void *ud, void *block, size_t size);
  void (*end)(void *ud); /* the state has freed all others */
  void *ud;
};

struct ti_lua_alloc {
  struct ti_memory_limit limit;
  struct ti_lua_alloc_heir heir;
  struct ti_alloc host; /* I: alloc is NULL: the arena and the block cache are used */
  struct ti_arena arena;
  struct ti_block_cache blocks;
#ifdef TI_COLLECT /* each new object is refused once, so that Lua collects all garbage first */
  bool collect;
  bool refused; /* the last new object was */
#endif
};

/* `host`: for all blocks; its alloc may be NULL. */
void ti_lua_alloc_init(struct ti_lua_alloc *a, const struct ti_alloc *host);
/* After lua_close: frees all that is left, and ends the heir. */
void ti_lua_alloc_fini(struct ti_lua_alloc *a);

/* A lua_Alloc; ud is a struct ti_lua_alloc. */
void *ti_lua_alloc_realloc(void *ud, void *p, size_t osize, size_t nsize);

TI_INTERNAL_END

#endif
