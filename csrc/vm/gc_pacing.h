/*
** vm/gc_pacing: pacing the collector while large results are made.
**
** Pages that come from the system are faulted in and cleared, which takes longer than filling them.
** Memory that was used lately also lies in the processor's caches. So few blocks should be in use
** at a time. Two things are done around the decoding of a message of BLOCK_CACHE_LARGE bytes and
** more. The first is also done for a promise that gets such a message.
**
** Work before: Lua does not count memory held by futures, so dead results, and what they were
** decoded to, would accumulate. Before a message is decoded, the collector does the work for twice
** its size, and for what the last one took beyond that.
**
** Pause meanwhile: while the message is decoded, the collector does nothing. What is made is
** needed, and what is about to become garbage is not garbage yet: the result before, in a variable
** that is about to be set. In Lua's generational mode that would become old, and stay for long.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_VM_GC_PACING_H
#define TI_VM_GC_PACING_H

#include <lua.h>

#include "util/message.h"
#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

struct ti_gc_pacing {
  struct ti_codec_state *x;
  int pause;  /* KiB that the collector pauses for; 0: it does not pause */
  int before; /* KiB that the state held */
  int worked; /* KiB that the collector did the work for */
};

/* Returns the bytes of a message with the strings that it refers to. */
size_t ti_gc_pacing_weight(const struct ti_message *m);

/* Has the collector of L do the work for `bytes` that a future of L keeps alive, if they are large.
** Finalizers may run. [-0, +0, -] */
void ti_gc_pacing_kept(lua_State *L, size_t bytes);

/* To be called before and after the decoding of a message, also if that raises. `end` may be called
** again. [-0, +0, m] and [-0, +0, -] */
void ti_gc_pacing_begin(lua_State *L, const struct ti_message *m, struct ti_gc_pacing *l);
void ti_gc_pacing_end(lua_State *L, struct ti_gc_pacing *l);

TI_INTERNAL_END

#endif
