/*
** binding/lua_map_worker: what a worker does for each item of a map's chunk.
**
** The policy is in Lua (tidepool.map.worker). This file has the inner loop: one protected call for
** a run of items instead of one for each item. A run ends early if an item raises, if the map is
** cancelled, or if the chunk has run for some time while other workers are idle.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_future_handle.h"
#include "binding/lua_map_results.h"

#include <limits.h>
#include <time.h>

/* The clock that is read before each item. A coarse one is cheap, and good enough to tell when to
** read the exact one. */
#ifdef CLOCK_MONOTONIC_COARSE
#define TICKS CLOCK_MONOTONIC_COARSE
#else
#define TICKS CLOCK_MONOTONIC
#endif

/* Arguments of core.run_items and of the protected function `items`. */
enum { FN = 1, HANDLER, CANCEL, SINCE, VALUES, MULTI, WIDTH, FROM, TO, COLUMNS };

enum ending { DONE, STOPPED, REBALANCE, FAILED };
static const char *const endings[] = {"done", "stopped", "rebalance", "failed"};

struct run {
  const tide_future *cancel; /* once it is done, the results are not needed */
  tide_executor *ex;         /* of this worker; NULL: no rebalancing */
  double since;              /* how long this chunk may run before others may get a share */
  struct timespec tick;      /* the coarse clock when `since` was compared last */
  lua_Integer at, last;      /* the item that runs, the last one */
  int width;                 /* arguments per item; -1: a table has each item's */
  int ncolumns;
  bool seeded;  /* each item's random numbers begin by themselves */
  bool scalars; /* all rows until now are scalars or empty */
  double took;  /* REBALANCE: the seconds that the last item took at least */
  enum ending ending;
};

/* --------------------------------------------------------- rebalancing -- */

/* Returns whether a new task would start at once: nothing is queued, and a worker is idle or may
** still be started. */
static bool others_idle(tide_executor *ex) {
  tide_stats st;
  tide_executor_stats(ex, &st);
  return st.queued == 0 && (st.idle > 0 || st.workers < st.max_workers);
}

static double seconds(const struct timespec *t) {
  return (double)t->tv_sec + (double)t->tv_nsec * 1e-9;
}

/* Returns whether the chunk should be divided: its time is up, and other workers are idle. Reads
** the exact clock only if the coarse one has moved since the last call. */
static bool rebalance_due(struct run *r) {
  struct timespec now, step;
  clock_gettime(TICKS, &now);
  if (now.tv_nsec == r->tick.tv_nsec && now.tv_sec == r->tick.tv_sec) return false;
  clock_getres(TICKS, &step);
  r->took = seconds(&now) - seconds(&r->tick) - seconds(&step);
  r->tick = now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return seconds(&now) >= r->since && others_idle(r->ex);
}

/* ----------------------------------------------------------- the items -- */

/* Pushes the arguments of the item that runs. Returns how many. [-0, +n, m] */
static int push_arguments(lua_State *L, const struct run *r) {
  int width = r->width;
  if (width < 0) {
    lua_rawgeti(L, WIDTH, r->at);
    width = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    if (width > r->ncolumns) width = r->ncolumns;
  }
  for (int c = 0; c < width; c++) lua_rawgeti(L, COLUMNS + c, r->at);
  return width;
}

/* Protected: runs items. Takes the arguments of core.run_items, with the struct run in place of the
** handler. [-0, +0, e] */
static int items(lua_State *L) {
  struct run *r = (struct run *)lua_touserdata(L, HANDLER);
  lua_Integer first = r->at;
  int base = lua_gettop(L);
  luaL_checkstack(L, r->ncolumns + 4, "too many arguments");
  for (; r->at <= r->last; r->at++) {
    if (tide_future_status(r->cancel) >= TIDE_FINISHED) {
      r->ending = STOPPED;
      return 0;
    }
    if (r->ex && r->at > first && r->at < r->last && rebalance_due(r)) {
      r->ending = REBALANCE;
      return 0;
    }
    if (r->seeded) tide_current_item(L, (lua_Unsigned)(r->at - 1));
    lua_pushvalue(L, FN);
    lua_call(L, push_arguments(L, r), LUA_MULTRET);
    if (!ti_lua_map_results_put_row(L, VALUES, MULTI, r->at, lua_gettop(L) - base))
      r->scalars = false;
  }
  r->ending = DONE;
  return 0;
}

