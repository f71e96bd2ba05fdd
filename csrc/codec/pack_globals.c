/*
** codec/pack_globals: the globals that functions name into a message.
**
** Names that are surely those of globals (bytecode_flow.h) are looked up in the function's
** environment when it is written. If the value of one cannot be sent, the message is refused. Names
** that are only maybe such come at the end of a loose message. One whose value cannot be sent is
** left out.
**
** P->globals is a table: [i] the names in order, [name] the values, [true] a list and set of the
** environments, other than the table of globals, in which names are looked up.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <string.h>

#include "luautil/error.h"
#include "codec/cfunction.h"
#include "codec/cfunction_index.h"
#include "codec/pack_impl.h"
#include "codec/scalar.h"

/* A chain of more environments than this is taken for a circle. */
enum { MOST_ENVIRONMENTS = 100 };

/* Makes the table P->globals on first use. */
static void need_table(struct ti_packer *P) {
  if (!lua_isnil(P->L, P->globals)) return;
  lua_newtable(P->L);
  lua_replace(P->L, P->globals);
}

/* Replaces the name on top by the global that has it in the environment at env, or nil. Returns its
** type. Follows the tables of __index as Lua does, then tries the table of globals itself. Calls
** nothing: an __index that is a function may raise, log, or define what is looked up.
** [-1, +1, -] */
static int find_global(struct ti_packer *P, int env) {
  lua_State *L = P->L;
  int name = lua_gettop(L);
  bool was_globals = false;
  lua_pushvalue(L, env);
  for (int i = 0; i < MOST_ENVIRONMENTS; i++) {
    was_globals = was_globals || lua_topointer(L, -1) == P->env;
    lua_pushvalue(L, name);
    if (lua_rawget(L, -2) != LUA_TNIL) break;
    lua_settop(L, name + 1);
    if (!lua_getmetatable(L, -1)) break;
    lua_pushliteral(L, "__index");
    if (lua_rawget(L, -2) != LUA_TTABLE) {
      lua_settop(L, name + 1);
      break;
    }
    lua_replace(L, name + 1);
    lua_settop(L, name + 1);
  }
  if (lua_gettop(L) == name + 1) {
    if (was_globals) {
      lua_pushnil(L);
    } else {
      lua_pushglobaltable(L);
      lua_pushvalue(L, name);
      lua_rawget(L, -2);
    }
  }
  lua_replace(L, name);
  lua_settop(L, name);
  return lua_type(L, name);
}

/* Returns whether the name on top is listed. [-0, +0, -] */
static bool is_listed(struct ti_packer *P) {
  bool listed;
  lua_pushvalue(P->L, -1);
  listed = lua_rawget(P->L, P->globals) != LUA_TNIL;
  lua_pop(P->L, 1);
  return listed;
}

/* Lists the value on top and its name below it. [-2, +0, m] */
static void list(struct ti_packer *P) {
  lua_State *L = P->L;
  lua_pushvalue(L, -2);
  lua_rawseti(L, P->globals, (lua_Integer)lua_rawlen(L, P->globals) + 1);
  lua_rawset(L, P->globals);
}

/* Remembers the environment at env, if it is not the table of globals. Names that are only maybe
** those of globals are looked up there, too. [-0, +0, m] */
static void note_environment(struct ti_packer *P, int env) {
  lua_State *L = P->L;
  if (lua_topointer(L, env) == P->env) return;
  lua_pushboolean(L, 1);
  if (lua_rawget(L, P->globals) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushboolean(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, P->globals);
  }
  lua_pushvalue(L, env);
  if (lua_rawget(L, -2) == LUA_TNIL) {
    lua_pushvalue(L, env);
    lua_pushboolean(L, 1);
    lua_rawset(L, -4);
    lua_pushvalue(L, env);
    lua_rawseti(L, -3, (lua_Integer)lua_rawlen(L, -3) + 1);
  }
  lua_pop(L, 2);
}

