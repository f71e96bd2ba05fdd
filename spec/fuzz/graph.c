/*
** graph: values that a few bytes describe; most are letters, so that seeds can be read.
**
**     n t f          nil, true, false          i B  I 8B   integers       e B   extreme ones
**     d 8B           a float                   x B         special ones   p B   light userdata
**     s L bytes      a short string            l B B       a long one, of this kind and byte
**     [ B B          B integers from B on      ( B B       floats
**     { item… }      a table; an item is a value, k KEY VALUE, m METATABLE, or w B: it is weak
**     @ B            an object once more       D B VALUE   inside of B tables
**     F B VALUE…     a function and its upvalues; = B B instead: one that another function has
**     C B VALUE…     a C function              N B         something sent by name
**     R B VALUE…     a table with __transfer   U B         userdata sent by reference
**     M              a table, and one whose __transfer puts something new into it
**     E VALUE        an error object           g B VALUE   sets a global; nil
**
** B is a byte, counted from '0' on; s has a length and so many bytes; any other byte is an integer.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "luautil/error.h"
#include "graph_types.h"

enum {
  MAX_RECURSION = 150, /* of value() */
  MAX_OBJECTS = 20000,
  MAX_LARGE = 3 /* strings long enough to be borrowed */
};

struct builder {
  lua_State *L;
  struct input *in;
  struct graph *g;
  int objects, keys; /* stack indices of lists: all that can be referred to; those that are keys */
  int depth, large;
  bool globals; /* some were set: what they hold may not be in the message */
};

static void value(struct builder *G);

/* Reads B: a byte, counted from '0' on, so that seeds are readable. */
static unsigned small(struct builder *G) { return (input_u8(G->in) - '0') & 0xff; }

/* ------------------------------------------------------------------ objects -- */

/* Lists the value on top, so that it can be referred to. [-0, +0, m] */
static void note(struct builder *G) {
  lua_pushvalue(G->L, -1);
  lua_rawseti(G->L, G->objects, (lua_Integer)lua_rawlen(G->L, G->objects) + 1);
  G->g->objects++;
}

static void earlier(struct builder *G) {
  lua_Integer n = (lua_Integer)lua_rawlen(G->L, G->objects);
  unsigned i = small(G);
  if (n == 0)
    lua_pushnil(G->L);
  else
    lua_rawgeti(G->L, G->objects, n - i % n);
}

/* key, value on top; the table is below. [-2, +0, m] */
static void put_field(struct builder *G) {
  lua_State *L = G->L;
  int key = lua_gettop(L) - 1, type = lua_type(L, key);
  if (type == LUA_TNIL || (type == LUA_TNUMBER && isnan(lua_tonumber(L, key)))) {
    lua_settop(L, key - 1);
    return;
  }
  if (type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TUSERDATA) {
    if (lua_isnil(L, G->keys)) {
      lua_newtable(L);
      lua_replace(L, G->keys);
    }
    lua_pushvalue(L, key);
    lua_rawseti(L, G->keys, (lua_Integer)lua_rawlen(L, G->keys) + 1);
  }
  lua_rawset(L, key - 1);
}

/* The table on top. [-0, +0, m] */
static void make_weak(struct builder *G) {
  static const char *const modes[] = {"k", "v", "kv"};
  unsigned which = small(G) % (sizeof modes / sizeof *modes);
  if (G->globals) return;
  G->g->weak = true;
  lua_createtable(G->L, 0, 1);
  lua_pushstring(G->L, modes[which]);
  lua_setfield(G->L, -2, "__mode");
  lua_setmetatable(G->L, -2);
}

static void table(struct builder *G) {
  lua_State *L = G->L;
  lua_Integer n = 0;
  lua_newtable(L);
  note(G);
  while (G->in->p < G->in->end && *G->in->p != '}') {
    switch (*G->in->p) {
      case 'k':
        G->in->p++;
        value(G);
        value(G);
        put_field(G);
        break;
      case 'm':
        G->in->p++;
        value(G);
        if (lua_istable(L, -1))
          lua_setmetatable(L, -2);
        else
          lua_pop(L, 1);
        break;
      case 'w':
        G->in->p++;
        make_weak(G);
        break;
      default: value(G); lua_rawseti(L, -2, ++n);
    }
  }
  (void)input_u8(G->in);
}

