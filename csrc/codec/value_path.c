/*
** codec/value_path: the path to a value that cannot be sent.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/value_path.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdarg.h>
#include <stdbool.h>

#include "luautil/error.h"

/* Of a longer path the first and the last steps are shown. */
#define SHOWN_FIRST 12
#define SHOWN_LAST 4

static bool is_identifier(const char *s, size_t len) {
  if (len == 0 || len > 60 || isdigit((unsigned char)s[0])) return false;
  for (size_t i = 0; i < len; i++)
    if (!isalnum((unsigned char)s[i]) && s[i] != '_') return false;
  return true;
}

/* Pushes a table's key as a script writes it after the table: `.name`, `[3]`. [-0, +1, m] */
static void push_key(lua_State *L, int idx, bool first) {
  size_t len;
  const char *s;
  switch (lua_type(L, idx)) {
    case LUA_TSTRING:
      s = lua_tolstring(L, idx, &len);
      if (is_identifier(s, len))
        lua_pushfstring(L, first ? "%s" : ".%s", s);
      else
        lua_pushfstring(L, "[\"%s\"]", len > 60 ? "..." : s);
      break;
    case LUA_TNUMBER:
      lua_pushvalue(L, idx); /* lua_tostring would change the key itself */
      lua_pushfstring(L, "[%s]", lua_tostring(L, -1));
      lua_remove(L, -2);
      break;
    case LUA_TBOOLEAN: lua_pushfstring(L, "[%s]", lua_toboolean(L, idx) ? "true" : "false"); break;
    default: lua_pushfstring(L, "[%s]", luaL_typename(L, idx));
  }
}

/* Pushes the words of one step. [-0, +1, m] */
static void push_step(lua_State *L, const struct ti_value_path *s) {
  bool first_field = s->up == NULL || s->up->kind != STEP_FIELD;
  const char *sep = s->up != NULL ? ", " : "";
  switch (s->kind) {
    case STEP_NAMED:
      if (s->number > 0)
        lua_pushfstring(L, "%s%s %I", sep, s->text, (LUAI_UACINT)s->number);
      else
        lua_pushfstring(L, "%s%s", sep, s->text);
      break;
    case STEP_FIELD:
      if (s->key != 0)
        push_key(L, s->key, first_field);
      else
        lua_pushfstring(L, "[%I]", (LUAI_UACINT)s->number);
      if (first_field) {
        lua_pushfstring(L, "%sfield %s", sep, lua_tostring(L, -1));
        lua_remove(L, -2);
      }
      break;
    case STEP_KEY: lua_pushfstring(L, "%sa key", sep); break;
    case STEP_UPVALUE:
      if (s->text == NULL || s->text[0] == '\0')
        lua_pushfstring(L, "%supvalue %I", sep, (LUAI_UACINT)s->number);
      else
        lua_pushfstring(L, "%supvalue %s", sep, s->text);
      break;
    case STEP_GLOBAL: lua_pushfstring(L, "%sglobal %s", sep, s->text); break;
    case STEP_METATABLE: lua_pushfstring(L, "%smetatable", sep); break;
  }
}

int ti_value_path_refuse(lua_State *L, const struct ti_value_path *s, const char *fmt, ...) {
  const struct ti_value_path *first[SHOWN_FIRST], *last[SHOWN_LAST];
  int depth = 0, all, nfirst = 0, nlast = 0, pieces = 0;
  va_list ap;
  luaL_checkstack(L, SHOWN_FIRST + SHOWN_LAST + 12, NULL);
  for (const struct ti_value_path *p = s; p != NULL; p = p->up) depth++;
  all = depth;
  for (const struct ti_value_path *p = s; p != NULL; p = p->up, depth--) {
    if (depth <= SHOWN_FIRST)
      first[depth - 1] = p, nfirst = nfirst < depth ? depth : nfirst;
    else if (nlast < SHOWN_LAST)
      last[nlast++] = p;
  }
  for (int i = 0; i < nfirst; i++, pieces++) push_step(L, first[i]);
  if (all > SHOWN_FIRST + SHOWN_LAST) {
    lua_pushliteral(L, " ... ");
    pieces++;
  }
  while (nlast > 0) {
    push_step(L, last[--nlast]);
    pieces++;
  }
  lua_pushliteral(L, ": ");
  va_start(ap, fmt);
  lua_pushvfstring(L, fmt, ap);
  va_end(ap);
  lua_concat(L, pieces + 2);
  ti_error_wrap(L, TIDE_ETRANSFER);
  return lua_error(L);
}
