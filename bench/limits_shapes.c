/*
** limits_shapes.c: what Lua's C API needs to read and to build each value of shapes.lua.
**
** A value is first turned into a tape: a flat list of what to push and where to store it, with the
** exact size of each table. Reading walks the value; building replays the tape. A string that
** occurs again is fetched from a table instead of being hashed again, as an efficient decoder does.
** Building includes collecting the garbage of the last time.
**
** usage: limits_shapes SHAPES.lua REPEATS
**
** SPDX-License-Identifier: MIT
*/
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "timing.h"

enum op { OP_NUMBER, OP_INTEGER, OP_BOOLEAN, OP_STRING, OP_AGAIN, OP_TABLE, OP_SETI, OP_SET };

typedef struct step {
  enum op op;
  int size;          /* OP_TABLE: places in the hash; OP_BOOLEAN: the value */
  lua_Integer n;     /* OP_INTEGER, OP_SETI, OP_TABLE: places in the array; OP_AGAIN: which */
  lua_Number number; /* OP_NUMBER */
  const char *s;     /* OP_STRING: owned by the source, which stays as it is */
  size_t len;
} step;

typedef struct tape {
  lua_State *from; /* its value at the top of the stack, below it the table of strings seen */
  lua_State *to;   /* where to build; the table of strings seen at 1 */
  step *steps;
  size_t n, capacity;
  lua_Integer strings; /* how many different ones occur more than once */
} tape;

static step *add(tape *t, enum op op) {
  if (t->n == t->capacity) {
    t->capacity = t->capacity ? 2 * t->capacity : 1024;
    t->steps = need(realloc(t->steps, t->capacity * sizeof *t->steps));
  }
  step *s = &t->steps[t->n++];
  memset(s, 0, sizeof *s);
  s->op = op;
  return s;
}

/* ------------------------------------------------------------ writing it -- */

/* Table 1 of `from` maps each string to the number of times it was seen; once the string has an
** index among those that occur again, to a negative number instead. [-0, +0] */
static void record_string(tape *t) {
  lua_State *L = t->from;
  size_t len;
  const char *s = lua_tolstring(L, -1, &len);
  lua_pushvalue(L, -1);
  lua_rawget(L, 1);
  lua_Integer seen = lua_tointeger(L, -1);
  lua_pop(L, 1);
  if (seen > 1) { /* its place, plus two */
    add(t, OP_AGAIN)->n = seen - 2;
    return;
  }
  if (seen == 1) {
    lua_pushlstring(t->to, s, len);
    lua_rawseti(t->to, 1, ++t->strings);
    add(t, OP_AGAIN)->n = t->strings;
  } else {
    step *p = add(t, OP_STRING);
    p->s = s;
    p->len = len;
  }
  lua_pushvalue(L, -1);
  lua_pushinteger(L, seen == 1 ? t->strings + 2 : 1);
  lua_rawset(L, 1);
}

static void record(tape *t);

/* Records the fields in the order of lua_next, which gives the array part first; elements of that
** part are stored by index. [-0, +0] */
static void record_table(tape *t) {
  lua_State *L = t->from;
  size_t at = t->n, hash = 0, len = lua_rawlen(L, -1);
  add(t, OP_TABLE);
  luaL_checkstack(L, 8, "shapes");
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_Integer i = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
    if (i >= 1 && (size_t)i <= len) {
      record(t);
      add(t, OP_SETI)->n = i;
    } else {
      lua_pushvalue(L, -2);
      record(t);
      lua_pop(L, 1);
      record(t);
      add(t, OP_SET);
      hash++;
    }
    lua_pop(L, 1);
  }
  t->steps[at].n = (lua_Integer)len;
  t->steps[at].size = (int)hash;
}

/* Records the value at the top of `from`. [-0, +0] */
static void record(tape *t) { /* NOLINT(misc-no-recursion): shapes are no deeper than 200 */
  lua_State *L = t->from;
  switch (lua_type(L, -1)) {
    case LUA_TNUMBER:
      if (lua_isinteger(L, -1)) {
        add(t, OP_INTEGER)->n = lua_tointeger(L, -1);
      } else {
        add(t, OP_NUMBER)->number = lua_tonumber(L, -1);
      }
      return;
    case LUA_TBOOLEAN: add(t, OP_BOOLEAN)->size = lua_toboolean(L, -1); return;
    case LUA_TSTRING: record_string(t); return;
    case LUA_TTABLE: record_table(t); return;
    default: fprintf(stderr, "limits_shapes: a %s\n", luaL_typename(L, -1)); abort();
  }
}

