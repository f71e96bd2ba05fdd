/*
** codec/borrow: the long strings of a state that go into messages in place.
**
** The table CODEC_BORROWED keeps them alive: the address of the first byte leads to the loan, that
** of the second to the string. A string whose loan was returned is dropped when its state next
** writes or reads a message, or has waited for a future or an executor's end.
**
** Every state lends the strings of its calls and shares. Only a worker's state lends those of
** outcomes: tide_future_values returns pointers to them, which are valid as long as the future. A
** worker's state leaves the bytes where they are when it closes (borrowed.h).
**
** SPDX-License-Identifier: MIT
*/
#include "codec/borrow.h"

#include <lauxlib.h>

#include "util/block_cache.h"

/* The closer. The state's strings still exist. May wait for readers that copy one (borrowed.h).
** [-0, +0, -] */
static void close_lender(lua_State *L, struct ti_codec_state *x) {
  struct ti_lender *l = x->lender;
  (void)L;
  x->lender = NULL;
  if (l == NULL || !ti_borrowed_lender_close(l)) return;
  x->alloc->heir.take = ti_borrowed_take;
  x->alloc->heir.end = ti_borrowed_end;
  x->alloc->heir.ud = l;
}

/* Returns the state's lender, made if necessary. Returns NULL if the state may be closing.
** [-0, +0, m] */
static struct ti_lender *lender_of(lua_State *L, struct ti_codec_state *x, int xidx) {
  if (x->lender != NULL || x->late) return x->lender;
  lua_newtable(L);
  lua_setiuservalue(L, xidx, CODEC_BORROWED);
  x->closers[CODEC_CLOSE_LENDER] = close_lender;
  x->lender = ti_borrowed_lender_new(x->alloc != NULL ? &ti_block_cache_any_thread : NULL);
  return x->lender;
}

/* Drops a string from the table on top. Both keys are in it, so nothing is allocated. */
static void forget(lua_State *L, const char *s) {
  lua_pushnil(L);
  lua_rawsetp(L, -2, s);
  lua_pushnil(L);
  lua_rawsetp(L, -2, s + 1);
}

struct ti_borrowed *ti_borrow_string(lua_State *L, int idx, int xidx, bool outcome) {
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(L, xidx);
  struct ti_lender *l;
  struct ti_borrowed *loan;
  const char *s;
  size_t len;
  if (outcome && x->alloc == NULL) return NULL;
  luaL_checkstack(L, 4, NULL);
  l = lender_of(L, x, xidx);
  if (l == NULL || ti_borrowed_lender_forked(l)) return NULL;
  s = lua_tolstring(L, idx, &len);
  lua_pushvalue(L, idx);
  ti_codec_state_table(L, xidx, CODEC_BORROWED);
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

bool ti_borrow_push_own(lua_State *L, const struct ti_borrowed *loan, int xidx) {
  const struct ti_codec_state *x = (const struct ti_codec_state *)lua_touserdata(L, xidx);
  /* Only this thread changes the table, and `data` of its loans. A loan that is held is in it. */
  if (x->lender == NULL || loan->lender != x->lender) return false;
  ti_codec_state_has_table(L, xidx, CODEC_BORROWED);
  lua_rawgetp(L, -1, loan->data + 1);
  lua_remove(L, -2);
  return true;
}

void ti_borrow_collect(lua_State *L, int xidx) {
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(L, xidx);
  struct ti_borrowed *loan;
  ti_codec_state_table(L, xidx, CODEC_BORROWED);
  while ((loan = ti_borrowed_lender_take_returned(x->lender)) != NULL) {
    forget(L, loan->data);
    ti_borrowed_free(loan);
  }
  lua_pop(L, 1);
}

void ti_borrow_poll(lua_State *L) {
  const struct ti_codec_state *x;
  if (!lua_checkstack(L, 4)) return;
  x = ti_codec_state_peek(L);
  if (x != NULL) ti_borrow_poll_at(L, x, lua_gettop(L));
  lua_pop(L, 1);
}
