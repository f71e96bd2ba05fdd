/*
** vm/gc_pacing: what is done for large results, so that they are not made in fresh memory each
** time.
**
** Pages that come from the system are faulted in and cleared, which takes longer than to fill them.
** Memory that was used lately lies in the processor's caches, too. So three things are done for a
** message of BLOCK_CACHE_LARGE and more:
**
** Warm blocks: what Lua frees, malloc often gives back to the system. The state's allocator, if it
** is Lua's own, goes through a struct ti_block_cache (block_cache.h) from then on. All blocks are
** still the C library's: who has Lua's own allocator at hand may use it on any of them, at any
** time.
**
** The collector's work: it does not see what a future keeps alive, so results, and what they were
** decoded to, would pile up. Before a message is decoded, the collector does the work for twice its
** size, and for what was more than that the last time.
**
** The collector's rest: while it is decoded, the collector does nothing. What is made is needed,
** and most of what is about to be garbage is not yet: the result before, in a variable that is
** about to be set. In Lua's generational mode that would become old then, and stay for long.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_VM_GC_PACING_H
#define TI_VM_GC_PACING_H

#include <lua.h>

#include "util/block_cache.h"
#include "util/message.h"
#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

struct ti_gc_pacing {
  struct ti_codec_state *x;
  int rest;   /* KiB that the collector was told to wait for; 0: it was told nothing */
  int before; /* KiB that the state had */
  int worked; /* KiB that the collector did the work for */
};

/* What a message takes, with the strings that it refers to, in bytes. */
size_t ti_gc_pacing_weight(const struct ti_message *m);

/* Around the decoding of a message, also if that raises. [-0, +0, m] and [-0, +0, -] */
void ti_gc_pacing_begin(lua_State *L, const struct ti_message *m, struct ti_gc_pacing *l);
void ti_gc_pacing_end(lua_State *L, struct ti_gc_pacing *l); /* legal more than once */

/* Whether L's memory is the C library's, through Lua's own allocator; if so *base is that. [-0, +0,
** -] */
bool ti_gc_pacing_base(lua_State *L, struct ti_alloc *base);

TI_INTERNAL_END

#endif
