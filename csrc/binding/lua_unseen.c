/*
** binding/lua_unseen: warnings of failures that no script has read.
**
** A failed future warns when it is collected, unless its outcome was read. A map keeps the futures
** of its chunks to itself. Each has its owner in its user value until it is decoded: its pending
** chunk (tidepool.map.pending_chunk). Such a future warns of its items. A chunk succeeds although
** items in it failed. If the map never read it, the function that pending_chunk registers warns of
** those items.
**
** Finalizers call this file: it raises nothing outside a protected call.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_future_handle.h"
#include "binding/lua_map_results.h"

/* Its address is the registry's key of the function that core.on_unseen registers. */
static const char opener_key = 0;

/* Returns an integer field of the table on top. [-0, +0, m] */
static lua_Integer get_count(lua_State *L, const char *name) {
  lua_Integer n;
  lua_pushstring(L, name);
  lua_rawget(L, -2);
  n = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return n;
}

/* Pushes words for what failed in the future in argument 1. [-0, +1, m] */
static void push_subject(lua_State *L, const struct ti_lua_future *b) {
  lua_Integer first, count;
  if (b->item == TI_LUA_NOITEM || b->nvalues >= 0 ||
      lua_getiuservalue(L, 1, TI_LUA_FUTURE_OWNER) != LUA_TTABLE) {
    const char *name = tide_future_name(b->f);
    lua_settop(L, 1);
    if (name)
      lua_pushfstring(L, "task '%s' failed and its error was never read", name);
    else
      lua_pushliteral(L, "a task failed and its error was never read");
    return;
  }
  first = get_count(L, "first");
  count = get_count(L, "count");
  lua_settop(L, 1);
  if (count > 1)
    lua_pushfstring(L, "items %I to %I of a map failed and their errors were never read", first,
                    first + count - 1);
  else
    lua_pushfstring(L, "item %I of a map failed and its error was never read", first);
}

static void warn(lua_State *L, const char *subject, const char *text) {
  lua_warning(L, "tidepool: ", 1);
  lua_warning(L, subject, 1);
  lua_warning(L, ": ", 1);
  lua_warning(L, text, 0);
}

/* Protected: (future): warns that it failed. */
static int warn_future(lua_State *L) {
  const struct ti_lua_future *b = (struct ti_lua_future *)lua_touserdata(L, 1);
  push_subject(L, b);
  tide_pushtraceback(L, b->f);
  if (lua_isnil(L, -1)) {
    int n;
    tide_pushoutcome(L, b->f, &n);
    luaL_tolstring(L, -1, NULL);
  }
  warn(L, lua_tostring(L, 2), lua_tostring(L, -1));
  return 0;
}

/* Protected: (future): calls the registered function, which warns of the items in it. */
static int open_chunk(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &opener_key);
  lua_getiuservalue(L, 1, TI_LUA_FUTURE_OWNER);
  lua_pushvalue(L, 1);
  lua_call(L, 2, 0);
  return 0;
}

void ti_lua_unseen_warn_all(lua_State *L, const struct ti_lua_future *b) {
  struct ti_lua_map_head head;
  int outcome;
  lua_CFunction what = warn_future;
  if (b->seen) return;
  outcome = tide_future_outcome(b->f);
  if (outcome == TIDE_EINVALIDSTATE || outcome == TIDE_ECANCELLED) return;
  if (outcome == TIDE_OK) {
    if (b->item != TI_LUA_CHUNK || b->nvalues >= 0) return;
    ti_lua_map_results_read_head(b->f, &head);
    if (!head.more) return;
    what = open_chunk;
  }
  lua_pushcfunction(L, what);
  lua_pushvalue(L, 1);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1); /* no memory: no warning */
}

/* core.own(future, owner): makes the future that of a map's items
**
** owner: a table with `first`, `count` and, if the task runs a single item, `direct`. */
int ti_lua_unseen_own(lua_State *L) {
  struct ti_lua_future *b = ti_lua_future_handle_check(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  lua_pushliteral(L, "direct");
  lua_rawget(L, 2);
  b->item = lua_toboolean(L, -1) ? TI_LUA_ITEM : TI_LUA_CHUNK;
  b->seen = false;
  lua_pop(L, 1);
  if (b->nvalues < 0) lua_setiuservalue(L, 1, TI_LUA_FUTURE_OWNER);
  return 0;
}

/* core.peek(future) -> whether a done future failed, whether its chunk has failed items or parts,
** the seconds that it took. This does not count as reading the outcome. */
int ti_lua_unseen_peek(lua_State *L) {
  const tide_future *f = ti_lua_future_handle_check(L, 1)->f;
  struct ti_lua_map_head head;
  ti_lua_map_results_read_head(f, &head);
  lua_pushboolean(L, tide_future_outcome(f) != TIDE_OK);
  lua_pushboolean(L, head.more);
  lua_pushnumber(L, (lua_Number)head.seconds);
  return 3;
}

/* core.drop(future): releases a future of a map that needs it no more. The collector does not see
** the memory of its results, so it would free them late. */
int ti_lua_unseen_drop(lua_State *L) {
  struct ti_lua_future *b = ti_lua_future_handle_check(L, 1);
  tide_future_rele(b->f);
  b->f = NULL;
  return 0;
}

/* core.warn(subject, text): warns as for a future that failed unseen */
int ti_lua_unseen_warn(lua_State *L) {
  warn(L, luaL_checkstring(L, 1), luaL_checkstring(L, 2));
  return 0;
}

/* core.on_unseen(fn): registers fn(owner, future), to be called for chunks that no map has read */
int ti_lua_unseen_register(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &opener_key);
  return 0;
}
