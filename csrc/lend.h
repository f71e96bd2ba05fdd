/*
** tidepool, floor 2: lend, the long strings of a state that go into messages in place.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_LEND_H
#define TIDE_LEND_H

#include <lua.h>

#include "loan.h"
#include "transfer.h"

TIDE_INTERNAL_BEGIN

/* Part type of a loan in a message. */
extern const char tide_loan_part;

/* A loan of the string at idx, a reference to which is the caller's; NULL: it must be copied, since
** the state may not lend. The transfer userdata is at xidx. [-0, +0, m] */
struct loan *tide_lend(lua_State *L, int idx, int xidx);

/* Forgets the strings of loans that came back. [-0, +0, -] */
void tide_lend_collect(lua_State *L, int xidx);
static inline void tide_lend_look(lua_State *L, const struct transfer *x, int xidx) {
  if (x->lender != NULL && tide_lender_due(x->lender)) tide_lend_collect(L, xidx);
}

/* The same without the userdata at hand. [-0, +0, -] */
void tide_lend_peek(lua_State *L);

/* The state closes. [-0, +0, -] */
void tide_lend_close(lua_State *L, struct transfer *x);

TIDE_INTERNAL_END

#endif
