/*
** binding/lua_binding: what the files of the Lua binding share.
**
** The binding includes only tidepool.h. A userdata is made before the resource that it will own, so
** that an error in between leaks nothing. The methods of a class are in a table of their own beside
** its metatable. The Lua half adds methods to it.
**
** Terms:
**   class    a metatable, its methods in a table of their own, and how its userdata are sent
**   box      a userdata that owns a resource, before and after it has it
**   pump     calling the done-callbacks that are due
**   Lua half the Lua files of the library, in lua/tidepool
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_BINDING_LUA_BINDING_H
#define TI_BINDING_LUA_BINDING_H

#include <lua.h>
#include <lauxlib.h>
#include <stdbool.h>

#include "include/tidepool.h"

/* Around the declarations of each header of this folder, after its includes: what is not of the API
** is not exported. */
#if defined(__GNUC__)
#define TI_BINDING_BEGIN _Pragma("GCC visibility push(hidden)")
#define TI_BINDING_END _Pragma("GCC visibility pop")
#else
#define TI_BINDING_BEGIN
#define TI_BINDING_END
#endif

TI_BINDING_BEGIN

#define TI_LUA_EXECUTOR "tidepool.executor"
#define TI_LUA_FUTURE "tidepool.future"
#define TI_LUA_GROUP "tidepool.group"
#define TI_LUA_CALLBACK "tidepool.callback"
#define TI_LUA_SHARE "tidepool.share"
#define TI_LUA_MAP "tidepool.map"
#define TI_LUA_ARRAY "tidepool.array"

/* ------------------------------------------------------------- support -- */

struct ti_lua_class {
  const char *name;
  const luaL_Reg *metamethods;
  const luaL_Reg *methods;    /* in a table of their own, the metatable's __index */
  lua_CFunction missing;      /* the __index of the methods' table; or NULL */
  const tide_reftype *type;   /* how userdata are sent by reference; NULL: they cannot be sent */
  void (*made)(lua_State *L); /* pushes the metatable of what the methods make; or NULL */
};

/* Pushes the metatable of a class. Makes it at the first call of a state. [-0, +1, m] */
void ti_lua_support_push_class(lua_State *L, const struct ti_lua_class *c);

/* Adds functions to the table on top. Each has its name as upvalue. [-0, +0, m] */
void ti_lua_support_set_functions(lua_State *L, const luaL_Reg *r);

/* Like luaL_error, with the position of tide_pushwhere: the script's line, never one of the
** library's files. Never returns. [-0, +0, e] */
int ti_lua_support_error(lua_State *L, const char *fmt, ...);
/* Like luaL_argerror and luaL_typeerror, for functions whose upvalue is their name, however they
** are called. The self of a method does not count as an argument. Never return. [-0, +0, e] */
int ti_lua_support_arg_error(lua_State *L, int arg, const char *extra);
int ti_lua_support_type_error(lua_State *L, int arg, const char *expected);
/* Pushes and returns the name of the type of the value at idx: its metatable's `__name`, or Lua's.
** [-0, +1, m] */
const char *ti_lua_support_push_type_name(lua_State *L, int idx);
/* Returns the userdata in argument 1 if it is of the class whose method or metamethod runs, else
** NULL. Faster than a test by name. For functions that are in the lists of a class and nowhere
** else. [-0, +0, -] */
void *ti_lua_support_self(lua_State *L);
/* Where a method has the metatable of what its class makes. */
#define TI_LUA_MADE lua_upvalueindex(3)
/* Returns the userdata of a class in argument `arg`. Raises an error if it is none. [-0, +0, e] */
void *ti_lua_support_check_udata(lua_State *L, int arg, const char *name);

/* Pushes a table of the state from the addresses of objects to their userdata, for classes with one
** userdata for each object and state. `key` is its key in the registry. The values are weak. In a
** closing state, a userdata that is found may be finalized. [-0, +1, m] */
void ti_lua_support_push_handles(lua_State *L, const void *key);

/* Raises an error object of a kind, or a string for a code that is no kind. message: NULL for the
** usual one. Never returns. [-0, +0, e] */
int ti_lua_support_raise(lua_State *L, int kind, const char *message);

/* Converts seconds to a timeout: math.huge is forever, negative numbers are 0. Returns false for
** NaN. */
bool ti_lua_support_timeout(lua_Number seconds, double *timeout);
/* Returns the timeout in argument `arg`. None and nil are forever. [-0, +0, e] */
double ti_lua_support_opt_timeout(lua_State *L, int arg);

/* Returns whether argument `arg` is a function, or a table or userdata that has `__call`.
** [-0, +0, m] */
bool ti_lua_support_is_callable(lua_State *L, int arg);
/* Returns NULL unless the value at idx, read as a sequence, would hide its contents: its length is
** 0, but it has keys, or items that only `__index` finds. Then pushes and returns words to follow
** "got" in an error message. Calls its metamethods `__pairs` and `__index`. [-0, +(0|1), e] */
const char *ti_lua_support_push_dictionary(lua_State *L, int idx);

