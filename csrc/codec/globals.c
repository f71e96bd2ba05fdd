/*
** codec/globals: globals that came with a message.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/globals.h"

#include <lauxlib.h>

#include "luautil/stdlibs.h"

/* Sets table[key] = nil; the key is at index `key`. [-0, +0, m] */
static void clear(lua_State *L, int table, int key) {
  lua_pushvalue(L, key);
  lua_pushnil(L);
  lua_rawset(L, table);
}

/* Notes the global whose name and value are on top as the state's own, unless a message
** installed it and it is unchanged. OWN_GLOBALS is at index `own`; RECEIVED and SERIALS are above.
** [-0, +0, m] */
static void note_own(lua_State *L, int own) {
  int value = lua_gettop(L);
  const char *name;
  size_t len;
  if (lua_type(L, value - 1) != LUA_TSTRING) return;
  name = lua_tolstring(L, value - 1, &len);
  if (ti_stdlibs_is_global(name, len)) return;
  lua_pushvalue(L, value - 1);
  lua_rawget(L, own + 1);
  if (!lua_rawequal(L, -1, value)) {
    lua_pushvalue(L, value - 1);
    lua_pushboolean(L, 1);
    lua_rawset(L, own);
    clear(L, own + 1, value - 1); /* so that no later message removes it */
    clear(L, own + 2, value - 1);
  }
  lua_settop(L, value);
}

void ti_globals_own(lua_State *L, bool bare) {
  int top = lua_gettop(L), own = top + 2, globals = top + 5;
  ti_codec_state_get(L)->worker = true;
  if (!bare) {
    ti_codec_state_table(L, top + 1, CODEC_OWN_GLOBALS);
    ti_codec_state_table(L, top + 1, CODEC_RECEIVED);
    ti_codec_state_table(L, top + 1, CODEC_SERIALS);
    lua_pushglobaltable(L);
    lua_pushnil(L);
    while (lua_next(L, globals) != 0) {
      note_own(L, own);
      lua_pop(L, 1);
    }
  }
  lua_settop(L, top);
}

/* Returns whether the receiver keeps its own global. The name is on top. [-0, +0, -] */
static bool keeps_own(lua_State *L, int xidx, const struct ti_codec_state *x) {
  bool keeps = false;
  int top = lua_gettop(L);
  if (ti_codec_state_has_table(L, xidx, x->worker ? CODEC_OWN_GLOBALS : CODEC_SERIALS)) {
    lua_pushvalue(L, top);
    keeps = lua_rawget(L, -2) != LUA_TNIL;
  }
  if (!x->worker && !keeps) { /* an owner's state keeps all that did not come with a message */
    lua_pushglobaltable(L);
    lua_pushvalue(L, top);
    keeps = lua_rawget(L, -2) != LUA_TNIL;
  } else if (!x->worker) {
    keeps = false;
  }
  lua_settop(L, top);
  return keeps;
}

bool ti_globals_keeps(lua_State *L, int xidx, const char *name, size_t len) {
  bool keeps;
  luaL_checkstack(L, 8, NULL);
  lua_pushlstring(L, name, len);
  keeps = keeps_own(L, xidx, (struct ti_codec_state *)lua_touserdata(L, xidx));
  lua_pop(L, 1);
  return keeps;
}

void ti_globals_install(lua_State *L, int xidx, lua_Integer serial, const char *name, size_t len) {
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(L, xidx);
  int value = lua_gettop(L);
  luaL_checkstack(L, 8, NULL);
  lua_pushlstring(L, name, len);
  if (!keeps_own(L, xidx, x)) {
    lua_pushglobaltable(L);
    lua_pushvalue(L, value + 1);
    lua_pushvalue(L, value);
    lua_rawset(L, -3);
    ti_codec_state_table(L, xidx, CODEC_SERIALS);
    lua_pushvalue(L, value + 1);
    lua_pushinteger(L, serial);
    lua_rawset(L, -3);
    ti_codec_state_table(L, xidx, CODEC_RECEIVED);
    lua_pushvalue(L, value + 1);
    lua_pushvalue(L, value);
    lua_rawset(L, -3);
  }
  lua_settop(L, value - 1);
}

/* Removes the first `count` names of c whose serial is another one. SERIALS is at index `serials`,
** RECEIVED above it. [-0, +0, m] */
static void sweep_code(lua_State *L, int serials, lua_Integer serial, const struct ti_code *c,
                       size_t count) {
  struct ti_cursor names;
  ti_buffer_cursor_init(&names, c->data, c->globals_len);
  for (size_t i = 0; i < count; i++) {
    size_t len = (size_t)ti_buffer_get_varint(&names);
    lua_pushlstring(L, (const char *)ti_buffer_get(&names, len), len);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, serials) != LUA_TNIL && lua_tointeger(L, -1) != serial) {
      int name = lua_gettop(L) - 1;
      clear(L, serials, name);
      clear(L, serials + 1, name);
      lua_pushglobaltable(L);
      clear(L, name + 2, name);
      lua_pop(L, 1);
    }
    lua_pop(L, 2);
  }
}

void ti_globals_sweep(lua_State *L, int xidx, lua_Integer serial, const struct ti_message *m,
                      bool loose) {
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(L, xidx);
  int top = lua_gettop(L);
  if (!x->worker) return;
  luaL_checkstack(L, 8, NULL);
  for (size_t i = 0; i < m->nparts; i++) {
    const struct ti_message_part *part = ti_message_part(m, i);
    const struct ti_code *c = (const struct ti_code *)part->object;
    size_t count;
    if (part->type != &ti_code_part) continue;
    count = c->nglobals + (loose ? c->nmaybe : 0);
    if (count == 0) continue;
    if (ti_codec_state_has_table(L, xidx, CODEC_SERIALS)) { /* else no message installed any */
      ti_codec_state_table(L, xidx, CODEC_RECEIVED);
      sweep_code(L, top + 1, serial, c, count);
    }
    lua_settop(L, top);
  }
}
