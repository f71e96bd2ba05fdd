/*
** tidepool, floor 4: lua_binding, what the files of the Lua binding share.
**
** The binding speaks only tidepool.h. Handles are userdata made before the
** resource they will own, so that an error in between leaks nothing. Methods
** live in a table of their own beside each metatable; the Lua side adds to it.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_LUA_BINDING_H
#define TIDE_LUA_BINDING_H

#include <lua.h>
#include <lauxlib.h>
#include <stdbool.h>

#include "tidepool.h"

#if defined(__GNUC__)
#pragma GCC visibility push(hidden)
#endif

#define TIDE_LUA_EXECUTOR "tidepool.executor"
#define TIDE_LUA_FUTURE "tidepool.future"
#define TIDE_LUA_GROUP "tidepool.group"
#define TIDE_LUA_SHARE "tidepool.share"
#define TIDE_LUA_MAP "tidepool.map"
#define TIDE_LUA_ARRAY "tidepool.array"

/* A future's userdata. Its user value: the decoded outcome, if that is more than plain values.
** There may be very many: small. */
struct tide_lua_future {
  tide_future *f;        /* a reference; NULL before it is filled and once collected */
  int nvalues;           /* decoded values in the user value; -1: none is kept */
  unsigned char outcome; /* valid once decoded: TIDE_OK, TIDE_EERROR or a kind */
  bool watched : 1;      /* is in the state's callback group */
  bool seen : 1;         /* someone looked at the outcome, or will: no warning when collected */
  bool decoded : 1;      /* once, and not kept: see decode */
  bool task : 1;         /* a submit made it here: this state is who is told of its failure */
  unsigned char item;    /* whether a map made it: TIDE_LUA_NOITEM, … */
};

/* A future that scripts see; a map's for one item; a map's for a chunk of items. */
enum { TIDE_LUA_NOITEM, TIDE_LUA_ITEM, TIDE_LUA_CHUNK };
#define TIDE_LUA_OWNER 1 /* user value of a map's future: its ticket, until it is decoded */

/* ------------------------------------------------------------- support -- */

struct tide_lua_class {
  const char *name;
  const luaL_Reg *metamethods;
  const luaL_Reg *methods;    /* in a table of their own, the metatable's __index */
  lua_CFunction missing;      /* the methods' own __index; or NULL */
  const tide_reftype *type;   /* makes them sendable; or NULL */
  void (*made)(lua_State *L); /* pushes the metatable of what the methods make; or NULL */
};

/* Pushes the metatable of a class; a state's first call makes it. [-0, +1, m] */
void tide_lua_pushclass(lua_State *L, const struct tide_lua_class *c);

/* Adds functions to the table on top, each with its name as upvalue. [-0, +0, m] */
void tide_lua_setfunctions(lua_State *L, const luaL_Reg *r);

/* luaL_error with the place of tide_pushwhere: the script's line, and none of the library's files.
** Never returns. [-0, +0, e] */
int tide_lua_error(lua_State *L, const char *fmt, ...);
/* luaL_argerror and luaL_typeerror for methods, metamethods and functions that know their own names
** (their upvalue), however they are called. A method does not count its self. Never return.
** [-0, +0, e] */
int tide_lua_argerror(lua_State *L, int arg, const char *extra);
int tide_lua_typeerror(lua_State *L, int arg, const char *expected);
/* Pushes the type of the value at idx in words: its metatable's `__name`, or Lua's. [-0, +1, m] */
const char *tide_lua_pushtypename(lua_State *L, int idx);
/* The userdata in argument 1 if it is of the class whose method or metamethod is running, else
** NULL: quicker than by name. For functions that are in a class's lists and nowhere else.
** [-0, +0, -] */
void *tide_lua_self(lua_State *L);
/* Where a method has the metatable of what its class makes. */
#define TIDE_LUA_MADE lua_upvalueindex(3)
/* The userdata of a class in argument `arg`. [-0, +0, e] */
void *tide_lua_checkudata(lua_State *L, int arg, const char *name);

