/*
** vm/gc_pacing: pacing the collector while large results are made.
**
** SPDX-License-Identifier: MIT
*/
#include "vm/gc_pacing.h"

#include "codec/borrowed.h"
#include "util/block_cache.h"

/* KiB. A value takes at most about GROWTH times as much memory as its message. */
enum { MOST = 1 << 20, GROWTH = 64 };

static int least(int a, int b) { return a < b ? a : b; }

/* The bytes of the message and of the strings that it borrows, except from `own`. */
static size_t weigh(const struct ti_message *m, const struct ti_lender *own) {
  size_t weight = m->bytes.cap;
  for (size_t i = 0; i < m->nparts; i++) {
    const struct ti_message_part *part = ti_message_part(m, i);
    const struct ti_borrowed *string = (const struct ti_borrowed *)part->object;
    if (part->type == &ti_borrowed_part && (own == NULL || string->lender != own))
      weight += string->len;
  }
  return weight;
}

size_t ti_gc_pacing_weight(const struct ti_message *m) { return weigh(m, NULL); }

void ti_gc_pacing_kept(lua_State *L, size_t bytes) {
  if (bytes < BLOCK_CACHE_LARGE || lua_gc(L, LUA_GCISRUNNING) != 1) return;
  lua_gc(L, LUA_GCSTEP, bytes / 1024 < MOST ? (int)(bytes / 1024) : MOST);
}

void ti_gc_pacing_begin(lua_State *L, const struct ti_message *m, struct ti_gc_pacing *l) {
  struct ti_codec_state *x;
  size_t weight;
  l->pause = 0;
  if (weigh(m, NULL) < BLOCK_CACHE_LARGE) return;
  l->x = x = ti_codec_state_get(L);
  weight = weigh(m, x->lender); /* decoding makes no new string of one that is borrowed from L */
  if (weight >= BLOCK_CACHE_LARGE && lua_gc(L, LUA_GCISRUNNING) == 1) {
    int kib = weight / 1024 < MOST ? (int)(weight / 1024) : MOST, debt = x->gc_debt;
    x->gc_debt = 0; /* a finalizer may call this function, too */
    l->worked = 2 * kib;
    lua_gc(L, LUA_GCSTEP, least(debt, MOST) + least(l->worked, MOST));
    l->pause = least(kib, MOST / GROWTH) * GROWTH;
    l->before = lua_gc(L, LUA_GCCOUNT);
    lua_gc(L, LUA_GCSTEP, -l->pause);
  }
  lua_pop(L, 1);
}

void ti_gc_pacing_end(lua_State *L, struct ti_gc_pacing *l) {
  int made;
  if (l->pause == 0) return;
  if (lua_gc(L, LUA_GCISRUNNING) == 1) { /* a stopped collector forgets this with its other debt */
    made = lua_gc(L, LUA_GCCOUNT) - l->before;
    if (made < 0) made = 0;
    /* Before the next message, not now, when the collector would traverse what is needed. */
    if (made > l->worked)
      l->x->gc_debt = least(l->x->gc_debt, MOST) + least(made - l->worked, MOST);
    lua_gc(L, LUA_GCSTEP, l->pause - least(made, l->pause));
  }
  l->pause = 0;
}
