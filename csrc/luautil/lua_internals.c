/*
** luautil/lua_internals: two properties of values that Lua has no function for.
**
** SPDX-License-Identifier: MIT
*/
#include "luautil/lua_internals.h"

#include <lauxlib.h>
#include <stdint.h>

/* No table and no function with an upvalue is smaller than this: a header, and at least so many
** pointers. */
#define TABLE_LEAST (5 * sizeof(void *))
#define FUNCTION_LEAST (5 * sizeof(void *))
/* Words at the head of a function that Lua may leave partly uninitialised: all collectable objects
** begin with such. */
#define FUNCTION_HEAD 3
#define PLACES (TABLE_LEAST / sizeof(unsigned))

/* Returns the only place that fits, times `step`; 0: there is none, or more than one. */
static int only(const bool *fits, size_t places, size_t step) {
  size_t found = 0, at = 0;
  for (size_t i = 0; i < places; i++) {
    if (!fits[i]) continue;
    at = i;
    found++;
  }
  return found == 1 ? (int)(at * step) : 0;
}

static int find_array_size(lua_State *L) {
  /* Space for elements, space for other pairs, and the number of elements. Elements beyond the
  ** first space are stored as pairs. */
  static const struct {
    unsigned array, hash, filled;
  } sample[] = {{0, 0, 0},  {1, 0, 0}, {3, 0, 3},     {4, 0, 2},     {0, 16, 12},
                {5, 8, 12}, {7, 1, 8}, {100, 4, 103}, {517, 0, 517}, {1031, 2, 40}};
  bool fits[PLACES];
  for (size_t at = 0; at < PLACES; at++) fits[at] = true;
  for (size_t i = 0; i < sizeof sample / sizeof sample[0]; i++) {
    const unsigned char *table;
    lua_createtable(L, (int)sample[i].array, (int)sample[i].hash);
    for (unsigned k = 1; k <= sample[i].filled; k++) {
      lua_pushboolean(L, 1);
      lua_rawseti(L, -2, k);
    }
    table = (const unsigned char *)lua_topointer(L, -1);
    for (size_t at = 0; at < PLACES; at++) {
      unsigned n;
      memcpy(&n, table + at * sizeof n, sizeof n);
      if (n != sample[i].array) fits[at] = false;
    }
    lua_pop(L, 1);
  }
  return only(fits, PLACES, sizeof(unsigned));
}

/* Pushes a list of Lua functions, of each prototype in turn, some with equal upvalues. Returns
** false if it cannot. [-0, +(0|1), e] */
static bool push_functions(lua_State *L) {
  static const char source[] = "local made, a = {}, 1 "
                               "for i = 1, 4 do "
                               "made[#made + 1] = function() return i end "
                               "made[#made + 1] = function() return i end "
                               "made[#made + 1] = function() return a, i end "
                               "made[#made + 1] = function(x) a = x end "
                               "made[#made + 1] = function() return made, i, a end "
                               "end return made";
  int status = luaL_loadbufferx(L, source, sizeof source - 1, "=tidepool", "t");
  if (status == LUA_ERRMEM) lua_error(L);
  if (status != LUA_OK) {
    lua_pop(L, 1);
    return false;
  }
  lua_call(L, 0, 1);
  return true;
}

/* Finds the place at which functions have the same word if and only if they share a prototype. */
static int find_prototype(lua_State *L) {
  enum { PROTOTYPES = 5, FUNCTIONS = 4 * PROTOTYPES, WORDS = FUNCTION_LEAST / sizeof(void *) };
  uintptr_t word[FUNCTIONS][WORDS];
  bool fits[WORDS] = {false};
  if (!push_functions(L)) return 0;
  for (int i = 0; i < FUNCTIONS; i++) {
    lua_rawgeti(L, -1, i + 1);
    memcpy(&word[i][FUNCTION_HEAD], (const uintptr_t *)lua_topointer(L, -1) + FUNCTION_HEAD,
           (WORDS - FUNCTION_HEAD) * sizeof word[i][0]);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  for (size_t at = FUNCTION_HEAD; at < WORDS; at++) {
    fits[at] = true;
    for (int i = 0; i < FUNCTIONS; i++)
      for (int j = 0; j < i; j++)
        if ((word[i][at] == word[j][at]) != (i % PROTOTYPES == j % PROTOTYPES)) fits[at] = false;
  }
  return only(fits, WORDS, sizeof(void *));
}

static int find(lua_State *L) {
  struct ti_lua_internals *l = (struct ti_lua_internals *)lua_touserdata(L, 1);
  luaL_checkstack(L, 4, NULL);
  l->array_size = find_array_size(L);
  l->prototype = find_prototype(L);
  l->known = true;
  return 0;
}

void ti_lua_internals_find(lua_State *L, struct ti_lua_internals *l) {
  bool running = lua_gc(L, LUA_GCISRUNNING) == 1;
  int status;
  luaL_checkstack(L, 2, NULL);
  lua_pushcfunction(L, find);
  lua_pushlightuserdata(L, l);
  /* with little memory a finalizer would fail here, and never run again */
  if (running) lua_gc(L, LUA_GCSTOP);
  status = lua_pcall(L, 1, 0, 0);
  if (running) lua_gc(L, LUA_GCRESTART);
  if (status != LUA_OK) lua_error(L);
}
