/*
** binding/lua_future: futures as scripts see them.
**
** The userdata holds a reference. The outcome is decoded once, at the first
** look, and kept in a user value, so every look gives the same values (scalars, which
** are equal anyway, are not kept, and long strings only from the second look on). Futures that a
** submit or tidepool.future() made here warn when they are collected failed and unseen; those that
** were sent here do not, their sender sees to it.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_future_handle.h"

#define LARGE (64 << 10) /* bytes; from here on strings are lent */

static struct ti_lua_future *totest(lua_State *L, int idx) {
  return (struct ti_lua_future *)luaL_testudata(L, idx, TI_LUA_FUTURE);
}

/* The same for the self of a method. */
static struct ti_lua_future *self(lua_State *L) {
  struct ti_lua_future *b = (struct ti_lua_future *)ti_lua_support_self(L);
  return b && b->f ? b : ti_lua_future_handle_check(L, 1);
}

struct ti_lua_future *ti_lua_future_new(lua_State *L, int meta) {
  struct ti_lua_future *b;
  luaL_checkstack(L, 4, NULL);
  b = (struct ti_lua_future *)lua_newuserdatauv(L, sizeof *b, 1);
  b->f = NULL;
  b->outcome = TIDE_EINVALIDSTATE;
  b->nvalues = -1;
  b->watched = b->seen = b->decoded = b->task = false;
  b->item = TI_LUA_NOITEM;
  if (meta != 0)
    lua_pushvalue(L, meta);
  else
    ti_lua_future_push_class(L);
  lua_setmetatable(L, -2);
  return b;
}

void tide_pushfuture(lua_State *L, tide_future *f) {
  struct ti_lua_future *b = ti_lua_future_new(L, 0);
  b->f = tide_future_hold(f);
  b->seen = true;
}

int ti_lua_future_new_promise(lua_State *L) {
  struct ti_lua_future *b = ti_lua_future_new(L, 0);
  int status = tide_promise_new(&b->f);
  if (status != TIDE_OK) return ti_lua_support_raise(L, status, NULL);
  return 1;
}

/* ------------------------------------------------------------- looking -- */

/* Waits for the future in argument 1, then pumps. False if the time passed first. [-0, +0, e] */
static bool await(lua_State *L, struct ti_lua_future *b, double timeout) {
  int status = TIDE_OK;
  if (!ti_lua_future_handle_done(b)) status = tide_future_wait(b->f, L, timeout);
  if (status == TIDE_OK && b->watched)
    ti_lua_callback_pump_done(L, b);
  else
    ti_lua_callback_pump(L);
  if (status != TIDE_OK && status != TIDE_ETIMEOUT) ti_lua_support_raise(L, status, NULL);
  return status == TIDE_OK;
}

/* Keeps the n values from `first` on, which are popped, for the future in argument 1. [-n, +0,
** m] */
static void keep(lua_State *L, struct ti_lua_future *b, int first, int n) {
  if (n != 1) {
    luaL_checkstack(L, 2, NULL);
    lua_createtable(L, n, 0);
    lua_insert(L, first);
    for (int i = n; i >= 1; i--) lua_rawseti(L, first, i);
  }
  lua_setiuservalue(L, 1, TI_LUA_FUTURE_OUTCOME);
  b->nvalues = n;
}

/* Whether the outcome is large, and all of it strings and other scalars, which are equal whenever
** they are decoded. */
static bool is_large_and_plain(const tide_future *f) {
  enum { MOST = 8 };
  tide_value v[MOST];
  size_t n;
  if (tide_future_weight(f) < LARGE || tide_future_values(f, v, MOST, &n) != TIDE_OK || n > MOST)
    return false;
  for (size_t i = 0; i < n; i++)
    if (v[i].type == TIDE_TOTHER) return false;
  return true;
}

/* Decodes the outcome of the future in argument 1 into its user value; true: just pushes the *n
** values, and keeps them only if somebody looks again: what a future keeps, its finalizer keeps
** alive for another cycle. [-0, +(0|n), e] */
static bool decode(lua_State *L, struct ti_lua_future *b, int *n) {
  int base = lua_gettop(L), outcome = tide_pushoutcome(L, b->f, n);
  if (b->nvalues >= 0) { /* what rebuilds a value, or a finalizer, looked at it meanwhile */
    lua_settop(L, base);
    return false;
  }
  b->outcome = (unsigned char)outcome;
  if (!b->decoded && is_large_and_plain(b->f)) {
    b->decoded = true;
    return true;
  }
  keep(L, b, base + 1, *n);
  return false;
}

