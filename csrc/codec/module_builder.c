/*
** codec/module_builder: what the files that make the index of module names share.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/module_builder.h"

#include <lauxlib.h>

/* Pushes a new table and returns its index. `mode`: its __mode, or NULL. [-0, +1, m] */
static int push_table(lua_State *L, const char *mode) {
  lua_newtable(L);
  if (mode != NULL) {
    lua_createtable(L, 0, 1);
    lua_pushstring(L, mode);
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
  }
  return lua_gettop(L);
}

void ti_module_builder_array(lua_State *L, struct ti_module_array *a) {
  memset(a, 0, sizeof *a);
  lua_pushnil(L);
  a->idx = lua_gettop(L);
}

void *ti_module_builder_add(lua_State *L, struct ti_module_array *a, size_t size) {
  if (a->n == a->cap) {
    int cap = a->cap > 0 ? a->cap * 2 : 64;
    void *at = lua_newuserdatauv(L, (size_t)cap * size, 0);
    if (a->n > 0) memcpy(at, a->at, (size_t)a->n * size);
    lua_replace(L, a->idx);
    a->at = at;
    a->cap = cap;
  }
  memset((char *)a->at + (size_t)a->n * size, 0, size);
  return (char *)a->at + (size_t)a->n++ * size;
}

void ti_module_builder_init(lua_State *L, struct ti_module_builder *b, int xidx) {
  memset(b, 0, sizeof *b);
  b->L = L;
  b->x = (struct ti_codec_state *)lua_touserdata(L, xidx);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  b->loaded = lua_gettop(L);
  ti_codec_state_table(L, xidx, CODEC_ORIGINS);
  b->origins = lua_gettop(L);
  ti_codec_state_table(L, xidx, CODEC_FILES);
  b->files = lua_gettop(L);
  b->names = push_table(L, "k");
  b->modules = push_table(L, NULL);
  b->parts = push_table(L, NULL);
  b->sources = push_table(L, NULL);
  b->objects = push_table(L, NULL);
  ti_module_builder_array(L, &b->mods);
  ti_module_builder_array(L, &b->nodes);
  ti_module_builder_array(L, &b->spans);
}

/* Returns whether `table` has the object at idx as a key. [-0, +0, -] */
static bool has_key(lua_State *L, int table, int idx) {
  bool has;
  lua_pushvalue(L, idx);
  has = lua_rawget(L, table) != LUA_TNIL;
  lua_pop(L, 1);
  return has;
}

bool ti_module_builder_is_named(const struct ti_module_builder *b, int idx) {
  return has_key(b->L, b->names, idx);
}

bool ti_module_builder_is_module(const struct ti_module_builder *b, int idx) {
  return has_key(b->L, b->modules, idx);
}

bool ti_module_builder_nameable(lua_State *L, int idx) {
  int t = lua_type(L, idx);
  return t == LUA_TTABLE || t == LUA_TFUNCTION || t == LUA_TUSERDATA;
}

int ti_module_builder_name(struct ti_module_builder *b, int idx, int name, int parent, int module,
                           enum ti_module_form_flag flag) {
  lua_State *L = b->L;
  int n = b->nodes.n;
  char byte = (char)flag;
  struct ti_module_node *nd =
      (struct ti_module_node *)ti_module_builder_add(L, &b->nodes, sizeof *nd);
  nd->parent = parent;
  nd->module = module;
  lua_pushvalue(L, idx);
  lua_rawseti(L, b->objects, n);
  lua_pushvalue(L, idx);
  lua_pushlstring(L, &byte, 1);
  lua_pushvalue(L, name);
  lua_concat(L, 2);
  lua_rawset(L, b->names);
  return n;
}
