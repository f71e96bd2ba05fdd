/*
** binding/lua_map_results: what the task of a map's chunk returns.
**
** The only writer and the only reader of this format. The worker's half of a map writes it
** (lua_map_worker, tidepool.map.worker). The map's half reads it (lua_map_iterator, lua_unseen,
** tidepool.map.pending_chunk). The Lua files pass the tables on.
**
** Terms:
**   row           the results of one item
**   full results  rows in tables, which are decoded as a whole
**   flat results  rows of one scalar each, which are read from the message one by one
**
** Format: the values of a finished task, in this order.
**
**                full                                      flat
**   1  seconds   that the chunk took                       the same
**   2  values    list: the first result of each item       false
**   3  multi     table: rows without just one result;      the number of results
**                nil: none
**   4  failed    table: the failures; nil: none            nil
**   5  parts     list: the parts; nil: none                the same
**   6…           (none)                                    the results
**
** Where an item has no row of one result, `values` has false. `multi` has 0 for an empty row and
** table.pack's table for a row of several. `failed[i]` is { err =, traceback = }. A part is
** { future =, started =, count =, batch = }; the parts are in the order of their items, which come
** after those of the chunk itself.
** A chunk that was cancelled before its first item returns no values.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_BINDING_LUA_MAP_RESULTS_H
#define TI_BINDING_LUA_MAP_RESULTS_H

#include "binding/lua_binding.h"

TI_BINDING_BEGIN

enum {
  TI_LUA_MAP_RESULTS_SECONDS,
  TI_LUA_MAP_RESULTS_VALUES,
  TI_LUA_MAP_RESULTS_MULTI,
  TI_LUA_MAP_RESULTS_FAILED,
  TI_LUA_MAP_RESULTS_PARTS,
  TI_LUA_MAP_RESULTS_HEAD /* how many values come before flat results */
};

/* -------------------------------------------------------------- writing -- */

/* Makes the n results on top the row of item i. `values` and `multi` are the indices of the tables.
** Returns whether the row is a scalar, or empty; other rows it may be impossible to send.
** [-n, +0, m] */
bool ti_lua_map_results_put_row(lua_State *L, int values, int multi, lua_Integer i, int n);
/* core.map_clear(values, multi, i): removes the row of item i, which has failed [-n, +0, e] */
int ti_lua_map_results_clear(lua_State *L);
/* core.map_pack(seconds, values, multi, failed, parts, count, scalars) -> what the task returns
**
** count: how many items have a row. scalars: whether all rows are scalars or empty. `multi` may be
** empty, `failed` and `parts` nil. [-n, +m, e] */
int ti_lua_map_results_pack(lua_State *L);

/* -------------------------------------------------------------- reading -- */

/* What is known of a chunk's results without decoding them. */
struct ti_lua_map_head {
  double seconds;   /* 0 if it was not measured */
  lua_Integer flat; /* the number of flat results; -1: not flat, or there are parts */
  bool more;        /* there are failures or parts */
};

/* Reads the head of the results of a done future. Without a success of that format, *head is as for
** a chunk without failures and parts. Never blocks. */
void ti_lua_map_results_read_head(const tide_future *f, struct ti_lua_map_head *head);

/* core.map_flat(future) -> the seconds, if it has flat results and no parts; else nil
** [-1, +1, e] */
int ti_lua_map_results_flat(lua_State *L);
/* core.map_unpack(ok, ...) -> ok, seconds, values, multi, failed, parts; or false, err
**
** The arguments are what the future's pcall returned. Flat results become a list. [-n, +m, e] */
int ti_lua_map_results_unpack(lua_State *L);
/* core.map_row(values, multi, i) -> the results of item i, which has not failed
**
** `multi` may be nil. [-3, +n, e] */
int ti_lua_map_results_row(lua_State *L);

/* Returns how many tide_value ti_lua_map_results_load needs for `count` flat results. */
static inline size_t ti_lua_map_results_capacity(lua_Integer count) {
  return TI_LUA_MAP_RESULTS_HEAD + (size_t)count;
}
/* Reads `count` flat results into memory. Strings live as long as the future. */
void ti_lua_map_results_load(const tide_future *f, tide_value *memory, lua_Integer count);
/* Returns flat result i, counted from 1, of what was loaded. */
static inline const tide_value *ti_lua_map_results_at(const tide_value *memory, lua_Integer i) {
  return &memory[TI_LUA_MAP_RESULTS_HEAD + i - 1];
}

TI_BINDING_END

#endif
