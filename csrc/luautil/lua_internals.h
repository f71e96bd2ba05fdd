/*
** luautil/lua_internals: two things of a value that Lua has no function to ask for.
**
** Which elements of a table lie in its array part. Reading element after element takes a third of the time of lua_next, which
** looks up the last key each time. But who reads elements 1 to n so, and goes on with lua_next from n, gets the
** rest just once only if n lies in the array part, which lua_next goes through first and in order.
**
** Whether two Lua functions are closures of one prototype, which holds their code. Else only their dumps can tell, and a dump takes longer
** than all else that is done for a small task.
**
** Both are read where Lua keeps them: a place in a table or function that is looked for in some of known sizes and prototypes. If not
** just one place fits all of them, as may be in some other build of Lua, it is unknown, and one has to do without.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_LUAUTIL_LUA_INTERNALS_H
#define TI_LUAUTIL_LUA_INTERNALS_H

#include <lua.h>
#include <stdbool.h>
#include <string.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

struct ti_lua_internals {
  bool known;     /* it was looked for; false: as if all were unknown */
  int array_size; /* place in a table; 0: unknown */
  int prototype;  /* place in a Lua function; 0: unknown */
};

/* Looks for the places. [-0, +0, m] */
void ti_lua_internals_find(lua_State *L, struct ti_lua_internals *l);

/* Elements 1 to so many of the table at this address lie in its array part: perhaps not all that do. */
static inline unsigned ti_lua_internals_array(const struct ti_lua_internals *l, const void *table) {
  unsigned n = 0;
  if (l->array_size > 0) memcpy(&n, (const unsigned char *)table + l->array_size, sizeof n);
  return n;
}

/* What is the same for two Lua functions, by their addresses, if and only if they are closures of one prototype, as long as one of them
** is alive; NULL: unknown. */
static inline const void *ti_lua_internals_prototype(const struct ti_lua_internals *l,
                                                     const void *function) {
  const void *p = NULL;
  if (l->prototype > 0) memcpy(&p, (const unsigned char *)function + l->prototype, sizeof p);
  return p;
}

TI_INTERNAL_END

#endif