/* Pushes the state's table, address of an object -> its userdata, that is in the registry under
** `key`, for classes with one userdata per object and state. The userdata are weak: what is found
** may be finalised already, in a closing state. [-0, +1, m] */
void tide_lua_pushhandles(lua_State *L, const void *key);

/* Raises an error object of a kind, or a plain error for a code without one. `message` may be
** NULL for the usual one. Never returns. [-0, +0, e] */
int tide_lua_raise(lua_State *L, int kind, const char *message);

/* A number of seconds as a timeout: math.huge is forever, negative is 0; false for NaN. */
bool tide_lua_timeout(lua_Number seconds, double *timeout);
/* The timeout in argument `arg`: absent and nil are forever. [-0, +0, e] */
double tide_lua_opttimeout(lua_State *L, int arg);

/* Whether argument `arg` is a function, or a table or userdata that has `__call`. [-0, +0, m] */
bool tide_lua_iscallable(lua_State *L, int arg);
/* Whether the table or userdata at idx, taken for a sequence, would hide what it holds: it has no
** items by its length, but keys, or items that only `__index` finds. Then pushes words for
** "got …". Calls the metamethods `__pairs` and `__index` of such. [-0, +(0|1), e] */
const char *tide_lua_pushdictionary(lua_State *L, int idx);

/* Checks that argument `arg` can be run: a callable or a string "module.function". [-0, +0, e] */
void tide_lua_checktask(lua_State *L, int arg);

/* ------------------------------------------------------------- version -- */

/* Raises, in words, unless the Lua that runs is 5.4.4 or later of 5.4, with integers and floats of
** 64 bits. Takes nothing for granted of it. [-0, +0, e] */
void tide_lua_checkversion(lua_State *L);
/* The part of it that looks at the release of a Lua 5.4, which says `ident` of itself. NULL, or
** words without a release: by what Lua does. [-0, +0, e] */
void tide_lua_checkrelease(lua_State *L, const char *ident);

/* ------------------------------------------------------------ executor -- */

/* Pushes the executors' metatable. [-0, +1, m] */
void tide_lua_pushexecutorclass(lua_State *L);
/* The executor in argument `arg`; borrowed from its userdata. [-0, +0, e] */
tide_executor *tide_lua_checkexecutor(lua_State *L, int arg);
/* Pushes an empty executor userdata; the caller fills it with a user's reference. [-0, +1, m] */
tide_executor **tide_lua_newexecutorbox(lua_State *L);
/* core.submit(executor, quiet, priority, name, fn, ...) [-n, +1, e] */
int tide_lua_submit(lua_State *L);
/* core.submit_seeded, core.map_seed [-n, +1, e] */
int tide_lua_submitseeded(lua_State *L);
int tide_lua_mapseed(lua_State *L);

/* core.executor(config, initializer, finalizer, ...) [-n, +1, e] */
int tide_lua_newexecutor(lua_State *L);

/* -------------------------------------------------------------- future -- */

/* Pushes the futures' metatable. [-0, +1, m] */
void tide_lua_pushfutureclass(lua_State *L);
/* Pushes an empty future userdata, to be filled by the caller. Their metatable is at index `meta`;
** 0: it is looked up. [-0, +1, m] */
struct tide_lua_future *tide_lua_newfuture(lua_State *L, int meta);
/* The future in argument `arg`. [-0, +0, e] */
struct tide_lua_future *tide_lua_checkfuture(lua_State *L, int arg);
/* core.future(): a promise. [-0, +1, e] */
int tide_lua_newpromise(lua_State *L);
/* Whether it is finished or cancelled. */
bool tide_lua_done(const struct tide_lua_future *b);

/* --------------------------------------------------------------- trace -- */

