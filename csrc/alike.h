/*
** tidepool, floor 2: alike, values that a module holds and a script may have put there.
**
** A small table of data, or a closure that holds no more, goes both ways: as a name and as a copy. The receiving state takes what
** the name means there if that is alike, else the copy. So whoever made the table, the content is
** right, and what is a module's own stays the same.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_ALIKE_H
#define TIDE_ALIKE_H

#include <lua.h>
#include <stdbool.h>

#include "internal.h"

TIDE_INTERNAL_BEGIN

enum alike {
  ALIKE_DATA,   /* small, and all of it can be compared */
  ALIKE_SCRIPT, /* it holds a function of the script's */
  ALIKE_OTHER   /* large, or it holds what can neither be copied nor compared */
};

/* What the table or Lua function at idx is. The transfer userdata is at xidx. [-0, +0, m] */
enum alike tide_alike_judge(lua_State *L, int idx, int xidx);
/* Whether the values at a and b have the same content; functions count as the same if they are
** defined in the same place and their upvalues are the same. [-0, +0, m] */
bool tide_alike_same(lua_State *L, int a, int b);

TIDE_INTERNAL_END

#endif
