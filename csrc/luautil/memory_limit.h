/*
** luautil/memory_limit: how far a worker's state may grow while a task runs.
**
** The allocator of the state (lua_alloc.h) calls ti_memory_limit_allows before it gives out a
** block, and counts the block afterwards. When Lua gets no block it collects all garbage and
** requests the same block again, with no growing request in between. The task needs too much if
** that is refused, too, or if Lua has given up and requests another block. It is then requested to
** end, and Lua raises "not enough memory".
**
** Only the state's own thread uses it. No locks.
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
  /* the size of the block that was refused last; 0: the last one was given out */
  size_t refused;
};

/* Begins a limit: the state of h may grow to `limit` bytes. */
void ti_memory_limit_begin(struct ti_memory_limit *m, struct ti_interrupt *h, size_t limit);
/* Ends the limit; does nothing if none is in force. A task whose last block was refused has
** exceeded it. */
void ti_memory_limit_end(struct ti_memory_limit *m);

/* Returns whether a block of `osize` bytes (0: a new one) may become one of `nsize`. Requests the
** task to end if it needs more than its limit. A limit must be in force. */
bool ti_memory_limit_allows(struct ti_memory_limit *m, size_t osize, size_t nsize);
/* Counts a block that was allowed and given out, or freed. */
static inline void ti_memory_limit_count(struct ti_memory_limit *m, size_t osize, size_t nsize) {
  m->used += nsize - osize;
}

/* Returns how many bytes a state holds. [-0, +0, -] */
size_t ti_memory_limit_used(lua_State *L);

TI_INTERNAL_END

#endif
