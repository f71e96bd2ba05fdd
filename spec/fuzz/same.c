/*
** same: whether what arrived in B is what was sent from A, with the same sharing.
**
** Objects that correspond have the same number in both states, given when the first of them is met;
** then what each holds is compared, one after the other, so that neither cycles nor depth matter.
** Each state has two maps on its stack, from objects to numbers and back. Cells of upvalues count
** as objects: their addresses, as light userdata.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <string.h>

#include "graph.h"

/* Stack indices in one state, with its values from `first` on. */
struct side {
  lua_State *L;
  int numbers, objects, first;
};

struct pair {
  struct side a, b;
  lua_Integer n; /* numbers that are given */
};

static void side_init(struct side *s, lua_State *L, int n) {
  luaL_checkstack(L, 40, NULL);
  s->L = L;
  s->first = lua_gettop(L) - n + 1;
  lua_newtable(L);
  s->numbers = lua_gettop(L);
  lua_newtable(L);
  s->objects = lua_gettop(L);
}

/* Returns the number of the object on top, or 0 if it has none. [-0, +0, -] */
static lua_Integer number_of(const struct side *s) {
  lua_Integer n;
  lua_pushvalue(s->L, -1);
  lua_rawget(s->L, s->numbers);
  n = lua_tointeger(s->L, -1);
  lua_pop(s->L, 1);
  return n;
}

/* Gives the object on top number n, and pops it. [-1, +0, m] */
static void number(const struct side *s, lua_Integer n) {
  lua_pushvalue(s->L, -1);
  lua_pushinteger(s->L, n);
  lua_rawset(s->L, s->numbers);
  lua_rawseti(s->L, s->objects, n);
}

static bool is_object(int type) {
  return type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TUSERDATA;
}

/* Requires that the objects on top correspond, and pops them. [-1, +0, m] in both */
static void same_object(struct pair *p) {
  lua_Integer a = number_of(&p->a), b = number_of(&p->b);
  WANT(a == b);
  if (a == 0) {
    number(&p->a, ++p->n);
    number(&p->b, p->n);
  } else {
    lua_pop(p->a.L, 1);
    lua_pop(p->b.L, 1);
  }
}

static bool same_bits(lua_Number a, lua_Number b) {
  uint64_t x, y; /* bits, so that NaN and -0.0 are compared too */
  memcpy(&x, &a, sizeof x);
  memcpy(&y, &b, sizeof y);
  return x == y;
}

/* Does the same for any values. */
static void same(struct pair *p) {
  lua_State *A = p->a.L, *B = p->b.L;
  int type = lua_type(A, -1);
  WANT(type == lua_type(B, -1));
  if (is_object(type)) {
    same_object(p);
    return;
  }
  if (type == LUA_TNUMBER) {
    WANT(lua_isinteger(A, -1) == lua_isinteger(B, -1));
    if (lua_isinteger(A, -1))
      WANT(lua_tointeger(A, -1) == lua_tointeger(B, -1));
    else
      WANT(same_bits(lua_tonumber(A, -1), lua_tonumber(B, -1)));
  } else if (type == LUA_TSTRING) {
    WANT(lua_rawlen(A, -1) == lua_rawlen(B, -1));
    WANT(memcmp(lua_tostring(A, -1), lua_tostring(B, -1), lua_rawlen(A, -1)) == 0);
  } else if (type == LUA_TBOOLEAN) {
    WANT(lua_toboolean(A, -1) == lua_toboolean(B, -1));
  } else if (type == LUA_TLIGHTUSERDATA) {
    WANT(lua_touserdata(A, -1) == lua_touserdata(B, -1));
  } else {
    WANT(type == LUA_TNIL);
  }
  lua_pop(A, 1);
  lua_pop(B, 1);
}

/* ------------------------------------------------------------------- objects -- */

/* Pushes on B's stack what corresponds to the key on top of A's. [-0, +1, e] of B */
static void push_key(const struct pair *p) {
  lua_State *A = p->a.L, *B = p->b.L;
  size_t len;
  const char *s;
  switch (lua_type(A, -1)) {
    case LUA_TBOOLEAN: lua_pushboolean(B, lua_toboolean(A, -1)); break;
    case LUA_TLIGHTUSERDATA: lua_pushlightuserdata(B, lua_touserdata(A, -1)); break;
    case LUA_TSTRING:
      s = lua_tolstring(A, -1, &len);
      lua_pushlstring(B, s, len);
      break;
    case LUA_TNUMBER:
      if (lua_isinteger(A, -1))
        lua_pushinteger(B, lua_tointeger(A, -1));
      else
        lua_pushnumber(B, lua_tonumber(A, -1));
      break;
    default:
      WANT(number_of(&p->a) > 0); /* it was in the list of keys */
      lua_rawgeti(B, p->b.objects, number_of(&p->a));
  }
}

