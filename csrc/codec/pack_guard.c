/*
** codec/pack_guard: keeping alive what the memo knows, while a message is written.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>

#include "codec/pack_impl.h"

/* KiB: more than packing allocates in the state. */
enum { GC_CREDIT = 1 << 20 };

/* Keeps the collector from working by itself, by telling it that so much is free. LUA_GCSTOP would
** do that too, but LUA_GCRESTART makes it begin a cycle at once. */
static void pause_gc(struct ti_packer *P) {
  if (lua_gc(P->L, LUA_GCISRUNNING) != 1) return; /* stopped, or this is a finalizer */
  lua_gc(P->L, LUA_GCSTEP, -GC_CREDIT);
  P->gc_paused = true;
}

void ti_pack_guard_resume_gc(struct ti_packer *P) {
  if (!P->gc_paused) return;
  P->gc_paused = false;
  /* if it was stopped meanwhile, its debt is forgotten when it is started again */
  if (lua_gc(P->L, LUA_GCISRUNNING) == 1) lua_gc(P->L, LUA_GCSTEP, GC_CREDIT);
}

void ti_pack_guard_lua_begin(struct ti_packer *P) {
  P->lua_calls++;
  ti_pack_guard_resume_gc(P);
}

void ti_pack_guard_lua_end(struct ti_packer *P) {
  if (!P->gc_paused) pause_gc(P);
}

void ti_pack_guard_keep(struct ti_packer *P) { lua_rawseti(P->L, P->kept, ++P->nkept); }

void ti_pack_guard_require(struct ti_packer *P) {
  if (P->guarded) return;
  P->restart = true;
  lua_pushnil(P->L);
  lua_error(P->L);
}
