/*
** binding/lua_map_iterator: the iterator that a map returns.
**
** The logic of a map is in Lua (tidepool.map), on a state of its own. This userdata stands for that
** state. It gives out the items of a *run* itself: they have one result each, and nothing else has
** to be done for them. Every other step calls the state.
**
** The results of a run are a table, or the flat results of a future (lua_map_results.h). Flat
** results are read from the message into memory that is used again for each run. They become Lua
** values one by one.
**
** Strings of flat results stay in the message, so the iterator holds a reference to the future. The
** future's userdata would not do: it may be finalized before the iterator, in a closing state.
**
** Invariant: 0 <= pos <= last. While pos < last, item pos + 1 of the run is given out next.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_future_handle.h"
#include "binding/lua_map_results.h"

/* User values: the table of the run's results; the state; the userdata that is `memory`. */
enum { VALUES = 1, STATE, MEMORY };

struct map_box {
  lua_Integer pos, last; /* of the run: the item given out last, the last item */
  lua_Integer offset;    /* the index of an item minus its place in the run */
  tide_value *memory;    /* flat results; NULL before the first */
  lua_Integer capacity;  /* how many results fit into `memory` */
  lua_Integer loaded;    /* results of `held` in `memory`; 0: none, VALUES counts */
  tide_future *held;     /* a reference: the future that was loaded last; or NULL */
  bool collected;        /* its finalizer has run */
};

/* Returns the iterator in argument 1. Scripts may call metamethods with any value. [-0, +0, e] */
static struct map_box *check(lua_State *L) {
  struct map_box *m = (struct map_box *)ti_lua_support_check_udata(L, 1, TI_LUA_MAP);
  if (m->collected) ti_lua_support_arg_error(L, 1, "the map is collected already");
  return m;
}

/* ------------------------------------------------------------------ values -- */

/* Returns how many results of state:NAME(iterator) lie above the iterator. [-0, +0, -] */
static int state_called(lua_State *L, int status, lua_KContext unused) {
  (void)status;
  (void)unused;
  return lua_gettop(L) - 1;
}

/* Calls state:NAME(iterator) and returns all its results. It may yield: it may call the script's
** iterator functions. [-0, +n, e] */
static int call_state(lua_State *L, const char *name) {
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, STATE);
  lua_getfield(L, 2, name);
  lua_insert(L, 2);
  lua_pushvalue(L, 1);
  lua_callk(L, 2, LUA_MULTRET, 0, state_called);
  return state_called(L, LUA_OK, 0);
}

/* it() -> the index and the results of the next item, or nil */
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

/* Calls state:close(iterator, err) when a generic for ends. err: nil unless an error ends it. */
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

/* core.map_state(value) -> the state of an iterator, nil for other values */
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

/* Ends the run, and releases the future that is loaded. */
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

/* core.map_load(iterator, future): loads flat results for map_run, map_value and map_move */
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

/* core.map_value(iterator, i) -> the loaded result i */
int ti_lua_map_iterator_value(lua_State *L) {
  struct map_box *m = check(L);
  lua_Integer i = luaL_checkinteger(L, 2);
  luaL_argcheck(L, 1 <= i && i <= m->loaded, 2, "not loaded");
  tide_pushvalue(L, ti_lua_map_results_at(m->memory, i));
  return 1;
}

/* core.map_move(iterator, from, to, table, offset): sets table[offset + i] to the loaded result i,
** for i = from, …, to */
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

/* core.map_run(iterator, values, pos, last, offset): begins a run of the results pos + 1, …, last
**
** values: the table that has them; nil: they are loaded. */
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

/* core.map_pause(iterator) -> the place of the item given out last, or nil if there is no run
**
** Ends the run. Flat results stay loaded. */
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
