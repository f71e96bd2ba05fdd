/*
** tidepool, floor 2: pack_func, functions into a message, and the globals they name.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>

#include "func.h"
#include "names.h"
#include "packer.h"
#include "reftype.h"

/* Pushes the global `name` of the environment at idx. Of the table of globals itself only what is
** really in it: a metatable on it (strict.lua) must not raise here. [-0, +1, e] */
static int push_global(struct packer *P, int env, int name) {
  lua_pushvalue(P->L, name);
  return lua_topointer(P->L, env) == P->env ? lua_rawget(P->L, env) : lua_gettable(P->L, env);
}

/* Notes the globals that a function with this code may use and that exist in its environment,
** which is on top: their names in a list, their values by name. */
static void note_globals(struct packer *P, const struct code *c) {
  lua_State *L = P->L;
  int env = lua_gettop(L), name = env + 1;
  struct cursor names;
  if (c->nglobals == 0) return;
  if (lua_isnil(L, P->globals)) {
    lua_newtable(L);
    lua_replace(L, P->globals);
  }
  tide_cursor_init(&names, c->data, c->globals_len);
  for (size_t i = 0; i < c->nglobals; i++) {
    size_t len = (size_t)tide_cursor_get_varint(&names);
    lua_pushlstring(L, (const char *)tide_cursor_get(&names, len), len);
    lua_pushvalue(L, name);
    if (lua_rawget(L, P->globals) == LUA_TNIL && push_global(P, env, name) != LUA_TNIL) {
      lua_pushvalue(L, name);
      lua_rawseti(L, P->globals, (lua_Integer)lua_rawlen(L, P->globals) + 1);
      lua_pushvalue(L, name);
      lua_insert(L, -2);
      lua_rawset(L, P->globals);
    }
    lua_settop(L, env);
  }
}

void tide_packer_globals(struct packer *P) {
  lua_State *L = P->L;
  if (!lua_isnil(L, P->globals)) { /* the list may grow while it is worked off */
    for (lua_Integer i = 1; lua_rawgeti(L, P->globals, i) != LUA_TNIL; i++) {
      struct step at = {NULL, STEP_GLOBAL, 0, 0, NULL};
      size_t len;
      at.text = lua_tolstring(L, -1, &len);
      tide_packer_string(P, at.text, len);
      lua_pushvalue(L, -1);
      lua_rawget(L, P->globals);
      tide_packer_value(P, lua_gettop(L), &at);
      lua_pop(L, 2);
    }
    lua_pop(L, 1);
  }
  tide_packer_tag(P, WIRE_END);
}

static void pack_cfunction(struct packer *P, int idx, const struct step *up) {
  lua_State *L = P->L;
  lua_CFunction fn = lua_tocfunction(L, idx);
  void *object;
  int n = 0;
  memcpy(&object, &fn, sizeof object);
  tide_packer_tag(P, WIRE_CFUNCTION);
  tide_packer_part(P, &tide_cfunction_part, object, NULL);
  while (lua_getupvalue(L, idx, n + 1) != NULL) {
    n++;
    lua_pop(L, 1);
  }
  tide_bytes_put_varint(P->b, (uint64_t)n);
  for (int i = 1; i <= n; i++) {
    struct step at = {up, STEP_UPVALUE, 0, i, NULL};
    lua_getupvalue(L, idx, i);
    tide_packer_value(P, lua_gettop(L), &at);
    lua_pop(L, 1);
  }
}

static void pack_luafunction(struct packer *P, int idx, struct code *c, const struct step *up) {
  lua_State *L = P->L;
  size_t part = tide_memo_add(&P->memo, c, P->m->nparts);
  tide_packer_tag(P, WIRE_FUNCTION);
  if (part == MEMO_FULL) tide_packer_nomemory(P);
  if (part == MEMO_NEW)
    tide_packer_part(P, &tide_code_part, tide_transfer_spend(P->x, c), tide_code_rele);
  else
    tide_bytes_put_varint(P->b, part);
  tide_bytes_put_varint(P->b, (uint64_t)c->nup);
  for (int i = 1; i <= c->nup; i++) {
    struct step at = {up, STEP_UPVALUE, 0, i, NULL};
    bool env;
    at.text = lua_getupvalue(L, idx, i);
    env = i == c->env && tide_func_isenv(L, at.text);
    if (env) note_globals(P, c); /* also where its cell is shared with another function */
    if (!tide_packer_backref(P, lua_upvalueid(L, idx, i), WIRE_UPREF)) {
      tide_packer_tag(P, WIRE_UPVALUE);
      if (env)
        tide_packer_tag(P, WIRE_GLOBALS);
      else
        tide_packer_value(P, lua_gettop(L), &at);
    }
    lua_pop(L, 1);
  }
}

void tide_packer_function(struct packer *P, int idx, const struct step *up) {
  const void *address = lua_topointer(P->L, idx);
  struct code *c;
  if (tide_packer_backref(P, address, WIRE_BACKREF)) return;
  if (lua_iscfunction(P->L, idx)) {
    if (!tide_packer_name(P, idx, address)) pack_cfunction(P, idx, up);
    return;
  }
  c = tide_func_known(P->L, idx, P->transfer);
  if (c != NULL && tide_func_moved(P->L, idx, c)) c = tide_func_code(P->L, idx, P->transfer);
  /* Before the index of names is brought up to date, which takes longer: code that was sent before
  ** is no module's. */
  if (c == NULL && !tide_names_maybe(P->x, address))
    c = tide_func_find(P->L, idx, P->transfer, false);
  if (c == NULL) {
    if (tide_packer_name(P, idx, address)) return;
    c = tide_func_code(P->L, idx, P->transfer);
  }
  pack_luafunction(P, idx, c, up);
}
