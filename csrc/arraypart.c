/*
** tidepool, floor 2: arraypart, which elements of a table lie in its array part.
**
** SPDX-License-Identifier: MIT
*/
#include "arraypart.h"

#include <lauxlib.h>
#include <stdbool.h>

/* No table is smaller than this: it has a header and at least so many pointers. */
#define LEAST (5 * sizeof(void *))
#define PLACES (LEAST / sizeof(unsigned))

int tide_arraypart_find(lua_State *L) {
  /* Room for elements, room for other pairs, and how many elements there are: those beyond the first room are pairs. */
  static const struct {
    unsigned array, hash, filled;
  } sample[] = {{0, 0, 0},  {1, 0, 0}, {3, 0, 3},     {4, 0, 2},     {0, 16, 12},
                {5, 8, 12}, {7, 1, 8}, {100, 4, 103}, {517, 0, 517}, {1031, 2, 40}};
  bool fits[PLACES];
  int place = ARRAYPART_UNKNOWN, found = 0;
  for (size_t at = 0; at < PLACES; at++) fits[at] = true;
  luaL_checkstack(L, 2, NULL);
  for (size_t i = 0; i < sizeof sample / sizeof sample[0]; i++) {
    lua_createtable(L, (int)sample[i].array, (int)sample[i].hash);
    for (unsigned k = 1; k <= sample[i].filled; k++) {
      lua_pushboolean(L, 1);
      lua_rawseti(L, -2, k);
    }
    for (size_t at = 0; at < PLACES; at++)
      if (tide_arraypart(lua_topointer(L, -1), (int)(at * sizeof(unsigned))) != sample[i].array)
        fits[at] = false;
    lua_pop(L, 1);
  }
  for (size_t at = 0; at < PLACES; at++) {
    if (!fits[at]) continue;
    place = (int)(at * sizeof(unsigned));
    found++;
  }
  return found == 1 ? place : ARRAYPART_UNKNOWN;
}