/* Pushes the values or the error of the done future in argument 1; how many. Scalars, which are
** equal each time, are decoded each time and not kept. [-0, +n, e] */
static int pushvalues(lua_State *L, struct ti_lua_future *b) {
  int i, list;
  b->seen = true;
  if (b->nvalues < 0) {
    int base = lua_gettop(L), plain = tide_pushplain(L, b->f, &i);
    if (plain != 0) b->outcome = TIDE_OK;
    if (plain == 1) return i;
    if (plain == 2)
      keep(L, b, base + 1, i);
    else if (decode(L, b, &i))
      return i;
  }
  luaL_checkstack(L, b->nvalues + 1, "too many results");
  lua_getiuservalue(L, 1, TI_LUA_FUTURE_OUTCOME);
  if (b->nvalues == 1) return 1;
  list = lua_gettop(L);
  for (i = 1; i <= b->nvalues; i++) lua_rawgeti(L, list, i);
  lua_remove(L, list);
  return b->nvalues;
}

/* The error on top is given to the script: its traceback can be found by it from now on. [-0, +0,
** m] */
static void remember(lua_State *L, const struct ti_lua_future *b) {
  tide_pushtraceback(L, b->f);
  ti_lua_trace_remember(L, -2);
}

/* Pushes the error object for a time that passed first. [-0, +1, m] */
static void pushtimeout(lua_State *L, double timeout) {
  lua_pushfstring(L, "the future is not done after %f seconds", (lua_Number)timeout);
  tide_pusherror(L, TIDE_ETIMEOUT, lua_tostring(L, -1));
  lua_remove(L, -2);
}

/* f:result([timeout]) -> the task's values, or raises its error */
static int f_result(lua_State *L) {
  struct ti_lua_future *b = self(L);
  double timeout = ti_lua_support_opt_timeout(L, 2);
  int n;
  if (!await(L, b, timeout)) {
    pushtimeout(L, timeout);
    return lua_error(L);
  }
  n = pushvalues(L, b);
  if (b->outcome == TIDE_OK) return n;
  remember(L, b);
  return lua_error(L);
}

/* f:pcall([timeout]) -> true and the values, or false and the error */
static int f_pcall(lua_State *L) {
  struct ti_lua_future *b = self(L);
  double timeout = ti_lua_support_opt_timeout(L, 2);
  int n, at;
  if (!await(L, b, timeout)) {
    lua_pushboolean(L, 0);
    pushtimeout(L, timeout);
    return 2;
  }
  lua_pushboolean(L, 0);
  at = lua_gettop(L);
  n = pushvalues(L, b);
  if (b->outcome == TIDE_OK) {
    lua_pushboolean(L, 1);
    lua_replace(L, at);
  } else {
    remember(L, b);
  }
  return n + 1;
}

/* f:exception([timeout]) -> nil, or the error; raises kind cancelled */
static int f_exception(lua_State *L) {
  struct ti_lua_future *b = self(L);
  double timeout = ti_lua_support_opt_timeout(L, 2);
  if (!await(L, b, timeout)) {
    pushtimeout(L, timeout);
    return lua_error(L);
  }
  pushvalues(L, b);
  if (b->outcome == TIDE_ECANCELLED) return lua_error(L);
  if (b->outcome == TIDE_OK)
    lua_pushnil(L);
  else if (lua_isnil(L, -1))
    lua_pushliteral(L, "<no error object>");
  else
    remember(L, b);
  return 1;
}

/* f:traceback() -> the worker's traceback of a failed task, or nil; never waits */
static int f_traceback(lua_State *L) {
  struct ti_lua_future *b = self(L);
  if (!ti_lua_future_handle_done(b)) {
    lua_pushnil(L);
  } else {
    b->seen = true;
    tide_pushtraceback(L, b->f);
  }
  return 1;
}

/* f:wait([timeout]) -> true when done, false when the time passed first */
static int f_wait(lua_State *L) {
  struct ti_lua_future *b = self(L);
  lua_pushboolean(L, await(L, b, ti_lua_support_opt_timeout(L, 2)));
  return 1;
}

/* --------------------------------------------------------------- state -- */

/* f:cancel() -> true if it had not started, or was cancelled already */
static int f_cancel(lua_State *L) {
  int ok = tide_future_cancel(self(L)->f);
  ti_lua_callback_pump(L);
  lua_pushboolean(L, ok);
  return 1;
}

/* f:interrupt() -> true if it is cancelled, or ends with kind interrupted; false if it ended
** before */
static int f_interrupt(lua_State *L) {
  int ok = tide_future_interrupt(self(L)->f);
  ti_lua_callback_pump(L);
  lua_pushboolean(L, ok);
  return 1;
}

static int f_done(lua_State *L) {
  lua_pushboolean(L, ti_lua_future_handle_done(self(L)));
  tide_warnings(
      L); /* for scripts that ask again and again; behind the look, so that none is missed */
  return 1;
}

static int f_running(lua_State *L) {
  lua_pushboolean(L, tide_future_status(self(L)->f) == TIDE_RUNNING);
  tide_warnings(L);
  return 1;
}

