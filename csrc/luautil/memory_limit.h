/*
** tidepool, floor 2: memory_limit, how far a worker's state may grow while a task runs.
**
** The allocator of the state (lua_alloc.h) asks before each block whether it may be given out,
** and counts it afterwards. Lua collects all garbage when it gets no block, and asks for the same
** block again. Nothing that grows is asked for in between. If that block is refused too, or Lua
** has given up and asks for another one, the task needs too much: it is asked to end, and Lua
** raises "not enough memory".
**
** Only the thread of the state uses it. No locks.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_LUAUTIL_MEMORY_LIMIT_H
#define TI_LUAUTIL_MEMORY_LIMIT_H

#include <lua.h>
#include <stdbool.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

struct ti_interrupt;

struct ti_memory_limit {
  struct ti_interrupt *interrupt; /* of the task; NULL: no limit is in force */
  size_t used, limit;             /* bytes */
  size_t refused; /* the size of the block that was refused last; 0: the last one was given out */
};

/* The state of h may grow to `limit` bytes, until the end. */
void ti_memory_limit_begin(struct ti_memory_limit *m, struct ti_interrupt *h, size_t limit);
/* Ends the limit; does nothing if none is in force. A task whose last block was refused has
** exceeded it. */
void ti_memory_limit_end(struct ti_memory_limit *m);

/* Returns whether a block of `osize` bytes (0: a new one) may become one of `nsize`. Asks the
** task to end if it needs more than its limit. A limit is in force. */
bool ti_memory_limit_allows(struct ti_memory_limit *m, size_t osize, size_t nsize);
/* Counts a block that was allowed and given out, or freed. */
static inline void ti_memory_limit_count(struct ti_memory_limit *m, size_t osize, size_t nsize) {
  m->used += nsize - osize;
}

/* Returns how many bytes a state holds. [-0, +0, -] */
size_t ti_memory_limit_used(lua_State *L);

TI_INTERNAL_END

#endif
