/*
** binding/lua_map_iterator: the iterator that a map returns.
**
** What a map does is written in Lua (tidepool.map), on a state of its own. This userdata stands
** for it and gives out by itself what costs most if Lua does it: the items of a *run*, which have
** one result each and of which nothing else needs to be done. All other steps go to the state.
**
** The results of a run are a table, or a *flat* answer: a future whose values are, behind FLAT of
** them, the results themselves, nothing but scalars. Those are read straight from the message
** into memory that is used again for each run, and become Lua values one by one.
**
** Strings of a flat answer are read where the message has them, so the iterator holds the future
** itself: in a finalizer, or while the state closes, its userdata may have been finalised before.
**
** Invariant: 0 <= pos <= last; while pos < last, the item pos + 1 of the run is the next to be
** given.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_future_handle.h"
#include "binding/lua_map_results.h"

/* User values: the run's results, a table or a future; the state's table; the memory of `flat`. */
enum { VALUES = 1, STATE, MEMORY };

struct map_box {
  lua_Integer pos, last; /* of the run: the item given last, the last one */
  lua_Integer offset;    /* the index of an item less its place in the run */
  tide_value *memory;    /* in MEMORY: the values of flat answers; NULL before the first */
  lua_Integer capacity;  /* how many results fit into `memory` */
  lua_Integer loaded;    /* those it has of `held`; 0: VALUES is a table or nil */
  tide_future *held;     /* a reference: what was loaded last; or NULL */
  bool collected;        /* its finalizer has run */
};

/* Argument 1. Metamethods do not count on how they are called, so this is looked at each time. */
static struct map_box *check(lua_State *L) {
  struct map_box *m = (struct map_box *)ti_lua_support_check_udata(L, 1, TI_LUA_MAP);
  if (m->collected) ti_lua_support_arg_error(L, 1, "the map is collected already");
  return m;
}

/* ------------------------------------------------------------------ values -- */

/* What state:NAME(iterator) returned lies above the iterator. [-0, +0, -] */
static int state_called(lua_State *L, int status, lua_KContext unused) {
  (void)status;
  (void)unused;
  return lua_gettop(L) - 1;
}

/* state:NAME(iterator) with all results; may yield, as an iterator function that is read may.
** [-0, +n, e] */
static int call_state(lua_State *L, const char *name) {
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, STATE);
  lua_getfield(L, 2, name);
  lua_insert(L, 2);
  lua_pushvalue(L, 1);
  lua_callk(L, 2, LUA_MULTRET, 0, state_called);
  return state_called(L, LUA_OK, 0);
}

/* it() -> the next item's index and results, or nil */
static int map_call(lua_State *L) {
  struct map_box *m = (struct map_box *)lua_touserdata(L, 1);
  if (!m || !lua_getmetatable(L, 1) || !lua_rawequal(L, -1, lua_upvalueindex(2))) m = check(L);
  if (m->pos == m->last) {
    check(L);
    return call_state(L, "step");
  }
  m->pos++;
  if (m->loaded > 0) {
    lua_pushinteger(L, m->offset + m->pos);
    tide_pushvalue(L, ti_lua_map_results_at(m->memory, m->pos));
  } else {
    lua_getiuservalue(L, 1, VALUES);
    lua_pushinteger(L, m->offset + m->pos);
    lua_rawgeti(L, -2, m->pos);
  }
  return 2;
}

static int state_closed(lua_State *L, int status, lua_KContext unused) {
  (void)L;
  (void)status;
  (void)unused;
  return 0;
}

/* state:close(iterator, err), when a generic for is left; err is nil unless that is by an error */
static int map_close(lua_State *L) {
  check(L);
  lua_settop(L, 2);
  lua_getiuservalue(L, 1, STATE);
  lua_insert(L, 1);
  lua_getfield(L, 1, "close");
  lua_insert(L, 1);
  lua_callk(L, 3, 0, 0, state_closed);
  return 0;
}

/* core.map(state) -> its iterator */
int ti_lua_map_iterator_new(lua_State *L) {
  struct map_box *m;
  luaL_checktype(L, 1, LUA_TTABLE);
  m = (struct map_box *)lua_newuserdatauv(L, sizeof *m, 3);
  m->pos = m->last = m->offset = m->capacity = m->loaded = 0;
  m->memory = NULL;
  m->held = NULL;
  m->collected = false;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, STATE);
  ti_lua_map_iterator_push_class(L);
  lua_setmetatable(L, -2);
  return 1;
}

/* core.map_state(value) -> the state of an iterator; nil for other values */
int ti_lua_map_iterator_state(lua_State *L) {
  const struct map_box *m = (const struct map_box *)luaL_testudata(L, 1, TI_LUA_MAP);
  if (!m)
    lua_pushnil(L);
  else if (m->collected)
    return luaL_error(L, "the map is collected already");
  else
    lua_getiuservalue(L, 1, STATE);
  return 1;
}

