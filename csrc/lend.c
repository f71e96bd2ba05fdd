/*
** tidepool, floor 2: lend, the long strings of a state that go into messages in place.
**
** The table TRANSFER_LENT keeps them alive: address of the first byte -> loan, of the second ->
** string. A string whose loan came back is dropped when its state next packs or unpacks, or has
** waited for a future or an executor's end.
**
** A block of the state may outlive it (loan.h). So only states whose memory is the C library's,
** through Lua's own allocator or ours, lend; with a host's allocator, which may know of
** one thread only, or end with the state, strings are copied.
**
** SPDX-License-Identifier: MIT
*/
#include "lend.h"

#include <lauxlib.h>

#include "block.h"
#include "halt.h"
#include "sys.h"
#include "large.h"

const char tide_loan_part = 0;

/* What frees the blocks of L when L is gone; false: L must not lend. */
static bool leftover_of(lua_State *L, const struct transfer *x, struct mem *mem) {
  void *ud;
  if (x->warm == NULL &&
      tide_halt_allocf(L, &ud) == tide_blocks_alloc) { /* a worker's: it is closed by us */
    *mem = tide_blocks_loose;
    return true;
  }
  /* lua_close unloads a C module before it gives the last blocks back, and a closing state that has
  ** lent strings does that through the library's own code */
  return tide_large_base(L, mem) && tide_sys_stay_loaded();
}

/* The state's lender, or NULL. [-0, +0, m] */
static struct lender *lender_of(lua_State *L, struct transfer *x, int xidx) {
  struct mem leftover;
  if (x->lender != NULL || x->never_lends) return x->lender;
  if (!leftover_of(L, x, &leftover)) {
    x->never_lends = true;
    return NULL;
  }
  lua_newtable(L);
  lua_setiuservalue(L, xidx, TRANSFER_LENT);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  x->lender = tide_lender_new(&leftover, lua_tothread(L, -1));
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

struct loan *tide_lend(lua_State *L, int idx, int xidx) {
  struct transfer *x = (struct transfer *)lua_touserdata(L, xidx);
  struct lender *l;
  struct loan *loan;
  const char *s;
  size_t len;
  luaL_checkstack(L, 4, NULL);
  l = lender_of(L, x, xidx);
  if (l == NULL || tide_lender_lost(l)) return NULL;
  s = lua_tolstring(L, idx, &len);
  lua_pushvalue(L, idx);
  tide_transfer_table(L, xidx, TRANSFER_LENT);
  if (lua_rawgetp(L, -1, s) == LUA_TLIGHTUSERDATA) {
    loan = (struct loan *)lua_touserdata(L, -1);
    tide_loan_hold(loan);
    lua_pop(L, 3);
    return loan;
  }
  lua_pop(L, 1);
  /* both entries first: once there is a loan nothing here may raise */
  lua_pushboolean(L, 0);
  lua_rawsetp(L, -2, s);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, s + 1);
  loan = tide_lender_lend(l, s, len);
  if (loan != NULL) {
    lua_pushlightuserdata(L, loan);
    lua_rawsetp(L, -2, s);
  } else {
    forget(L, s);
  }
  lua_pop(L, 2);
  return loan;
}

void tide_lend_collect(lua_State *L, int xidx) {
  struct transfer *x = (struct transfer *)lua_touserdata(L, xidx);
  struct loan *loan;
  tide_transfer_table(L, xidx, TRANSFER_LENT);
  while ((loan = tide_lender_back(x->lender)) != NULL) {
    forget(L, loan->data);
    tide_loan_free(loan);
  }
  lua_pop(L, 1);
}

void tide_lend_peek(lua_State *L) {
  const struct transfer *x;
  if (!lua_checkstack(L, 4)) return;
  x = tide_transfer_peek(L);
  if (x != NULL) tide_lend_look(L, x, lua_gettop(L));
  lua_pop(L, 1);
}

void tide_lend_close(lua_State *L, struct transfer *x) {
  struct mem own;
  if (x->lender == NULL) return;
  own.alloc = lua_getallocf(L, &own.ud);
  if (tide_lender_close(x->lender, &own)) lua_setallocf(L, tide_lender_alloc, x->lender);
  x->lender = NULL;
}
