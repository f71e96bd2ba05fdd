/*
** codec/module_index: which objects the loaded modules hold, and their names.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/module_index.h"

#include <lauxlib.h>

#include "codec/module_evidence.h"
#include "codec/module_filter.h"
#include "codec/module_list.h"
#include "codec/module_standard.h"
#include "codec/module_walk.h"
#include "luautil/stdlibs.h"

/* Begins with module m, whose value is on top. [-0, +0, m] */
static void start_module(struct ti_module_walk *w, int m) {
  struct ti_module_builder *b = w->b;
  struct ti_module_info *mod = ti_module_builder_module(b, m);
  lua_State *L = b->L;
  int value = lua_gettop(L);
  lua_rawgeti(L, b->parts, m);
  if (mod->origin == ORIGIN_OWN) {
    const char *part = lua_tostring(L, -1);
    part = lua_pushlstring(L, part, strcspn(part, "\1"));
    ti_module_standard_name(b, value, m, part, ti_stdlibs_fields(part, strlen(part)));
  } else {
    lua_pushlstring(L, "", 1);
    lua_concat(L, 2);
    if (lua_isfunction(L, value)) mod->own = true; /* judged by its own file, if at all */
    ti_module_walk_start(w, value, m);
  }
  lua_settop(L, value);
}

/* Begins with Lua's own libraries, then C libraries, then modules in Lua. So an object that several
** hold gets the name that costs the receiver least. [-0, +0, m] */
static void start_modules(struct ti_module_walk *w) {
  static const enum ti_module_origin order[] = {ORIGIN_OWN, ORIGIN_OTHER, ORIGIN_LUA};
  struct ti_module_builder *b = w->b;
  bool libraries = false;
  lua_State *L = b->L;
  int top = lua_gettop(L);
  lua_newtable(L); /* number of a module -> its value */
  lua_pushnil(L);
  while (lua_next(L, b->modules) != 0) {
    lua_pushvalue(L, -2);
    lua_rawseti(L, top + 1, lua_tointeger(L, -2));
    lua_pop(L, 1);
  }
  for (int i = 0; i < 3; i++)
    for (int m = 0; m < b->mods.n; m++) {
      if (ti_module_builder_module(b, m)->origin != order[i]) continue;
      lua_rawgeti(L, top + 1, m);
      start_module(w, m);
      if (!libraries && order[i] == ORIGIN_OWN) ti_module_standard_globals(b, m);
      libraries = true;
      lua_pop(L, 1);
    }
  lua_settop(L, top);
}

/* Functions of Lua's own libraries keep the names that they had, whatever the script did to the
** libraries. The old names are at `old`. [-0, +0, m] */
static void keep_fixed(struct ti_module_builder *b, int old) {
  lua_State *L = b->L;
  lua_pushnil(L);
  while (lua_next(L, old) != 0) {
    const char *name = lua_tostring(L, -1);
    if (name != NULL && name[0] == FORM_FIXED &&
        !ti_module_builder_is_named(b, lua_gettop(L) - 1)) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, b->names);
    } else {
      lua_pop(L, 1);
    }
  }
}

void ti_module_index_build(lua_State *L, int xidx) {
  struct ti_module_builder b;
  struct ti_module_walk w;
  int top = lua_gettop(L);
  luaL_checkstack(L, 40, NULL);
  ti_module_builder_init(L, &b, xidx);
  ti_module_walk_init(&w, &b);
  ti_module_list_fill(&b);
  start_modules(&w);
  ti_module_walk_run(&w);
  ti_module_evidence_judge(&b);
  ti_module_evidence_finish(&b);
  ti_codec_state_table(L, xidx, CODEC_NAMES);
  keep_fixed(&b, lua_gettop(L));
  lua_settop(L, b.names);
  ti_module_filter_fill(L, b.x);
  lua_setiuservalue(L, xidx, CODEC_NAMES);
  if (b.new_files) ti_codec_state_flush(L, xidx);
  lua_settop(L, top);
}