/* Lets upvalue i of f share the cell of an earlier function's, except its environment.
** [-0, +0, -] */
static void share_cell(struct builder *G, int f, int i) {
  lua_State *L = G->L;
  const char *name;
  int j;
  earlier(G);
  j = 1 + (int)(small(G) % 3);
  if (lua_type(L, -1) == LUA_TFUNCTION && !lua_iscfunction(L, -1) &&
      (name = lua_getupvalue(L, -1, j)) != NULL) {
    lua_pop(L, 1);
    if (strcmp(name, "_ENV") != 0) lua_upvaluejoin(L, f, i, -1, j);
  }
  lua_pop(L, 1);
}

static void function(struct builder *G) {
  lua_State *L = G->L;
  unsigned which = small(G) % GRAPH_FUNCTIONS;
  int f = lua_gettop(L) + 1;
  const char *name;
  graph_function(L, which);
  note(G);
  for (int i = 1; (name = lua_getupvalue(L, f, i)) != NULL; i++) {
    lua_pop(L, 1);
    if (strcmp(name, "_ENV") == 0) continue;
    if (G->in->p < G->in->end && *G->in->p == '=') {
      G->in->p++;
      share_cell(G, f, i);
    } else {
      value(G);
      lua_setupvalue(L, f, i);
    }
  }
}

/* -------------------------------------------------------------------- values -- */

static void put_float(struct builder *G, bool special) {
  static const lua_Number specials[] = {0.0,      -0.0,      1.0,   -1.5,   NAN,    -NAN,
                                        HUGE_VAL, -HUGE_VAL, 1e308, 5e-324, 0x1p53, 0x1p63};
  lua_Number f;
  unsigned char bits[sizeof f];
  if (special) {
    lua_pushnumber(G->L, specials[small(G) % (sizeof specials / sizeof *specials)]);
    return;
  }
  for (size_t i = 0; i < sizeof bits; i++) bits[i] = (unsigned char)input_u8(G->in);
  memcpy(&f, bits, sizeof f);
  lua_pushnumber(G->L, f);
}

static void put_integer(struct builder *G, bool extreme) {
  static const lua_Integer extremes[] = {
      0, 63, 64, -64, -65, 8191, 8192, LUA_MININTEGER, -8193, LUA_MAXINTEGER, 1LL << 53, 1LL << 32};
  lua_Unsigned u = 0;
  if (extreme) {
    lua_pushinteger(G->L, extremes[small(G) % (sizeof extremes / sizeof *extremes)]);
    return;
  }
  for (size_t i = 0; i < sizeof u; i++) u = u << 8 | input_u8(G->in);
  lua_pushinteger(G->L, (lua_Integer)u);
}

/* Metamethods that Lua or the writer would call, or that drop what is compared, are not names. */
static void short_string(struct builder *G) {
  char s[48];
  size_t len = small(G) % sizeof s;
  for (size_t i = 0; i < len; i++) s[i] = (char)input_u8(G->in);
  if (len > 2 && s[0] == '_' && s[1] == '_' && strchr("mtg", s[2]) != NULL) s[0] = '-';
  lua_pushlstring(G->L, s, len);
}

static void long_string(struct builder *G) {
  static const size_t lengths[] = {40, 41, 63, 64, 65, 127, 128, 300, 16384, 65535, 65536, 70000};
  size_t len = lengths[small(G) % (sizeof lengths / sizeof *lengths)];
  unsigned byte = input_u8(G->in);
  luaL_Buffer b;
  if (len > 300 && G->large++ >= MAX_LARGE) len = 300;
  memset(luaL_buffinitsize(G->L, &b, len), (int)byte, len);
  luaL_pushresultsize(&b, len);
  note(G);
}

static void numbers(struct builder *G, bool floats) {
  unsigned n = small(G), first = small(G);
  lua_newtable(G->L);
  note(G);
  for (unsigned i = 1; i <= n; i++) {
    if (floats)
      lua_pushnumber(G->L, (lua_Number)(first + i) / 4);
    else
      lua_pushinteger(G->L, (lua_Integer)first + i);
    lua_rawseti(G->L, -2, i);
  }
}