void ti_pack_globals_note(struct ti_packer *P, const struct ti_code *c) {
  lua_State *L = P->L;
  int env = lua_gettop(L);
  struct ti_cursor names;
  if (c->nglobals == 0 && c->nmaybe == 0) return;
  if (c->nglobals > 0 || lua_topointer(L, env) != P->env) need_table(P);
  if (c->nmaybe > 0) note_environment(P, env);
  ti_buffer_cursor_init(&names, c->data, c->globals_len);
  for (size_t i = 0; i < c->nglobals; i++) {
    size_t len = (size_t)ti_buffer_get_varint(&names);
    lua_pushlstring(L, (const char *)ti_buffer_get(&names, len), len);
    if (!is_listed(P)) {
      lua_pushvalue(L, -1);
      if (find_global(P, env) != LUA_TNIL) list(P);
    }
    lua_settop(L, env);
  }
}

/* Prepares the global on top, which only the program may have, so that the index of paths knows it.
** For an initializer, which may be about to set that global, puts its path and returns true. The
** receiver then does not follow the path. [-0, +0, e] */
static bool pack_own(struct ti_packer *P) {
  lua_State *L = P->L;
  int value = lua_gettop(L);
  lua_CFunction fn = lua_tocfunction(L, value);
  void *object = NULL;
  if (!P->rules->objects && P->style != PACK_OPENING) return false;
  if (fn == NULL && !lua_istable(L, value)) return false;
  ti_pack_name_index(P);
  if (!ti_cfunction_maybe(L, value, P->xidx)) return false;
  ti_cfunction_index_refresh(L, P->xidx, false);
  if (ti_cfunction_find(L, value, P->xidx))
    lua_pop(L, 1);
  else
    ti_cfunction_index_refresh(L, P->xidx, true); /* it became one after the index was made */
  if (fn != NULL) memcpy(&object, &fn, sizeof object);
  return !P->rules->objects && ti_pack_name_path(P, value, object);
}

/* Puts those listed from number `from` on; the list may grow meanwhile. Returns the number that
** comes next. */
static lua_Integer pack_listed(struct ti_packer *P, lua_Integer from) {
  lua_State *L = P->L;
  for (; lua_rawgeti(L, P->globals, from) != LUA_TNIL; from++) {
    struct ti_value_path at = {NULL, STEP_GLOBAL, 0, 0, NULL};
    size_t len;
    at.text = lua_tolstring(L, -1, &len);
    ti_scalar_put_string(P->b, at.text, len);
    lua_pushvalue(L, -1);
    lua_rawget(L, P->globals);
    if (!pack_own(P)) ti_pack_value(P, lua_gettop(L), &at);
    lua_pop(L, 2);
  }
  lua_pop(L, 1);
  return from;
}

/* ------------------------------------------------------- names that may be some -- */

/* Protected: puts those listed from a number on. (packer, codec state, globals, kept, number) ->
** number that comes next */
static int try_listed(lua_State *L) {
  struct ti_packer *P = (struct ti_packer *)lua_touserdata(L, 1);
  P->xidx = 2;
  P->globals = 3;
  P->kept = 4;
  P->stack_end = 0;
  lua_pushinteger(L, pack_listed(P, lua_tointeger(L, 5)));
  if (P->b->failed) ti_pack_no_memory(P);
  return 1;
}

/* Removes those listed from number `from` on. */
static void unlist(struct ti_packer *P, lua_Integer from) {
  lua_State *L = P->L;
  for (lua_Integer i = (lua_Integer)lua_rawlen(L, P->globals); i >= from; i--) {
    lua_rawgeti(L, P->globals, i);
    lua_pushnil(L);
    lua_rawset(L, P->globals);
    lua_pushnil(L);
    lua_rawseti(L, P->globals, i);
  }
}