/* What is loaded is let go. */
static void unload(struct map_box *m) {
  tide_future *f = m->held;
  m->held = NULL;
  m->pos = m->last = m->loaded = 0;
  if (f) tide_future_rele(f);
}

static int map_gc(lua_State *L) {
  struct map_box *m = (struct map_box *)luaL_testudata(L, 1, TI_LUA_MAP);
  if (!m) return 0;
  m->collected = true;
  m->memory = NULL;
  unload(m);
  return 0;
}

/* ---------------------------------------------------------------- the run -- */

/* core.map_load(iterator, future): a flat answer is what map_run, map_value, map_move are about */
int ti_lua_map_iterator_load(lua_State *L) {
  struct map_box *m = check(L);
  tide_future *f = ti_lua_future_handle_check(L, 2)->f;
  struct ti_lua_map_head head;
  lua_Integer count;
  ti_lua_map_results_read_head(f, &head);
  count = head.flat;
  luaL_argcheck(L, count > 0, 2, "no flat results");
  unload(m);
  if (!m->memory || m->capacity < count) {
    m->memory = NULL;
    m->memory = (tide_value *)lua_newuserdatauv(
        L, sizeof(tide_value) * ti_lua_map_results_capacity(count), 0);
    m->capacity = count;
    lua_setiuservalue(L, 1, MEMORY);
  }
  lua_pushnil(L);
  lua_setiuservalue(L, 1, VALUES);
  m->held = tide_future_hold(f);
  ti_lua_map_results_load(f, m->memory, count);
  m->loaded = count;
  return 0;
}

/* core.map_value(iterator, i) -> result i of the answer that is loaded */
int ti_lua_map_iterator_value(lua_State *L) {
  struct map_box *m = check(L);
  lua_Integer i = luaL_checkinteger(L, 2);
  luaL_argcheck(L, 1 <= i && i <= m->loaded, 2, "not loaded");
  tide_pushvalue(L, ti_lua_map_results_at(m->memory, i));
  return 1;
}

/* core.map_move(iterator, from, to, table, offset): table[offset + i] becomes result i of the
** answer that is loaded, for i = from, …, to */
int ti_lua_map_iterator_move(lua_State *L) {
  struct map_box *m = check(L);
  lua_Integer from = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3);
  lua_Integer offset = luaL_checkinteger(L, 5);
  luaL_argcheck(L, 1 <= from && to <= m->loaded, 2, "not loaded");
  luaL_checktype(L, 4, LUA_TTABLE);
  for (lua_Integer i = from; i <= to; i++) {
    tide_pushvalue(L, ti_lua_map_results_at(m->memory, i));
    lua_rawseti(L, 4, offset + i);
  }
  return 0;
}

/* core.map_run(iterator, values, pos, last, offset): the results pos + 1, …, last are given next;
** `values` has them, or, if it is nil, the answer that is loaded */
int ti_lua_map_iterator_run(lua_State *L) {
  struct map_box *m = check(L);
  lua_Integer pos = luaL_checkinteger(L, 3), last = luaL_checkinteger(L, 4);
  lua_Integer offset = luaL_checkinteger(L, 5);
  luaL_argcheck(L, 0 <= pos && pos <= last, 4, "no such run");
  if (lua_istable(L, 2)) {
    m->loaded = 0;
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, 1, VALUES);
  } else {
    luaL_argcheck(L, last <= m->loaded, 2, "not loaded");
  }
  m->pos = pos;
  m->last = last;
  m->offset = offset;
  return 0;
}

/* core.map_pause(iterator) -> ends the run; the place of the item given last, or nil if there is
** no run. What is loaded stays. */
int ti_lua_map_iterator_pause(lua_State *L) {
  struct map_box *m = check(L);
  if (m->last == 0) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushinteger(L, m->pos);
  m->pos = m->last = 0;
  if (m->loaded == 0) {
    lua_pushnil(L);
    lua_setiuservalue(L, 1, VALUES);
  }
  return 1;
}

/* ------------------------------------------------------------------ class -- */

static const luaL_Reg methods[] = {{NULL, NULL}};

static const luaL_Reg metamethods[] = {{"__gc", map_gc}, {"__close", map_close}, {NULL, NULL}};

static const struct ti_lua_class map_class = {TI_LUA_MAP, metamethods, methods, NULL, NULL, NULL};

void ti_lua_map_iterator_push_class(lua_State *L) {
  ti_lua_support_push_class(L, &map_class);
  if (lua_getfield(L, -1, "__call") == LUA_TNIL) {
    lua_pushliteral(L, "__call");
    lua_pushvalue(L, -3);
    lua_pushcclosure(L, map_call, 2);
    lua_setfield(L, -3, "__call");
  }
  lua_pop(L, 1);
}