static size_t count_fields(lua_State *L, int idx) {
  size_t n = 0;
  for (lua_pushnil(L); lua_next(L, idx) != 0; lua_pop(L, 1)) n++;
  return n;
}

static void same_metatables(struct pair *p, int a, int b) {
  int has = lua_getmetatable(p->a.L, a);
  WANT(has == lua_getmetatable(p->b.L, b));
  if (has) same(p);
}

static void same_tables(struct pair *p, int a, int b) {
  lua_State *A = p->a.L, *B = p->b.L;
  WANT(count_fields(A, a) == count_fields(B, b));
  lua_pushnil(A);
  while (lua_next(A, a) != 0) {
    lua_pushvalue(A, -2);
    push_key(p);
    lua_pop(A, 1);
    lua_rawget(B, b);
    same(p); /* leaves A's key */
  }
  same_metatables(p, a, b);
}

static void same_global(struct pair *p, const char *name) {
  lua_getglobal(p->a.L, name);
  lua_getglobal(p->b.L, name);
  same(p);
}

static int line_of(lua_State *L, int idx) {
  lua_Debug ar;
  lua_pushvalue(L, idx);
  lua_getinfo(L, ">S", &ar);
  return ar.linedefined;
}

/* Compares code, by its lines and what it returns, and the globals that it names. */
static void same_code(struct pair *p, int a, int b) {
  lua_State *B = p->b.L;
  int line = line_of(p->a.L, a);
  WANT(line == line_of(B, b));
  lua_pushvalue(B, b);
  WANT(lua_pcall(B, 0, 1, 0) == LUA_OK && lua_tointeger(B, -1) == line);
  lua_pop(B, 1);
  if (line == 5 || line == 7) same_global(p, "g0");
  if (line == 6 || line == 10) same_global(p, "g1");
  if (line == 7) same_global(p, "g2");
}

static void same_functions(struct pair *p, int a, int b) {
  lua_State *A = p->a.L, *B = p->b.L;
  const char *name, *other;
  WANT(lua_tocfunction(A, a) == lua_tocfunction(B, b));
  for (int i = 1;; i++) {
    name = lua_getupvalue(A, a, i);
    other = lua_getupvalue(B, b, i);
    WANT((name == NULL) == (other == NULL));
    if (name == NULL) break;
    WANT(strcmp(name, other) == 0);
    same(p);
    if (lua_iscfunction(A, a)) continue; /* its cells are its own */
    lua_pushlightuserdata(A, lua_upvalueid(A, a, i));
    lua_pushlightuserdata(B, lua_upvalueid(B, b, i));
    same_object(p);
  }
  if (!lua_iscfunction(A, a)) same_code(p, a, b);
}

static void same_contents(struct pair *p, lua_Integer n) {
  lua_State *A = p->a.L, *B = p->b.L;
  int a = lua_gettop(A) + 1, b = lua_gettop(B) + 1;
  lua_rawgeti(A, p->a.objects, n);
  lua_rawgeti(B, p->b.objects, n);
  switch (lua_type(A, a)) {
    case LUA_TTABLE: same_tables(p, a, b); break;
    case LUA_TFUNCTION: same_functions(p, a, b); break;
    case LUA_TUSERDATA: WANT(graph_object(A, a) >= 0 && graph_object(A, a) == graph_object(B, b));
    default: break; /* a cell */
  }
  lua_settop(A, a - 1);
  lua_settop(B, b - 1);
}

/* Gives the lists on top of both, which are as long, numbers item by item. [-1, +0, m] in both */
static void same_lists(struct pair *p) {
  lua_State *A = p->a.L, *B = p->b.L;
  lua_Integer n = (lua_Integer)lua_rawlen(A, -1);
  WANT(n == (lua_Integer)lua_rawlen(B, -1));
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(A, -1, i);
    lua_rawgeti(B, -1, i);
    same(p);
  }
  lua_pop(A, 1);
  lua_pop(B, 1);
}

void graph_compare(lua_State *A, lua_State *B, const struct graph *g) {
  struct pair p;
  lua_Integer done;
  side_init(&p.a, A, g->n);
  side_init(&p.b, B, g->n);
  p.n = 0;
  graph_fixed(A);
  graph_fixed(B);
  same_lists(&p);
  done = p.n;                    /* these differ: each state has its own */
  for (int i = g->n; i-- > 0;) { /* the keys come last, and must be known first */
    lua_pushvalue(A, p.a.first + i);
    lua_pushvalue(B, p.b.first + i);
    if (g->keyed && i == g->n - 1) {
      WANT(lua_istable(B, -1));
      lua_pushvalue(A, -1);
      lua_pushvalue(B, -1);
      same_object(&p);
      same_lists(&p);
    } else {
      same(&p);
    }
  }
  while (done < p.n) same_contents(&p, ++done);
  lua_settop(A, p.a.numbers - 1);
  lua_settop(B, p.b.numbers - 1);
}