/* core.run_items(fn, handler, cancel, since, values, multi, width, from, to, ...)
**   -> ending, at, scalars, error
**
** Calls fn for items `from` to `to`. Their arguments are the columns that follow. Their results go
** into `values` and `multi`, see lua_map_results.h. How it ends:
**   done       all items were called
**   failed     item `at` raised; `error` is what the handler returned
**   stopped    the promise `cancel` was done before item `at`
**   rebalance  the time `since` (of core.now; nil: never) has passed, and other workers are idle;
**              item `at` is next; `error` is the seconds that the last item took at least
** scalars: whether all rows are scalars or empty. */
int ti_lua_map_worker_run_items(lua_State *L) {
  struct run r;
  int top = lua_gettop(L);
  r.cancel = ti_lua_future_handle_check(L, CANCEL)->f;
  r.ex = lua_isnil(L, SINCE) ? NULL : tide_current_executor(L);
  r.since = r.ex ? (double)luaL_checknumber(L, SINCE) : 0;
  luaL_checktype(L, VALUES, LUA_TTABLE);
  luaL_checktype(L, MULTI, LUA_TTABLE);
  r.width = lua_istable(L, WIDTH) ? -1 : (int)luaL_checkinteger(L, WIDTH);
  r.at = luaL_checkinteger(L, FROM);
  r.last = luaL_checkinteger(L, TO);
  r.ncolumns = top - COLUMNS + 1;
  luaL_argcheck(L, r.width <= r.ncolumns, WIDTH, "more than there are columns");
  for (int c = COLUMNS; c <= top; c++) luaL_checktype(L, c, LUA_TTABLE);
  clock_gettime(TICKS, &r.tick);
  r.seeded = tide_current_stream(L, NULL, NULL) != 0;
  r.scalars = true;
  r.took = 0;
  r.ending = FAILED;
  luaL_checkstack(L, 6, NULL);
  lua_pushvalue(L, HANDLER);
  lua_insert(L, 1);
  lua_pushcfunction(L, items);
  lua_insert(L, 2);
  lua_pushlightuserdata(L, &r);
  lua_replace(L, 2 + HANDLER);
  if (lua_pcall(L, top, 0, 1) == LUA_OK) lua_pushnumber(L, (lua_Number)r.took);
  lua_pushstring(L, endings[r.ending]);
  lua_pushinteger(L, r.at);
  lua_pushboolean(L, r.scalars);
  lua_rotate(L, -4, 3);
  return 4;
}

/* core.offer(priority, name, offset, fn, ...) -> future
**
** Submits items of the chunk that runs here to this worker's executor. The first of them comes
** `offset` items after the chunk's first. Never waits: a full queue refuses it. */
int ti_lua_map_worker_offer(lua_State *L) {
  tide_executor *ex = tide_current_executor(L);
  struct ti_lua_future *b;
  tide_taskopts o;
  if (!ex) return luaL_error(L, "not in a worker");
  tide_taskopts_init(&o);
  o.priority = (int)luaL_checkinteger(L, 1);
  o.name = luaL_optstring(L, 2, NULL);
  o.nowait = 1;
  if (tide_current_stream(L, &o.stream, &o.number)) {
    o.seeding = TIDE_SEED_ITEM;
    o.number += (lua_Unsigned)luaL_checkinteger(L, 3);
  }
  ti_lua_support_check_task(L, 4);
  b = ti_lua_future_new(L, 0);
  lua_insert(L, 4);
  b->f = tide_submit(ex, L, lua_gettop(L) - 5, &o);
  b->seen = true;
  return 1;
}

/* --------------------------------------------------------------- lists -- */

/* core.list(n) -> an empty table with memory for n items */
int ti_lua_map_worker_list(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  lua_createtable(L, n > 0 && n < INT_MAX ? (int)n : 0, 0);
  return 1;
}

/* core.slice(list, from, count [, into]) -> table, numbers
**
** Copies items from, …, from + count - 1 of a list to 1, …, count of a table: a new one, or `into`,
** which has as many. numbers: whether all of them are numbers, booleans or nil. */
int ti_lua_map_worker_slice(lua_State *L) {
  lua_Integer from = luaL_checkinteger(L, 2), count = luaL_checkinteger(L, 3);
  bool raw, numbers = true;
  lua_settop(L, 4);
  raw = lua_istable(L, 1) && luaL_getmetafield(L, 1, "__index") == LUA_TNIL;
  lua_settop(L, 4);
  if (!lua_istable(L, 4)) {
    lua_createtable(L, count < INT_MAX ? (int)count : 0, 0);
    lua_replace(L, 4);
  }
  for (lua_Integer i = 1; i <= count; i++) {
    int t = raw ? lua_rawgeti(L, 1, from + i - 1) : lua_geti(L, 1, from + i - 1);
    if (t != LUA_TNUMBER && t != LUA_TBOOLEAN && t != LUA_TNIL) numbers = false;
    lua_rawseti(L, 4, i);
  }
  lua_pushboolean(L, numbers);
  return 2;
}
