/*
** vm/gc_pacing: what is done for large results, so that they are not made in fresh memory each
** time.
**
** SPDX-License-Identifier: MIT
*/
#include "vm/gc_pacing.h"

#include <lauxlib.h>

#include "luautil/interrupt.h"
#include "codec/borrowed.h"
#include "platform/signal.h"

/* KiB. A value takes as much more memory than its message as GROWTH says, if not much more. */
enum { MOST = 1 << 20, GROWTH = 64 };

static bool is_ours(lua_Alloc alloc, const void *ud) {
  return alloc == ti_block_cache_alloc && ((const struct ti_block_cache *)ud)->around;
}

bool ti_gc_pacing_base(lua_State *L, struct ti_alloc *base) {
  void *lua_ud;
  lua_Alloc lua_alloc;
  lua_State *probe;
  base->alloc = ti_interrupt_allocf(L, &base->ud);
  if (base->alloc == ti_block_cache_alloc) {
    if (!is_ours(base->alloc, base->ud)) return false; /* a worker's */
    *base = ((const struct ti_block_cache *)base->ud)->small;
    return true;
  }
  probe = luaL_newstate(); /* has Lua's own allocator; there is no other way to ask for it */
  if (probe == NULL) return false;
  lua_alloc = lua_getallocf(probe, &lua_ud);
  lua_close(probe);
  return base->alloc == lua_alloc && base->ud == lua_ud;
}

/* The state closes: its blocks are its allocator's again, before the library may be unloaded. [-0,
** +0, -] */
static void unwarm(lua_State *L, struct ti_codec_state *x) {
  struct ti_block_cache *b = x->warm;
  lua_Alloc alloc;
  void *ud;
  if (b == NULL) return;
  x->warm = NULL;
  ti_block_cache_fini(b);
  alloc = lua_getallocf(L, &ud);
  if (alloc == ti_block_cache_alloc && ud == b) {
    lua_setallocf(L, b->small.alloc, b->small.ud);
  } else if (alloc != b->small.alloc || ud != b->small.ud) {
    b->least = 0; /* somebody's allocator goes through this one, to the end */
    ti_signal_stay_loaded();
    return;
  }
  ti_alloc_free(&ti_alloc_default, b, sizeof *b);
}

/* Has the state keep large blocks, if its allocator is Lua's own and there is the memory for that.
** [-0, +0, -] */
static void keep_warm(lua_State *L, struct ti_codec_state *x) {
  struct ti_alloc base;
  struct ti_block_cache *b = NULL;
  if (x->tried_warm) return;
  x->tried_warm = true;
  if (!x->worker && !x->late && ti_gc_pacing_base(L, &base))
    b = (struct ti_block_cache *)ti_alloc_new(&ti_alloc_default, sizeof *b);
  if (b == NULL) return;
  ti_block_cache_init_around(b, &base, BLOCK_CACHE_STATE);
  x->warm = b;
  x->closers[CODEC_CLOSE_LARGE] = unwarm;
  lua_setallocf(L, ti_block_cache_alloc, b);
}

static int least(int a, int b) { return a < b ? a : b; }

size_t ti_gc_pacing_weight(const struct ti_message *m) {
  size_t weight = m->bytes.cap;
  for (size_t i = 0; i < m->nparts; i++) {
    const struct ti_message_part *part = ti_message_part(m, i);
    if (part->type == &ti_borrowed_part) weight += ((const struct ti_borrowed *)part->object)->len;
  }
  return weight;
}

void ti_gc_pacing_begin(lua_State *L, const struct ti_message *m, struct ti_gc_pacing *l) {
  size_t weight = ti_gc_pacing_weight(m);
  int kib = weight / 1024 < MOST ? (int)(weight / 1024) : MOST;
  struct ti_codec_state *x;
  l->rest = 0;
  if (weight < BLOCK_CACHE_LARGE) return;
  l->x = x = ti_codec_state_get(L);
  keep_warm(L, x);
  if (lua_gc(L, LUA_GCISRUNNING) == 1) {
    int owed = x->owed;
    x->owed = 0; /* a finalizer may come here, too */
    l->worked = 2 * kib;
    lua_gc(L, LUA_GCSTEP, least(owed, MOST) + least(l->worked, MOST));
    l->rest = least(kib, MOST / GROWTH) * GROWTH;
    l->before = lua_gc(L, LUA_GCCOUNT);
    lua_gc(L, LUA_GCSTEP, -l->rest);
  }
  lua_pop(L, 1);
}

void ti_gc_pacing_end(lua_State *L, struct ti_gc_pacing *l) {
  int made;
  if (l->rest == 0) return;
  if (lua_gc(L, LUA_GCISRUNNING) == 1) { /* else it is forgotten with what else it owes */
    made = lua_gc(L, LUA_GCCOUNT) - l->before;
    if (made < 0) made = 0;
    /* not now, when it would look at what is needed: before the next */
    if (made > l->worked) l->x->owed = least(l->x->owed, MOST) + least(made - l->worked, MOST);
    lua_gc(L, LUA_GCSTEP, l->rest - least(made, l->rest));
  }
  l->rest = 0;
}
