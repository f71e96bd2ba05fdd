/*
** tidepool, floor 2: arraypart, which elements of a table lie in its array part.
**
** Reading element after element takes a third of the time of lua_next, which looks up the last key each time. But who reads
** elements 1 to n so, and goes on with lua_next from n, gets the rest just once only if n lies in the array part, which
** lua_next goes through first and in order. Lua knows the size of that part, and has no function to ask for it. So
** we look for the place where a table keeps it, in tables of known sizes; if not just one place fits all, as
** in some other build of Lua, it is unknown, and everything goes by lua_next.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_ARRAYPART_H
#define TIDE_ARRAYPART_H

#include <lua.h>
#include <string.h>

#include "internal.h"

TIDE_INTERNAL_BEGIN

enum { ARRAYPART_UNKNOWN = -1 };

/* Where a table has that size, for tide_arraypart; ARRAYPART_UNKNOWN. The same in all states. [-0, +0, m] */
int tide_arraypart_find(lua_State *L);

/* Elements 1 to so many of the table at this address lie in its array part: perhaps not all that do. */
static inline unsigned tide_arraypart(const void *table, int place) {
  unsigned n = 0;
  if (place >= 0) memcpy(&n, (const unsigned char *)table + place, sizeof n);
  return n;
}

TIDE_INTERNAL_END

#endif
