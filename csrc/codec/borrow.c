/*
** codec/borrow: the long strings of a state that go into messages in place.
**
** The table CODEC_LENT keeps them alive: address of the first byte -> loan, of the second ->
** string. A string whose loan came back is dropped when its state next packs or unpacks, or has
** waited for a future or an executor's end.
**
** A block of the state may outlive it (borrowed.h). So only states whose memory is the C library's,
** through Lua's own allocator or ours, lend; with a host's allocator, which may know of
** one thread only, or end with the state, strings are copied.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/borrow.h"

#include <lauxlib.h>

#include "util/block_cache.h"
#include "luautil/interrupt.h"
#include "platform/signal.h"
#include "vm/gc_pacing.h"

/* What frees the blocks of L when L is gone; false: L must not lend. */
static bool leftover_of(lua_State *L, const struct ti_codec_state *x, struct ti_alloc *mem) {
  void *ud;
  if (x->warm == NULL &&
      ti_interrupt_allocf(L, &ud) == ti_block_cache_alloc) { /* a worker's: it is closed by us */
    *mem = ti_block_cache_loose;
    return true;
  }
  /* lua_close unloads a C module before it gives the last blocks back, and a closing state that has
  ** lent strings does that through the library's own code */
  return ti_gc_pacing_base(L, mem) && ti_signal_stay_loaded();
}

/* The state closes. [-0, +0, -] */
static void close_lender(lua_State *L, struct ti_codec_state *x) {
  struct ti_alloc own;
  if (x->lender == NULL) return;
  own.alloc = lua_getallocf(L, &own.ud);
  if (ti_borrowed_lender_close(x->lender, &own))
    lua_setallocf(L, ti_borrowed_lender_alloc, x->lender);
  x->lender = NULL;
}

/* The state's lender, or NULL. [-0, +0, m] */
static struct ti_lender *lender_of(lua_State *L, struct ti_codec_state *x, int xidx) {
  struct ti_alloc leftover;
  if (x->lender != NULL || x->never_lends) return x->lender;
  if (!leftover_of(L, x, &leftover)) {
    x->never_lends = true;
    return NULL;
  }
  lua_newtable(L);
  lua_setiuservalue(L, xidx, CODEC_LENT);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  x->closers[CODEC_CLOSE_LEND] = close_lender;
  x->lender = ti_borrowed_lender_new(&leftover, lua_tothread(L, -1));
  lua_pop(L, 1);
  return x->lender;
}

/* Drops a string from the table on top: both keys are there, so nothing is allocated. */
static void forget(lua_State *L, const char *s) {
  lua_pushnil(L);
  lua_rawsetp(L, -2, s);
  lua_pushnil(L);
  lua_rawsetp(L, -2, s + 1);
}

struct ti_borrowed *ti_borrow_string(lua_State *L, int idx, int xidx) {
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(L, xidx);
  struct ti_lender *l;
  struct ti_borrowed *loan;
  const char *s;
  size_t len;
  luaL_checkstack(L, 4, NULL);
  l = lender_of(L, x, xidx);
  if (l == NULL || ti_borrowed_lender_lost(l)) return NULL;
  s = lua_tolstring(L, idx, &len);
  lua_pushvalue(L, idx);
  ti_codec_state_table(L, xidx, CODEC_LENT);
  if (lua_rawgetp(L, -1, s) == LUA_TLIGHTUSERDATA) {
    loan = (struct ti_borrowed *)lua_touserdata(L, -1);
    ti_borrowed_hold(loan);
    lua_pop(L, 3);
    return loan;
  }
  lua_pop(L, 1);
  /* both entries first: once there is a loan nothing here may raise */
  lua_pushboolean(L, 0);
  lua_rawsetp(L, -2, s);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, s + 1);
  loan = ti_borrowed_lender_lend(l, s, len);
  if (loan != NULL) {
    lua_pushlightuserdata(L, loan);
    lua_rawsetp(L, -2, s);
  } else {
    forget(L, s);
  }
  lua_pop(L, 2);
  return loan;
}

void ti_borrow_collect(lua_State *L, int xidx) {
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(L, xidx);
  struct ti_borrowed *loan;
  ti_codec_state_table(L, xidx, CODEC_LENT);
  while ((loan = ti_borrowed_lender_back(x->lender)) != NULL) {
    forget(L, loan->data);
    ti_borrowed_free(loan);
  }
  lua_pop(L, 1);
}

void ti_borrow_peek(lua_State *L) {
  const struct ti_codec_state *x;
  if (!lua_checkstack(L, 4)) return;
  x = ti_codec_state_peek(L);
  if (x != NULL) ti_borrow_look(L, x, lua_gettop(L));
  lua_pop(L, 1);
}
