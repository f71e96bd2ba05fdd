/*
** api/adopted: the executors that a state adopted, until it closes.
**
** Part of an owner; only the state's own thread uses it. All zeros: there are none.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_ADOPTED_H
#define TI_API_ADOPTED_H

#include "api/executor.h"

TI_INTERNAL_BEGIN

struct ti_adopted {
  struct tide_executor **executors; /* owned; a reference to the pool is held for each */
  size_t n, cap;
};

/* Makes room for one more. Returns false if out of memory. */
bool ti_adopted_reserve(struct ti_adopted *a);

/* Adds ex, for which there is room. Returns false if some state adopted it before. */
bool ti_adopted_add(struct ti_adopted *a, tide_executor *ex);

/* Releases executors that have ended and have no handle, so a script may make any number of them.
** Never waits. */
void ti_adopted_trim(struct ti_adopted *a);

/* L closes: closes all executors; interrupts those with `daemon`. Then joins their threads or, if L
** is the state of a worker of `parent`, gives them to `parent` without waiting. A warning in L says
** for which tasks it waits long. [-0, +0, -] */
void ti_adopted_end(lua_State *L, struct ti_adopted *a, tide_executor *parent);

/* Adds what is alive of the executors and their child executors to *out. */
void ti_adopted_count(const struct ti_adopted *a, tide_live *out);

TI_INTERNAL_END

#endif
