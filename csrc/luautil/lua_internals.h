/*
** luautil/lua_internals: two properties of values that Lua has no function for.
**
** Array size: how many elements of a table lie in its array part. Reading them by index is faster
** than lua_next, which searches the last key each time. A reader that has read elements 1 to n may
** continue with lua_next from n. It gets each other pair once only if n lies in the array part,
** which lua_next visits first and in order.
**
** Prototype: whether two Lua functions are closures of one prototype, which holds their code.
** Otherwise only their dumps can tell, and a dump takes longer than the rest of a small task.
**
** Both are read at a place inside the table or function. The place is searched for in tables of
** known sizes and functions of known prototypes. If not exactly one place fits all of them, as in
** another build of Lua, it counts as unknown, and callers do without.
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
  bool known;     /* the search was made; false: as if all were unknown */
  int array_size; /* place in a table; 0: unknown */
  int prototype;  /* place in a Lua function; 0: unknown */
};

/* Searches for the places. [-0, +0, m] */
void ti_lua_internals_find(lua_State *L, struct ti_lua_internals *l);

/* Returns a number n: elements 1 to n of the table at this address lie in its array part. There may
** be more of them. */
static inline unsigned ti_lua_internals_array(const struct ti_lua_internals *l, const void *table) {
  unsigned n = 0;
  if (l->array_size > 0) memcpy(&n, (const unsigned char *)table + l->array_size, sizeof n);
  return n;
}

/* Returns a value that is the same for two Lua functions, given by address, if and only if they are
** closures of one prototype. It is valid while one of them is alive. NULL: unknown. */
static inline const void *ti_lua_internals_prototype(const struct ti_lua_internals *l,
                                                     const void *function) {
  const void *p = NULL;
  if (l->prototype > 0) memcpy(&p, (const unsigned char *)function + l->prototype, sizeof p);
  return p;
}

TI_INTERNAL_END

#endif