static void nested(struct builder *G) {
  unsigned n = small(G);
  value(G);
  for (; n > 0; n--) {
    lua_createtable(G->L, 1, 0);
    lua_insert(G->L, -2);
    lua_rawseti(G->L, -2, 1);
    note(G);
  }
}

static void values_to(struct builder *G, lua_CFunction fn, bool call) {
  int n = (int)(small(G) % 5);
  luaL_checkstack(G->L, n + 20, NULL);
  if (call) lua_pushcfunction(G->L, fn);
  for (int i = 0; i < n; i++) {
    value(G);
    if (call && lua_isnil(G->L, -1)) { /* take_apart would lose it */
      lua_pop(G->L, 1);
      lua_pushboolean(G->L, 0);
    }
  }
  if (call)
    lua_call(G->L, n, 1);
  else
    lua_pushcclosure(G->L, fn, n);
  note(G);
}

static void fixed(struct builder *G) {
  lua_Integer n;
  graph_fixed(G->L);
  n = (lua_Integer)lua_rawlen(G->L, -1) - 2; /* the metatables at the end have no names */
  lua_rawgeti(G->L, -1, 1 + (lua_Integer)small(G) % n);
  lua_remove(G->L, -2);
}

static void error_object(struct builder *G) {
  ti_error_push(G->L, TIDE_ETIMEOUT, "too late");
  note(G);
  lua_pushliteral(G->L, "why");
  value(G);
  lua_rawset(G->L, -3);
}

static void set_global(struct builder *G) {
  static const char *const names[] = {"g0", "g1", "g2"};
  unsigned which = small(G) % (sizeof names / sizeof *names);
  value(G);
  if (G->g->weak) {
    lua_pop(G->L, 1);
    lua_pushnil(G->L);
    return;
  }
  G->globals = true;
  lua_setglobal(G->L, names[which]);
  lua_pushnil(G->L);
}

/* Pushes a value. [-0, +1, e] */
static void value(struct builder *G) {
  lua_State *L = G->L;
  unsigned byte = input_u8(G->in);
  if (G->depth == MAX_RECURSION || G->g->objects > MAX_OBJECTS) byte = 'n';
  G->depth++;
  luaL_checkstack(L, 20, NULL);
  switch (byte) {
    case 'n': lua_pushnil(L); break;
    case 't':
    case 'f': lua_pushboolean(L, byte == 't'); break;
    case 'i': lua_pushinteger(L, small(G)); break;
    case 'I':
    case 'e': put_integer(G, byte == 'e'); break;
    case 'd':
    case 'x': put_float(G, byte == 'x'); break;
    case 'p': lua_pushlightuserdata(L, (void *)(uintptr_t)small(G)); break;
    case 's': short_string(G); break;
    case 'l': long_string(G); break;
    case '[':
    case '(': numbers(G, byte == '('); break;
    case '{': table(G); break;
    case '@': earlier(G); break;
    case 'D': nested(G); break;
    case 'F': function(G); break;
    case 'C': values_to(G, graph_cfunction, false); break;
    case 'R':
      G->g->transfers = true;
      values_to(G, graph_make, true);
      break;
    case 'M':
      G->g->transfers = true;
      graph_mutable(L);
      note(G);
      break;
    case 'N': fixed(G); break;
    case 'U':
      graph_counted(L, small(G) % GRAPH_OBJECTS);
      note(G);
      break;
    case 'E': error_object(G); break;
    case 'g': set_global(G); break;
    default: lua_pushinteger(L, (lua_Integer)byte - 128);
  }
  G->depth--;
}

int graph_build(lua_State *L, struct input *in, struct graph *g) {
  struct builder G = {L, in, g, 0, 0, 0, 0, false};
  int n = 1 + (int)(small(&G) % 4), top = lua_gettop(L);
  luaL_checkstack(L, 20, NULL);
  g->objects = 0;
  g->transfers = g->weak = false;
  lua_newtable(L);
  G.objects = top + 1;
  lua_pushnil(L);
  G.keys = top + 2;
  for (int i = 0; i < n; i++) value(&G);
  g->keyed = !lua_isnil(L, G.keys);
  if (g->keyed) {
    lua_pushvalue(L, G.keys);
    n++;
  }
  lua_rotate(L, top + 1, n);
  lua_settop(L, top + n);
  g->n = n;
  return n;
}
