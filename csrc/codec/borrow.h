/*
** codec/borrow: the long strings of a state that go into messages in place.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_BORROW_H
#define TI_CODEC_BORROW_H

#include <lua.h>

#include "codec/borrowed.h"
#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

/* Returns a loan of the string at idx, which the caller's message holds. Returns NULL if the string
** must be copied, because the state may not lend. `outcome`: the message is a task's or a promise's
** outcome. The codec state is at xidx. [-0, +0, m] */
struct ti_borrowed *ti_borrow_string(lua_State *L, int idx, int xidx, bool outcome);

/* Pushes the string itself of a loan that a message holds, if L lends it. Returns false, and pushes
** nothing, if another state does. The codec state is at xidx. Needs 3 stack slots.
** [-0, +(0|1), -] */
bool ti_borrow_push_own(lua_State *L, const struct ti_borrowed *loan, int xidx);

/* Drops the strings whose loans were returned. [-0, +0, -] */
void ti_borrow_collect(lua_State *L, int xidx);

/* Does the same if there are any, which it checks without the lock. The codec state is at xidx.
** [-0, +0, -] */
static inline void ti_borrow_poll_at(lua_State *L, const struct ti_codec_state *x, int xidx) {
  if (x->lender != NULL && ti_borrowed_lender_due(x->lender)) ti_borrow_collect(L, xidx);
}

/* Does the same as ti_borrow_poll_at where the codec state is not on the stack. [-0, +0, -] */
void ti_borrow_poll(lua_State *L);

TI_INTERNAL_END

#endif
