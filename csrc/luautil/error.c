/*
** luautil/error: the library's error objects.
**
** SPDX-License-Identifier: MIT
*/
#include "luautil/error.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#define TYPE_NAME "tidepool.error"

/* tostring(err): the place, as far as known, and the message */
static int error_tostring(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  if (lua_getfield(L, 1, "where") != LUA_TSTRING) {
    lua_pushliteral(L, "");
    lua_replace(L, 2);
  }
  if (lua_getfield(L, 1, "message") != LUA_TSTRING) lua_getfield(L, 1, "kind");
  luaL_tolstring(L, -1, NULL);
  lua_replace(L, 3);
  lua_settop(L, 3);
  lua_concat(L, 2);
  return 1;
}

/* Returns whether a source is one of the library's own Lua files, which a script's author cannot
** correct. Files of other names in a folder of that name belong to the script. */
static bool is_ours(const char *source) {
  static const char *const files[] = {"check.lua",
                                      "executor.lua",
                                      "init.lua",
                                      "iter.lua",
                                      "map.lua",
                                      "map/chunk_size.lua",
                                      "map/input.lua",
                                      "map/item_error.lua",
                                      "map/pending_chunk.lua",
                                      "map/worker.lua",
                                      "wait.lua"};
  static const char folder[] = "/tidepool/";
  size_t len = strlen(source), before = sizeof folder - 1;
  if (source[0] != '@') return false;
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    size_t own = strlen(files[i]);
    if (len > before + own && strcmp(source + len - own, files[i]) == 0 &&
        memcmp(source + len - own - before, folder, before) == 0)
      return true;
  }
  return false;
}

/* Pushes "file:line: " of the innermost line of Lua that is not the library's, or nil. The errors
** are tables, to which Lua adds no position. [-0, +1, m] */
static void push_where(lua_State *L) {
  lua_Debug ar;
  for (int level = 0; level < 32 && lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Sl", &ar);
    if (ar.currentline > 0 && !is_ours(ar.source)) {
      lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
      return;
    }
  }
  lua_pushnil(L);
}

void ti_error_metatable(lua_State *L) {
  luaL_checkstack(L, 4, NULL);
  if (luaL_getmetatable(L, TYPE_NAME) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_createtable(L, 0, 2);
  lua_pushliteral(L, TYPE_NAME);
  lua_setfield(L, -2, "__name");
  lua_pushcfunction(L, error_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, TYPE_NAME); /* last: never half made */
}

/* ------------------------------------------------------------- as strings -- */

/* Keys in the registry: whether errors are strings here; the last such string, and its message
** alone. */
static const char strings_key = 0, text_key = 0, message_key = 0;

/* Each such string ends with this and its kind, so the kind needs no memory of its own in whatever
** state the string arrives. */
#define MARK " (tidepool: "

bool ti_error_strings(lua_State *L) {
  bool on;
  if (!lua_checkstack(L, 1)) return false;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &strings_key);
  on = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return on;
}

bool ti_error_set_strings(lua_State *L, bool on) {
  bool before = ti_error_strings(L);
  luaL_checkstack(L, 3, NULL);
  lua_pushboolean(L, on);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &strings_key);
  return before;
}

