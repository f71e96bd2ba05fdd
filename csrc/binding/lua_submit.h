/*
** binding/lua_submit: submits for the Lua half, with options and seeds.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_BINDING_LUA_SUBMIT_H
#define TI_BINDING_LUA_SUBMIT_H

#include "binding/lua_binding.h"

TI_BINDING_BEGIN

/* Submits the function at `fn` with the values above it as arguments, and leaves the future. The
** futures' metatable is at index `meta`; 0: unknown. A quiet future never warns. [-n, +1, e] */
int ti_lua_submit_task(lua_State *L, tide_executor *ex, int fn, const tide_taskopts *o, bool quiet,
                       int meta);

/* core.submit(ex, quiet, options, fn, ...) -> future
**
** options: nil, or a table with priority, name, time_limit and memory_limit. [-n, +1, e] */
int ti_lua_submit_plain(lua_State *L);
/* core.submit_seeded(seed, number, ex, quiet, options, fn, ...) -> future
**
** Seeds the random numbers of the task. An integer seed: from it and the next number of the counter
** `number`, an array of one i64 or u64. A string, of core.map_seed: as item `number` of that map.
** [-n, +1, e] */
int ti_lua_submit_seeded(lua_State *L);
/* core.map_seed(ex [, seed]) -> the seed of a map, as a string, or nil
**
** It is made of the integer or, without one, of the executor's seed. nil: there is neither.
** [-n, +1, e] */
int ti_lua_submit_map_seed(lua_State *L);

TI_BINDING_END

#endif