/* Remembers the traceback on top, a string or nil, for the error at err. [-1, +0, m] */
void tide_lua_remember(lua_State *L, int err);
/* tidepool.traceback, core.remember [-n, +m, e] */
int tide_lua_traceback(lua_State *L);
int tide_lua_rememberof(lua_State *L);

/* -------------------------------------------------------------- unseen -- */

/* Warns of the future in argument 1, which is collected, if it failed and nobody looked. Never
** raises. [-0, +0, -] */
void tide_lua_warnunseen(lua_State *L, const struct tide_lua_future *b);
/* core.own, core.peek, core.drop, core.warn, core.on_unseen [-n, +m, e] */
int tide_lua_own(lua_State *L);
int tide_lua_peek(lua_State *L);
int tide_lua_drop(lua_State *L);
int tide_lua_warn(lua_State *L);
int tide_lua_onunseen(lua_State *L);

/* --------------------------------------------------------------- group -- */

/* Pushes a new group userdata; its user value keeps the added userdata alive. [-0, +1, e] */
void tide_lua_pushgroup(lua_State *L);
/* Adds the future userdata at `fut` to the group at `idx` under `key`, which stands for it
** until it is taken: false if `key` is in there already. [-0, +0, e] */
bool tide_lua_groupadd(lua_State *L, int idx, int fut, const void *key);
/* Takes the next finished one: pushes its userdata, or false and nothing. [-0, +(0|1), m] */
bool tide_lua_grouptake(lua_State *L, int idx);
/* Sleeps until one of the group at `idx` is finished, if it has any. False: none will be.
** [-0, +0, e] */
bool tide_lua_groupawait(lua_State *L, int idx);
/* Frees the group at `idx` if it is empty; whether it was. [-0, +0, -] */
bool tide_lua_groupclose(lua_State *L, int idx);
/* core.group() [-0, +1, e] */
int tide_lua_newgroup(lua_State *L);

/* --------------------------------------------------------------- share -- */

/* core.share(value) -> a handle [-1, +1, e] */
int tide_lua_newshare(lua_State *L);

/* ----------------------------------------------------------------- map -- */

/* What a worker does with a chunk of items: core.run_items, core.offer. [-n, +m, e] */
int tide_lua_runitems(lua_State *L);
int tide_lua_offer(lua_State *L);
/* core.list, core.slice [-n, +m, e] */
int tide_lua_list(lua_State *L);
int tide_lua_slice(lua_State *L);
/* A map's iterator: core.map, core.map_state, …; core.flat. [-n, +m, e] */
int tide_lua_newmap(lua_State *L);
int tide_lua_flat(lua_State *L);
int tide_lua_mapload(lua_State *L);
int tide_lua_mapvalue(lua_State *L);
int tide_lua_mapmove(lua_State *L);
int tide_lua_mapstate(lua_State *L);
int tide_lua_maprun(lua_State *L);
int tide_lua_mappause(lua_State *L);
/* Pushes the maps' metatable. [-0, +1, m] */
void tide_lua_pushmapclass(lua_State *L);

/* --------------------------------------------------------------- array -- */

/* Pushes the table of the arrays' methods. [-0, +1, m] */
void tide_lua_pusharraymethods(lua_State *L);
/* core.array(type, count | string | table | array) [-n, +1, e] */
int tide_lua_newarray(lua_State *L);

/* ------------------------------------------------------------ callback -- */

/* f:add_done_callback(fn) [-2, +0, e] */
int tide_lua_adddonecallback(lua_State *L);
/* Calls the callbacks of the futures that finished since; how many futures. Callbacks may
** wait, submit and pump again. [-0, +0, m] */
int tide_lua_pump(lua_State *L);
/* The same, and when it returns the callbacks of b, which is done, have been called; unless a
** callback runs now. [-0, +0, e] */
void tide_lua_pumpdone(lua_State *L, const struct tide_lua_future *b);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#endif
