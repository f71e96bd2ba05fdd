/*
** codec/module_form: the form of module names.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/module_form.h"

#include <lauxlib.h>

void ti_module_form_parse(struct ti_module_form *f, const char *name, size_t len) {
  const char *sep = (const char *)memchr(name, '\0', len);
  const char *end = sep != NULL ? sep : name + len;
  const char *alias = (const char *)memchr(name, '\1', (size_t)(end - name));
  f->module = name;
  f->end = end;
  f->aliases = alias != NULL ? alias : end;
  f->len = (size_t)(f->aliases - name);
  ti_buffer_cursor_init(&f->steps, end + (sep != NULL), (size_t)(name + len - end) - (sep != NULL));
}

/* Writes a varint, of at most 10 bytes, and returns the position behind it. */
static unsigned char *put_varint(unsigned char *p, size_t v) {
  for (; v >= 0x80; v >>= 7) *p++ = (unsigned char)(v | 0x80);
  *p++ = (unsigned char)v;
  return p;
}

void ti_module_form_push(lua_State *L, int name, enum ti_module_form_step kind, int number,
                         const char *s, size_t len) {
  luaL_Buffer buffer;
  unsigned char head[24], *p = head;
  *p++ = (unsigned char)kind;
  if (kind == FORM_UPVALUE) p = put_varint(p, (size_t)number);
  if (kind != FORM_METATABLE) p = put_varint(p, len);
  luaL_buffinit(L, &buffer);
  lua_pushvalue(L, name);
  luaL_addvalue(&buffer);
  luaL_addlstring(&buffer, (const char *)head, (size_t)(p - head));
  if (kind != FORM_METATABLE) luaL_addlstring(&buffer, s, len);
  luaL_pushresult(&buffer);
}

/* Pushes the field of the value on top, or nil. [-0, +1, m] */
static void push_field(lua_State *L, const char *word, size_t len) {
  if (lua_istable(L, -1)) {
    lua_pushlstring(L, word, len);
    lua_rawget(L, -2);
  } else {
    lua_pushnil(L);
  }
}

/* Pushes the upvalue of the Lua function on top, or nil. An upvalue with another name means that
** the function's code is not the sender's. [-0, +1, -] */
static void push_upvalue(lua_State *L, uint64_t number, const char *word, size_t len) {
  const char *up = NULL;
  if (number > 0 && number < 256 && lua_isfunction(L, -1) && !lua_iscfunction(L, -1))
    up = lua_getupvalue(L, -1, (int)number);
  if (up != NULL && (strlen(up) != len || memcmp(up, word, len) != 0)) {
    lua_pop(L, 1);
    up = NULL;
  }
  if (up == NULL) lua_pushnil(L);
}

bool ti_module_form_follow(lua_State *L, struct ti_cursor *steps, const char **word, size_t *len) {
  unsigned kind = ti_buffer_get_u8(steps);
  uint64_t number = 0, n;
  *word = "";
  *len = 0;
  if (steps->failed) return false;
  if (kind == FORM_METATABLE) {
    *word = "metatable";
    *len = 9;
    if (!lua_istable(L, -1) || !lua_getmetatable(L, -1)) lua_pushnil(L);
    lua_remove(L, -2);
    return true;
  }
  if (kind != FORM_FIELD && kind != FORM_UPVALUE) return false;
  if (kind == FORM_UPVALUE) number = ti_buffer_get_varint(steps);
  n = ti_buffer_get_varint(steps);
  if (steps->failed || n > ti_buffer_left(steps)) return false;
  *len = (size_t)n;
  *word = (const char *)ti_buffer_get(steps, *len);
  if (kind == FORM_FIELD)
    push_field(L, *word, *len);
  else
    push_upvalue(L, number, *word, *len);
  lua_remove(L, -2);
  return true;
}