static int f_cancelled(lua_State *L) {
  lua_pushboolean(L, tide_future_status(self(L)->f) == TIDE_CANCELLED);
  return 1;
}

static const char *statusname(const tide_future *f) {
  static const char *const names[] = {"pending", "running", "finished", "cancelled"};
  return names[tide_future_status(f)];
}

/* f:status() -> "pending", "running", "finished" or "cancelled" */
static int f_status(lua_State *L) {
  lua_pushstring(L, statusname(self(L)->f));
  tide_warnings(L);
  return 1;
}

/* ------------------------------------------------------------- setting -- */

/* f:set_result(...) */
static int f_setresult(lua_State *L) {
  tide_promise_setresult(self(L)->f, L, lua_gettop(L) - 1);
  ti_lua_callback_pump(L);
  return 0;
}

/* f:set_exception(err) */
static int f_setexception(lua_State *L) {
  tide_future *f = self(L)->f;
  if (lua_isnone(L, 2)) ti_lua_support_arg_error(L, 2, "value expected");
  lua_settop(L, 2);
  tide_promise_seterror(f, L);
  ti_lua_callback_pump(L);
  return 0;
}

/* f:set_running_or_notify_cancel() -> true: run it; false: it was cancelled */
static int f_begin(lua_State *L) {
  int status = tide_promise_begin(self(L)->f);
  if (status != TIDE_OK && status != TIDE_ECANCELLED) return ti_lua_support_raise(L, status, NULL);
  lua_pushboolean(L, status == TIDE_OK);
  return 1;
}

/* --------------------------------------------------------------- class -- */

static int f_gc(lua_State *L) {
  struct ti_lua_future *b = (struct ti_lua_future *)ti_lua_support_self(L);
  lua_Debug caller;
  if (!b || !b->f) return 0;
  if (b->task && !b->seen && !ti_lua_future_handle_done(b) && lua_getstack(L, 1, &caller)) {
    /* Nobody can look any more, but it may fail yet: the next cycle of the collector comes again.
    ** Where nothing is being called, the state may be closing: then Lua would not call this
    ** again. */
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_setmetatable(L, 1);
    return 0;
  }
  ti_lua_unseen_warn_all(L, b);
  tide_future_rele(b->f);
  b->f = NULL;
  return 0;
}

static int f_tostring(lua_State *L) {
  struct ti_lua_future *b = (struct ti_lua_future *)ti_lua_support_check_udata(L, 1, TI_LUA_FUTURE);
  const char *name = b->f ? tide_future_name(b->f) : NULL;
  if (name)
    lua_pushfstring(L, "%s: %p (%s): %s", TI_LUA_FUTURE, (void *)b->f, statusname(b->f), name);
  else if (b->f)
    lua_pushfstring(L, "%s: %p (%s)", TI_LUA_FUTURE, (void *)b->f, statusname(b->f));
  else
    lua_pushfstring(L, "%s: (collected)", TI_LUA_FUTURE);
  return 1;
}

static int f_eq(lua_State *L) {
  struct ti_lua_future *a = totest(L, 1), *b = totest(L, 2);
  lua_pushboolean(L, a && b && a->f == b->f);
  return 1;
}

static void *ref_hold(lua_State *L, int idx) {
  struct ti_lua_future *b = totest(L, idx);
  if (!b || !b->f) return NULL;
  b->seen = true; /* whoever gets it is expected to look */
  return tide_future_hold(b->f);
}

static void ref_push(lua_State *L, void *object) { tide_pushfuture(L, (tide_future *)object); }

static void ref_release(void *object) { tide_future_rele((tide_future *)object); }

static const tide_reftype reftype = {TI_LUA_FUTURE, ref_hold, ref_push, ref_release, NULL};

static const luaL_Reg methods[] = {{"result", f_result},
                                   {"pcall", f_pcall},
                                   {"exception", f_exception},
                                   {"traceback", f_traceback},
                                   {"wait", f_wait},
                                   {"cancel", f_cancel},
                                   {"interrupt", f_interrupt},
                                   {"done", f_done},
                                   {"running", f_running},
                                   {"cancelled", f_cancelled},
                                   {"status", f_status},
                                   {"add_done_callback", ti_lua_callback_add},
                                   {"set_result", f_setresult},
                                   {"set_exception", f_setexception},
                                   {"set_running_or_notify_cancel", f_begin},
                                   {NULL, NULL}};

static const luaL_Reg metamethods[] = {
    {"__gc", f_gc}, {"__eq", f_eq}, {"__tostring", f_tostring}, {NULL, NULL}};

static const struct ti_lua_class future_class = {TI_LUA_FUTURE, metamethods, methods,
                                                 NULL,          &reftype,    NULL};

void ti_lua_future_push_class(lua_State *L) { ti_lua_support_push_class(L, &future_class); }