/* Raises an error unless argument `arg` can be a task: a callable, or a string "module.function".
** [-0, +0, e] */
void ti_lua_support_check_task(lua_State *L, int arg);

/* ------------------------------------------------------------- version -- */

/* Raises an error unless the Lua that runs is 5.4.4 or later of 5.4, with integers and floats of 64
** bits. Relies on nothing else of that Lua. [-0, +0, e] */
void ti_lua_version_check(lua_State *L);
/* The part of it that checks the release. ident: Lua's lua_ident. If it is NULL or names no
** release, the behaviour of Lua is tested. [-0, +0, e] */
void ti_lua_version_check_release(lua_State *L, const char *ident);

/* ------------------------------------------------------------ executor -- */

/* Pushes the executors' metatable. [-0, +1, m] */
void ti_lua_executor_push_class(lua_State *L);
/* Pushes an empty executor userdata. The caller stores a user's reference in it. [-0, +1, m] */
tide_executor **ti_lua_executor_new_box(lua_State *L);

/* core.executor(config, initializer, finalizer, ...) -> executor [-n, +1, e] */
int ti_lua_config_new_executor(lua_State *L);

/* -------------------------------------------------------------- future -- */

struct ti_lua_future; /* lua_future_handle.h */

/* Pushes the futures' metatable. [-0, +1, m] */
void ti_lua_future_push_class(lua_State *L);
/* Pushes an empty future userdata, to be filled by the caller. Their metatable is at index `meta`;
** 0: unknown. [-0, +1, m] */
struct ti_lua_future *ti_lua_future_new(lua_State *L, int meta);
/* core.future() -> a promise [-0, +1, e] */
int ti_lua_future_new_promise(lua_State *L);

/* --------------------------------------------------------------- trace -- */

/* Remembers the traceback on top, a string or nil, for the error at err. [-1, +0, m] */
void ti_lua_trace_remember(lua_State *L, int err);
/* tidepool.traceback, core.remember [-n, +m, e] */
int ti_lua_trace_traceback(lua_State *L);
int ti_lua_trace_remember_of(lua_State *L);

/* -------------------------------------------------------------- unseen -- */

/* Warns of the future in argument 1, which is being collected, if it failed and its outcome was not
** read. Never raises an error. [-0, +0, -] */
void ti_lua_unseen_warn_all(lua_State *L, const struct ti_lua_future *b);
/* core.own, core.peek, core.drop, core.warn, core.on_unseen [-n, +m, e] */
int ti_lua_unseen_own(lua_State *L);
int ti_lua_unseen_peek(lua_State *L);
int ti_lua_unseen_drop(lua_State *L);
int ti_lua_unseen_warn(lua_State *L);
int ti_lua_unseen_register(lua_State *L);

/* --------------------------------------------------------------- group -- */

/* core.group() -> an empty group [-0, +1, e] */
int ti_lua_group_new(lua_State *L);

/* --------------------------------------------------------------- share -- */

/* core.share(value) -> a handle [-1, +1, e] */
int ti_lua_share_new(lua_State *L);

/* ----------------------------------------------------------------- map -- */

/* What a worker does with a chunk of items: core.run_items, core.offer. [-n, +m, e] */
int ti_lua_map_worker_run_items(lua_State *L);
int ti_lua_map_worker_offer(lua_State *L);
/* core.list, core.slice [-n, +m, e] */
int ti_lua_map_worker_list(lua_State *L);
int ti_lua_map_worker_slice(lua_State *L);
/* A map's iterator: core.map, core.map_load, core.map_value, … [-n, +m, e] */
int ti_lua_map_iterator_new(lua_State *L);
int ti_lua_map_iterator_load(lua_State *L);
int ti_lua_map_iterator_value(lua_State *L);
int ti_lua_map_iterator_move(lua_State *L);
int ti_lua_map_iterator_state(lua_State *L);
int ti_lua_map_iterator_run(lua_State *L);
int ti_lua_map_iterator_pause(lua_State *L);
/* Pushes the maps' metatable. [-0, +1, m] */
void ti_lua_map_iterator_push_class(lua_State *L);

/* --------------------------------------------------------------- array -- */

/* Pushes the table of the arrays' methods. [-0, +1, m] */
void ti_lua_array_push_methods(lua_State *L);
/* core.array(type, count | string | table | array) -> array [-n, +1, e] */
int ti_lua_array_bulk_new(lua_State *L);

/* ------------------------------------------------------------ callback -- */

/* f:add_done_callback(fn) [-2, +0, e] */
int ti_lua_callback_add(lua_State *L);
/* Calls the callbacks of the futures that are done. Returns the number of those futures. Callbacks
** may wait, submit and pump. [-0, +0, m] */
int ti_lua_callback_pump(lua_State *L);
/* Pumps until the callbacks of b, which is done, have been called. If a callback runs now, returns
** without calling any. [-0, +0, e] */
void ti_lua_callback_pump_done(lua_State *L, const struct ti_lua_future *b);

TI_BINDING_END

#endif
