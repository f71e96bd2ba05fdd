/*
** graph_types: the types, functions and libraries of the values that graph.c makes.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lualib.h>

#include "luautil/error.h"
#include "codec/reftype.h"
#include "graph_types.h"

static long held;

long graph_held(void) { return held; }

/* An object is a byte of a static array: its address tells its number. */
static char objects[GRAPH_OBJECTS];
static void push_counted(lua_State *L, void *object);

static void *hold_counted(lua_State *L, int idx) {
  held++;
  return *(void **)lua_touserdata(L, idx);
}

static void rele_counted(void *object) {
  WANT((char *)object >= objects && (char *)object < objects + sizeof objects);
  held--;
}

static const tide_reftype counted = {"counted", hold_counted, push_counted, rele_counted,
                                     hold_counted};

static void push_counted(lua_State *L, void *object) {
  luaL_checkstack(L, 3, NULL);
  *(void **)lua_newuserdatauv(L, sizeof object, 0) = object;
  if (luaL_newmetatable(L, "counted")) ti_reftype_set(L, -1, &counted);
  lua_setmetatable(L, -2);
}

void graph_counted(lua_State *L, unsigned n) { push_counted(L, &objects[n]); }

long graph_object(lua_State *L, int idx) {
  if (lua_type(L, idx) != LUA_TUSERDATA || ti_reftype_get(L, idx) != &counted) return -1;
  return (long)(*(char **)lua_touserdata(L, idx) - objects);
}

static const char changing = 0;

/* Puts a new object into the value on top, if that is a table which is to change. [-0, +0, m] */
static void change(lua_State *L) {
  if (!lua_istable(L, -1)) return;
  if (lua_rawgetp(L, -1, &changing) != LUA_TNIL) {
    lua_pushnil(L);
    lua_rawseti(L, -3, 1);
    lua_gc(L, LUA_GCCOLLECT);
    lua_newtable(L);
    lua_rawseti(L, -3, 1);
  }
  lua_pop(L, 1);
}

void graph_mutable(lua_State *L) {
  lua_createtable(L, 2, 0);
  lua_createtable(L, 1, 1);
  lua_newtable(L);
  lua_rawseti(L, -2, 1);
  lua_pushboolean(L, 1);
  lua_rawsetp(L, -2, &changing);
  lua_pushvalue(L, -1);
  lua_rawseti(L, -3, 1);
  lua_pushcfunction(L, graph_make);
  lua_insert(L, -2);
  lua_call(L, 1, 1);
  lua_rawseti(L, -2, 2);
}

/* __transfer of the tables that R and M make: returns how to make the table from its items. */
static int take_apart(lua_State *L) {
  int n = (int)lua_rawlen(L, 1);
  luaL_checkstack(L, n + 4, NULL);
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, 1, i);
    change(L);
    lua_pop(L, 1);
  }
  lua_pushliteral(L, "graph.make");
  for (int i = 1; i <= n; i++) lua_rawgeti(L, 1, i);
  return n + 1;
}

int graph_make(lua_State *L) {
  lua_createtable(L, lua_gettop(L), 0);
  lua_insert(L, 1);
  for (int i = lua_gettop(L) - 1; i > 0; i--) lua_rawseti(L, 1, i);
  if (luaL_newmetatable(L, "remade")) {
    lua_pushcfunction(L, take_apart);
    lua_setfield(L, -2, "__transfer");
  }
  lua_setmetatable(L, 1);
  return 1;
}

int graph_cfunction(lua_State *L) { return lua_gettop(L); }

/* Line n makes a function that returns n and changes nothing, so that a mistaken one is found. */
static const char functions[] =
    "return {function() local a return function() return 1, a end end,\n"
    "function() return function() return 2 end end,\n"
    "function() local a, b return function(...) return 3, a, b, ... end end,\n"
    "function() local a, b, c return function(x) if x then b = a + c end return 4 end end,\n"
    "function() return function() return 5, g0 end end,\n"
    "function() local a return function() return 6, a, g1 end end,\n"
    "function() local a return function() return 7, g0, a, g2 end end,\n"
    "function() local a, b return function() return 8, function() b = a end end end,\n"
    "function() local a <close> = nil return function() return 9, a end end,\n"
    "function() local a return function(x) while x do x = a.x g1 = x end return 10 end end}";

void graph_function(lua_State *L, unsigned n) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, functions) == LUA_TNIL) {
    lua_pop(L, 1);
    if (luaL_dostring(L, functions) != LUA_OK) lua_error(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, functions);
  }
  lua_rawgeti(L, -1, (lua_Integer)n + 1);
  lua_remove(L, -2);
  lua_call(L, 0, 1);
}

void graph_open(lua_State *L) {
  luaL_requiref(L, LUA_GNAME, luaopen_base, 1);
  luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 1);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_newtable(L);
  lua_pushcfunction(L, graph_make);
  lua_setfield(L, -2, "make");
  lua_setfield(L, -2, "graph");
  lua_pop(L, 3);
}

void graph_fixed(lua_State *L) {
  static const char *const names[] = {"print", "string", "pcall", "tostring"};
  lua_Integer n = 0;
  lua_newtable(L);
  lua_pushglobaltable(L);
  lua_rawseti(L, -2, ++n);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    lua_getglobal(L, names[i]);
    lua_rawseti(L, -2, ++n);
  }
  lua_getglobal(L, "string");
  lua_getfield(L, -1, "format");
  lua_rawseti(L, -3, ++n);
  lua_pop(L, 1);
  ti_error_metatable(L);
  lua_rawseti(L, -2, ++n);
  lua_pushcfunction(L, graph_make);
  lua_call(L, 0, 1);
  lua_getmetatable(L, -1);
  lua_rawseti(L, -3, ++n);
  lua_pop(L, 1);
}