void ti_error_to_text(lua_State *L) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 6, NULL);
  lua_pushliteral(L, "where");
  if (lua_rawget(L, top) != LUA_TSTRING) lua_pushliteral(L, "");
  lua_pushliteral(L, "message");
  if (lua_rawget(L, top) != LUA_TSTRING) lua_pushliteral(L, "");
  lua_pushliteral(L, "kind");
  if (lua_rawget(L, top) != LUA_TSTRING) lua_pushliteral(L, "?");
  lua_pushfstring(L, "%s" MARK "%s)", lua_tostring(L, -2), lua_tostring(L, -1));
  if (lua_type(L, top + 1) == LUA_TSTRING) {
    lua_pushvalue(L, top + 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  lua_replace(L, top);
  lua_settop(L, top);
}

/* Returns the error code of a string that stands for an error object, or TIDE_OK. */
static int kind_of_text(const char *s, size_t len) {
  const char *end = s + len - 1;
  size_t mark = strlen(MARK);
  if (len == 0 || *end != ')') return TIDE_OK;
  for (int f = TIDE_OK + 1; f < TI_ERRCODE_NAMED; f++) {
    size_t n = strlen(ti_errcode_name(f));
    if (len > mark + n && memcmp(end - n, ti_errcode_name(f), n) == 0 &&
        memcmp(end - n - mark, MARK, mark) == 0)
      return f;
  }
  return TIDE_OK;
}

/* Returns where the message begins in such a string: behind "file:line: ". */
static const char *behind_where(const char *s, const char *end) {
  for (const char *p = s; p < end; p++) {
    const char *q = p + 1;
    if (*p != ':') continue;
    while (q < end && *q >= '0' && *q <= '9') q++;
    if (q > p + 1 && q + 1 < end && q[0] == ':' && q[1] == ' ') return q + 2;
  }
  return s;
}

void ti_error_message(lua_State *L, int idx) {
  int top = lua_gettop(L);
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 4, NULL);
  if (lua_type(L, idx) == LUA_TTABLE) {
    lua_pushliteral(L, "message");
    if (lua_rawget(L, idx) == LUA_TSTRING) return;
  } else if (lua_type(L, idx) == LUA_TSTRING) {
    size_t len;
    const char *s = lua_tolstring(L, idx, &len), *end;
    int code = kind_of_text(s, len);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &text_key);
    if (lua_rawequal(L, -1, idx)) {
      lua_rawgetp(L, LUA_REGISTRYINDEX, &message_key);
      lua_replace(L, top + 1);
      return;
    }
    end = s + len;
    if (code != TIDE_OK) end -= strlen(MARK) + strlen(ti_errcode_name(code)) + 1;
    if (code != TIDE_OK) s = behind_where(s, end);
    lua_pushlstring(L, s, (size_t)(end - s));
    lua_replace(L, top + 1);
    return;
  }
  lua_settop(L, top);
  lua_pushliteral(L, "");
}

/* ---------------------------------------------------------------- making -- */

void ti_error_wrap(lua_State *L, int code) {
  luaL_checkstack(L, 4, NULL);
  lua_createtable(L, 0, 3);
  lua_insert(L, -2);
  lua_setfield(L, -2, "message");
  lua_pushstring(L, ti_errcode_name(code));
  lua_setfield(L, -2, "kind");
  push_where(L);
  lua_setfield(L, -2, "where");
  if (ti_error_strings(L)) {
    lua_getfield(L, -1, "message");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &message_key);
    ti_error_to_text(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &text_key);
    return;
  }
  ti_error_metatable(L);
  lua_setmetatable(L, -2);
}

void ti_error_push(lua_State *L, int code, const char *message) {
  luaL_checkstack(L, 4, NULL);
  lua_pushstring(L, message);
  ti_error_wrap(L, code);
}

void ti_error_where(lua_State *L) {
  luaL_checkstack(L, 4, NULL);
  push_where(L);
  if (!lua_isnil(L, -1)) return;
  lua_pop(L, 1);
  lua_pushliteral(L, "");
}

int ti_error_plain(lua_State *L, const char *fmt, ...) {
  va_list ap;
  ti_error_where(L);
  va_start(ap, fmt);
  lua_pushvfstring(L, fmt, ap);
  va_end(ap);
  lua_concat(L, 2);
  return lua_error(L);
}

int ti_error_raise(lua_State *L, int code, const char *fmt, ...) {
  va_list ap;
  luaL_checkstack(L, 4, NULL);
  va_start(ap, fmt);
  lua_pushvfstring(L, fmt, ap);
  va_end(ap);
  ti_error_wrap(L, code);
  return lua_error(L);
}

int ti_error_kind(lua_State *L, int idx) {
  int code = TIDE_OK;
  if (lua_type(L, idx) == LUA_TSTRING) {
    size_t len;
    const char *s = lua_tolstring(L, idx, &len);
    return kind_of_text(s, len);
  }
  if (lua_type(L, idx) != LUA_TTABLE || !lua_getmetatable(L, idx)) return TIDE_OK;
  luaL_getmetatable(L, TYPE_NAME);
  if (lua_rawequal(L, -1, -2)) {
    lua_pushliteral(L, "kind");
    lua_rawget(L, idx < 0 ? idx - 3 : idx);
    if (lua_type(L, -1) == LUA_TSTRING) {
      const char *name = lua_tostring(L, -1);
      for (int f = TIDE_OK + 1; f < TI_ERRCODE_NAMED && code == TIDE_OK; f++)
        if (strcmp(name, ti_errcode_name(f)) == 0) code = f;
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  return code;
}