/* Puts those listed from number `from` on, the first of which is only maybe a global, and what they
** name. If one of them cannot be sent, restores the message. Raises errors that say nothing of the
** values: out of memory, and requests to stop. Returns the number that comes next. */
static lua_Integer try_maybe(struct ti_packer *P, lua_Integer from) {
  lua_State *L = P->L;
  const struct ti_pack_rebuild *open = P->open;
  const struct ti_pack_opened *opened = P->opened, *boundary = P->boundary;
  const int depth = P->depth, stack_end = P->stack_end, top = lua_gettop(L);
  const int transfer = P->xidx, globals = P->globals, kept = P->kept;
  const size_t start = P->b->len;
  int status, kind;
  luaL_checkstack(L, 8, NULL);
  lua_pushcfunction(L, try_listed);
  lua_pushlightuserdata(L, P);
  lua_pushvalue(L, P->xidx);
  lua_pushvalue(L, P->globals);
  lua_pushvalue(L, P->kept);
  lua_pushinteger(L, from);
  status = lua_pcall(L, 5, 1, 0);
  P->depth = depth;
  P->stack_end = stack_end;
  P->open = open;
  P->opened = opened;
  P->boundary = boundary;
  P->xidx = transfer;
  P->globals = globals;
  P->kept = kept;
  if (status == LUA_OK) {
    from = lua_tointeger(L, -1);
  } else {
    if (P->restart) lua_error(L);
    ti_pack_guard_lua_end(P); /* a __transfer may have raised it */
    kind = ti_error_kind(L, -1);
    if (status == LUA_ERRMEM || P->b->failed || (kind != TIDE_OK && kind != TIDE_ETRANSFER))
      lua_error(L);
    unlist(P, from);
    ti_memo_forget(&P->memo, start);
    P->recent.used = false;
    P->b->len = start;
  }
  lua_settop(L, top);
  return from;
}

/* Pushes the global that has the name on top in an environment of the message, or nil. Returns its
** type. [-0, +1, -] */
static int find_anywhere(struct ti_packer *P) {
  lua_State *L = P->L;
  int name = lua_gettop(L), envs = name + 1;
  lua_pushboolean(L, 1);
  if (lua_rawget(L, P->globals) == LUA_TTABLE) {
    for (lua_Integer i = 1; lua_rawgeti(L, envs, i) != LUA_TNIL; i++) {
      lua_pushvalue(L, name);
      if (find_global(P, envs + 1) != LUA_TNIL) {
        lua_replace(L, envs);
        lua_settop(L, envs);
        return lua_type(L, envs);
      }
      lua_settop(L, envs);
    }
  }
  lua_settop(L, name);
  lua_pushglobaltable(L);
  lua_pushvalue(L, name);
  (void)find_global(P, envs);
  lua_replace(L, envs);
  return lua_type(L, envs);
}

/* Puts the globals that code c maybe names. Returns the number that comes next in the list. */
static lua_Integer pack_maybe(struct ti_packer *P, const struct ti_code *c, lua_Integer from) {
  lua_State *L = P->L;
  int top = lua_gettop(L);
  struct ti_cursor names;
  ti_buffer_cursor_init(&names, c->data, c->globals_len);
  for (size_t i = 0; i < c->nglobals + c->nmaybe; i++) {
    size_t len = (size_t)ti_buffer_get_varint(&names);
    const char *name = (const char *)ti_buffer_get(&names, len);
    if (i < c->nglobals) continue;
    lua_pushlstring(L, name, len);
    if (!is_listed(P) && find_anywhere(P) != LUA_TNIL) {
      list(P);
      from = try_maybe(P, from);
    }
    lua_settop(L, top);
  }
  return from;
}

void ti_pack_globals_put(struct ti_packer *P) {
  lua_Integer next = 1;
  luaL_checkstack(P->L, 20, NULL);
  if (!lua_isnil(P->L, P->globals)) next = pack_listed(P, next);
  if (P->loose) {
    need_table(P);
    for (size_t i = 0; i < P->m->nparts; i++) { /* their number may grow meanwhile */
      const struct ti_message_part *part = ti_message_part(P->m, i);
      if (part->type == &ti_code_part)
        next = pack_maybe(P, (const struct ti_code *)part->object, next);
    }
    ti_pack_tag(P, WIRE_LOOSE);
  }
  ti_pack_tag(P, WIRE_END);
}