/* ------------------------------------------------------ reading, building -- */

static void build(void *ud) {
  tape *t = ud;
  lua_State *L = t->to;
  for (const step *s = t->steps, *end = s + t->n; s < end; s++) {
    switch (s->op) {
      case OP_NUMBER: lua_pushnumber(L, s->number); break;
      case OP_INTEGER: lua_pushinteger(L, s->n); break;
      case OP_BOOLEAN: lua_pushboolean(L, s->size); break;
      case OP_STRING: lua_pushlstring(L, s->s, s->len); break;
      case OP_AGAIN: lua_rawgeti(L, 1, s->n); break;
      case OP_TABLE:
        luaL_checkstack(L, 4, "shapes");
        lua_createtable(L, (int)s->n, s->size);
        break;
      case OP_SETI: lua_rawseti(L, -2, s->n); break;
      case OP_SET: lua_rawset(L, -3); break;
    }
  }
  lua_settop(L, 1);
}

static volatile size_t sink; /* keeps the compiler from removing the reading */

/* Reads the value at the top. [-0, +0] */
static size_t walk(lua_State *L) { /* NOLINT(misc-no-recursion) */
  size_t len = 0;
  switch (lua_type(L, -1)) {
    case LUA_TNUMBER:
      return lua_isinteger(L, -1) ? (size_t)lua_tointeger(L, -1) : (size_t)lua_tonumber(L, -1);
    case LUA_TBOOLEAN: return (size_t)lua_toboolean(L, -1);
    case LUA_TSTRING: {
      const char *s = lua_tolstring(L, -1, &len);
      return len + (size_t)*s;
    }
    default: break;
  }
  size_t seen = 0;
  len = lua_rawlen(L, -1);
  luaL_checkstack(L, 4, "shapes");
  for (size_t i = 1; i <= len; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i);
    seen += walk(L);
    lua_pop(L, 1);
  }
  if (len > 0) { /* the other fields begin after the last element of the array */
    lua_pushinteger(L, (lua_Integer)len);
  } else {
    lua_pushnil(L);
  }
  while (lua_next(L, -2)) {
    seen += walk(L);
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    seen += walk(L);
    lua_pop(L, 1);
  }
  return seen;
}

static void read_it(void *ud) {
  const tape *t = ud;
  sink += walk(t->from);
}

/* The value at the top of L. [-1, +0] */
static void measure(lua_State *L, const char *name, int repeats) {
  lua_State *from = need(lua_newthread(L));
  tape t = {.from = from, .to = need(luaL_newstate())};
  char line[64];
  lua_newtable(from);
  lua_pushvalue(L, -2);
  lua_xmove(L, from, 1);
  lua_newtable(t.to);
  record(&t);
  snprintf(line, sizeof line, "limit_shape_%s", name);
  emit(line, median_time(read_it, &t, repeats) + median_time(build, &t, repeats));
  lua_close(t.to);
  free(t.steps);
  lua_pop(L, 2);
}

int main(int argc, char **argv) {
  lua_State *L = need(luaL_newstate());
  long given = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
  int repeats = given < 1 ? 1 : given > 1000 ? 1000 : (int)given;
  luaL_openlibs(L);
  if (argc < 2 || luaL_dofile(L, argv[1]) != LUA_OK) {
    fprintf(stderr, "limits_shapes: %s\n", argc < 2 ? "no file given" : lua_tostring(L, -1));
    return EXIT_FAILURE;
  }
  lua_getfield(L, -1, "list"); /* { {name =, make =}, … } */
  for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TTABLE; i++) {
    lua_getfield(L, -1, "name");
    lua_getfield(L, -2, "make");
    lua_call(L, 0, 1);
    measure(L, lua_tostring(L, -2), repeats);
    lua_pop(L, 2);
    lua_gc(L, LUA_GCCOLLECT);
  }
  lua_close(L);
  return EXIT_SUCCESS;
}
