/*
** roundtrip_fuzz: a graph of values (graph.c says which) from one state to another and back to what
** it was.
**
**     flags, number of values, values
**
** It is sent twice: the second time much is known already, and other code runs. Only expected
** refusals are allowed. All references held for the messages must be released.
**
** With FLAG_STINGY, and always with TI_COLLECT, each new object of a state is refused first: Lua
** then collects all garbage and tries again. So what nothing keeps alive is freed at once.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <string.h>

#include "luautil/error.h"
#include "codec/pack.h"
#include "codec/unpack.h"
#include "graph.h"

enum { STYLES = 7, FLAG_CLOSE = 8, FLAG_GC = 16, FLAG_STINGY = 64 };

#ifdef TI_COLLECT
enum { FLAGS_ALWAYS = FLAG_STINGY };
#else
enum { FLAGS_ALWAYS = 0 };
#endif

static void *stingy(void *ud, void *p, size_t osize, size_t nsize) {
  bool *refused = (bool *)ud;
  if (p == NULL && osize > 0 && nsize > 0) { /* osize: a new object's type */
    *refused = !*refused;
    if (*refused) return NULL;
  }
  return ti_alloc_default.alloc(ti_alloc_default.ud, p, osize, nsize);
}

struct build {
  struct input in;
  struct graph g;
};

static int open_body(lua_State *L) {
  graph_open(L);
  return 0;
}

static lua_State *new_state(unsigned flags) {
  static bool refused;
  lua_State *L = luaL_newstate();
  WANT(L != NULL);
  if (flags & FLAG_GC) lua_gc(L, LUA_GCINC, 1, 1000, 1); /* often */
  lua_pushcfunction(L, open_body);
  WANT(lua_pcall(L, 0, 0, 0) == LUA_OK);
  /* in a state that is whole: Lua asks for nothing twice before */
  if (flags & FLAG_STINGY) lua_setallocf(L, stingy, &refused);
  return L;
}

static int build_body(lua_State *L) {
  struct build *b = (struct build *)lua_touserdata(L, 1);
  return graph_build(L, &b->in, &b->g);
}

static int unpack_body(lua_State *L) {
  const struct ti_message *m = (const struct ti_message *)lua_touserdata(L, 1);
  lua_settop(L, 0);
  return ti_unpack_values(L, m, 0, UNPACK_ALL);
}

/* Returns whether the error on top is one that these values may cause. */
static bool may_refuse(lua_State *L, const struct graph *g) {
  const char *text;
  if (ti_error_kind(L, -1) != TIDE_ETRANSFER) return false;
  lua_getfield(L, -1, "message");
  text = lua_tostring(L, -1);
  if (strstr(text, "nested deeper") != NULL) return g->objects > 900;
  return strstr(text, "its own arguments") != NULL && g->transfers;
}

/* Sends the values of A to B. Returns false if they are refused. */
static bool send(lua_State *A, lua_State *B, const struct graph *g, unsigned flags) {
  static const enum ti_pack_style styles[] = {PACK_CALL, PACK_OPENING, PACK_RESULTS, PACK_ERROR,
                                              PACK_SHARED};
  struct ti_message m;
  bool sent;
  luaL_checkstack(A, g->n, NULL);
  for (int i = 1; i <= g->n; i++) lua_pushvalue(A, i);
  ti_message_init(&m, &ti_alloc_default);
  sent = ti_pack_by(A, &m, g->n, styles[(flags & STYLES) % 5], &ti_pack_addresses) == LUA_OK;
  if (sent) {
    lua_settop(B, 0);
    lua_pushcfunction(B, unpack_body);
    lua_pushlightuserdata(B, &m);
    WANT(lua_pcall(B, 1, LUA_MULTRET, 0) == LUA_OK && lua_gettop(B) == g->n);
    graph_compare(A, B, g);
  } else {
    WANT(may_refuse(A, g));
  }
  lua_settop(A, g->n);
  if (flags & FLAG_CLOSE) lua_close(A);
  ti_message_fini(&m);
  WANT(graph_held() == 0);
  return sent;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct build b = {.in = {data, data + size}};
  unsigned flags = input_u8(&b.in) | FLAGS_ALWAYS;
  lua_State *A = new_state(flags), *B = new_state(flags);
  lua_pushcfunction(A, build_body);
  lua_pushlightuserdata(A, &b);
  WANT(lua_pcall(A, 1, LUA_MULTRET, 0) == LUA_OK);
  if (b.g.weak) lua_gc(A, LUA_GCCOLLECT); /* what is left in weak tables stays there */
  if (send(A, B, &b.g, flags & ~(unsigned)FLAG_CLOSE))
    send(A, B, &b.g, flags);
  else if (flags & FLAG_CLOSE)
    lua_close(A);
  if ((flags & FLAG_CLOSE) == 0) lua_close(A);
  lua_close(B);
  return 0;
}
