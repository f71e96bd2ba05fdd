/*
** luautil/lua_alloc: the one allocator of a worker's state.
**
** lua_newstate gets ti_lua_alloc_realloc and a struct ti_lua_alloc, and the state has both until
** lua_close has returned. They are never exchanged: Lua 5.5's string buffers remember the allocator
** that they were made with. A request passes, in this order:
**
**   1  the memory limit (memory_limit.h), while a task with a limit runs
**   2  the heir, while the state closes: it takes over blocks that other threads still read
**      (borrowed.h)
**   3  the arena for small blocks (arena.h), the block cache for large ones (block_cache.h);
**      or, in place of 2 and 3, the allocator that the host gave for workers (tide_config.alloc)
**
** States of hosts keep the allocators of their hosts, which the library never exchanges either. No
** locks: one thread at a time uses a struct ti_lua_alloc.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_LUAUTIL_LUA_ALLOC_H
#define TI_LUAUTIL_LUA_ALLOC_H

#include "util/arena.h"
#include "util/block_cache.h"
#include "luautil/memory_limit.h"

TI_INTERNAL_BEGIN

/* Takes over large blocks of a closing state. */
struct ti_lua_alloc_heir {
  /* Returns whether it takes over a block of BLOCK_CACHE_LARGE bytes or more that the state frees.
  ** It then frees the block by ti_block_cache_any_thread. NULL: there is no heir. */
  bool (*take)(void *ud, void *block, size_t size);
  void (*end)(void *ud); /* called when the state has freed all other blocks */
  void *ud;
};

struct ti_lua_alloc {
  struct ti_memory_limit limit;
  struct ti_lua_alloc_heir heir;
  struct ti_alloc host; /* I: alloc is NULL if the arena and the block cache are used */
  struct ti_arena arena;
  struct ti_block_cache blocks;
#ifdef TI_COLLECT /* each new object is refused once, so that Lua collects all garbage first */
  bool collect;
  bool refused; /* the last new object was */
#endif
};

/* Makes the allocator. `host`: the allocator for all blocks; its alloc may be NULL. */
void ti_lua_alloc_init(struct ti_lua_alloc *a, const struct ti_alloc *host);
/* Frees all that is left after lua_close, and ends the heir. */
void ti_lua_alloc_fini(struct ti_lua_alloc *a);

/* A lua_Alloc; ud is a struct ti_lua_alloc. */
void *ti_lua_alloc_realloc(void *ud, void *p, size_t osize, size_t nsize);

TI_INTERNAL_END

#endif
