/*
** codec/module_evidence: which objects a module's own files made.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/module_evidence.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "codec/bytecode.h"

static struct ti_module_info *module(const struct ti_module_builder *b, int m) {
  return ti_module_builder_module(b, m);
}

static struct ti_module_node *node(const struct ti_module_builder *b, int n) {
  return ti_module_builder_node(b, n);
}

void ti_module_evidence_mark(struct ti_module_builder *b, int n) {
  for (; n >= 0 && !node(b, n)->own && !node(b, n)->nested; n = node(b, n)->parent) {
    node(b, n)->own = true;
    if (node(b, n)->parent < 0) module(b, node(b, n)->module)->own = true;
  }
}

/* Orders by file and first line, and enclosing functions before those within. */
static int compare_spans(const void *a, const void *b) {
  const struct ti_module_span *x = (const struct ti_module_span *)a;
  const struct ti_module_span *y = (const struct ti_module_span *)b;
  int c = strcmp(x->source, y->source);
  if (c != 0) return c;
  if (x->first != y->first) return x->first < y->first ? -1 : 1;
  return x->last == y->last ? 0 : x->last > y->last ? -1 : 1;
}

void ti_module_evidence_judge(struct ti_module_builder *b) {
  struct ti_module_span *s = (struct ti_module_span *)b->spans.at;
  const struct ti_module_span *outer = NULL;
  if (b->spans.n > 0) qsort(s, (size_t)b->spans.n, sizeof *s, compare_spans);
  for (int i = 0; i < b->spans.n; i++) {
    bool inside = outer != NULL && strcmp(outer->source, s[i].source) == 0 &&
                  s[i].last <= outer->last &&
                  (s[i].first != outer->first || s[i].last != outer->last);
    node(b, s[i].node)->nested = inside;
    if (!inside) outer = &s[i];
  }
  for (int i = 0; i < b->spans.n; i++) ti_module_evidence_mark(b, s[i].node);
}

static int dump_writer(lua_State *L, const void *p, size_t n, void *ud) {
  (void)L;
  ti_buffer_put((struct ti_buffer *)ud, p, n);
  return ((struct ti_buffer *)ud)->failed;
}

/* Returns whether the Lua file with this source defines functions. Compiles it and does not run it.
** [-0, +0, m] */
static bool has_functions(struct ti_module_builder *b, const char *source) {
  lua_State *L = b->L;
  bool has = false;
  if (luaL_loadfilex(L, source + 1, NULL) == LUA_OK) {
    struct ti_buffer *scratch = &b->x->scratch;
    scratch->len = 0;
    scratch->failed = false;
    if (lua_dump(L, dump_writer, scratch, 1) == 0 && !scratch->failed) {
      struct ti_cursor c;
      struct ti_bytecode_proto main;
      ti_bytecode_begin(&c, scratch->data, scratch->len);
      ti_bytecode_head(&c, &main);
      has = !c.failed && main.nprotos > 0;
    }
  }
  lua_pop(L, 1);
  return has;
}

/* Returns whether a file of module m defines functions. [-0, +0, m] */
static bool defines_functions(struct ti_module_builder *b, int m) {
  lua_State *L = b->L;
  int top = lua_gettop(L);
  bool has = false;
  lua_rawgeti(L, b->sources, m);
  lua_pushnil(L);
  while (lua_next(L, top + 1) != 0) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, b->files) == LUA_TBOOLEAN) {
      lua_pushvalue(L, -2);
      lua_pushinteger(L, has_functions(b, lua_tostring(L, -3)));
      lua_copy(L, -1, -3);
      lua_rawset(L, b->files);
    }
    has = has || lua_tointeger(L, -1) > 0;
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  return has;
}

/* Returns whether a script put the value of module m in the place of what a worker would load.
** [-0, +0, m] */
static bool is_replacement(struct ti_module_builder *b, int m) {
  const struct ti_module_info *mod = module(b, m);
  if (mod->own || mod->origin == ORIGIN_OWN) return false;
  if (mod->origin == ORIGIN_OTHER) return mod->natives == 0 || mod->script > 0;
  if (mod->script > 0) return true;
  return mod->others == 0 && mod->natives == 0 && defines_functions(b, m);
}

void ti_module_evidence_finish(struct ti_module_builder *b) {
  lua_State *L = b->L;
  int top = lua_gettop(L);
  static const char own = FORM_OWN;
  for (int m = 0; m < b->mods.n; m++) module(b, m)->dropped = is_replacement(b, m);
  for (int n = 0; n < b->nodes.n; n++) {
    bool dropped = module(b, node(b, n)->module)->dropped;
    size_t len;
    const char *name;
    if (!dropped && !node(b, n)->own) continue;
    lua_rawgeti(L, b->objects, n);
    lua_pushvalue(L, -1);
    lua_rawget(L, b->names);
    name = lua_tolstring(L, -1, &len);
    if (dropped) {
      lua_pushvalue(L, top + 1);
      lua_pushnil(L);
      lua_rawset(L, b->names);
    } else if (name != NULL && name[0] == FORM_OPEN) {
      lua_pushvalue(L, top + 1);
      lua_pushlstring(L, &own, 1);
      lua_pushlstring(L, name + 1, len - 1);
      lua_concat(L, 2);
      lua_rawset(L, b->names);
    }
    lua_settop(L, top);
  }
}
