/*
** binding/lua_future: futures as scripts see them.
**
** The userdata holds a reference. Futures that a submit or tidepool.future() made in this state
** warn if they are collected after a failure that was not read. Futures that were sent to this
** state do not: the state that made them warns.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_future_handle.h"
#include "binding/lua_future_read.h"

static struct ti_lua_future *test(lua_State *L, int idx) {
  return (struct ti_lua_future *)luaL_testudata(L, idx, TI_LUA_FUTURE);
}

struct ti_lua_future *ti_lua_future_new(lua_State *L, int meta) {
  struct ti_lua_future *b;
  luaL_checkstack(L, 4, NULL);
  b = (struct ti_lua_future *)lua_newuserdatauv(L, sizeof *b, 1);
  b->f = NULL;
  b->outcome = TIDE_EINVALIDSTATE;
  b->nvalues = -1;
  b->in_group = b->seen = b->decoded = b->task = false;
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

/* --------------------------------------------------------------- state -- */

/* f:cancel() -> true if it had not started, or was cancelled before */
static int f_cancel(lua_State *L) {
  int ok = tide_future_cancel(ti_lua_future_handle_self(L)->f);
  ti_lua_callback_pump(L);
  lua_pushboolean(L, ok);
  return 1;
}

/* f:interrupt() -> true if it is cancelled or will end with kind interrupted; false if it ended
** before */
static int f_interrupt(lua_State *L) {
  int ok = tide_future_interrupt(ti_lua_future_handle_self(L)->f);
  ti_lua_callback_pump(L);
  lua_pushboolean(L, ok);
  return 1;
}

static int f_done(lua_State *L) {
  lua_pushboolean(L, ti_lua_future_handle_done(ti_lua_future_handle_self(L)));
  tide_warnings(L); /* here, too, for scripts that poll; last, so that no warning is late */
  return 1;
}

static int f_running(lua_State *L) {
  lua_pushboolean(L, tide_future_status(ti_lua_future_handle_self(L)->f) == TIDE_RUNNING);
  tide_warnings(L);
  return 1;
}

static int f_cancelled(lua_State *L) {
  lua_pushboolean(L, tide_future_status(ti_lua_future_handle_self(L)->f) == TIDE_CANCELLED);
  return 1;
}

static const char *status_name(const tide_future *f) {
  static const char *const names[] = {"pending", "running", "finished", "cancelled"};
  return names[tide_future_status(f)];
}

/* f:status() -> "pending", "running", "finished" or "cancelled" */
static int f_status(lua_State *L) {
  lua_pushstring(L, status_name(ti_lua_future_handle_self(L)->f));
  tide_warnings(L);
  return 1;
}

/* ------------------------------------------------------------- setting -- */

/* f:set_result(...) */
static int f_set_result(lua_State *L) {
  tide_promise_setresult(ti_lua_future_handle_self(L)->f, L, lua_gettop(L) - 1);
  ti_lua_callback_pump(L);
  return 0;
}

/* f:set_exception(err) */
static int f_set_exception(lua_State *L) {
  tide_future *f = ti_lua_future_handle_self(L)->f;
  if (lua_isnone(L, 2)) ti_lua_support_arg_error(L, 2, "value expected");
  lua_settop(L, 2);
  tide_promise_seterror(f, L);
  ti_lua_callback_pump(L);
  return 0;
}

/* f:set_running_or_notify_cancel() -> true: it is running now; false: it was cancelled */
static int f_begin(lua_State *L) {
  int status = tide_promise_begin(ti_lua_future_handle_self(L)->f);
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
    /* It may still fail, and then it has to warn. Setting the metatable again makes the next cycle
    ** of the collector call this again. Without a calling function the state may be closing: then
    ** Lua would not call it again. */
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
    lua_pushfstring(L, "%s: %p (%s): %s", TI_LUA_FUTURE, (void *)b->f, status_name(b->f), name);
  else if (b->f)
    lua_pushfstring(L, "%s: %p (%s)", TI_LUA_FUTURE, (void *)b->f, status_name(b->f));
  else
    lua_pushfstring(L, "%s: (collected)", TI_LUA_FUTURE);
  return 1;
}

static int f_eq(lua_State *L) {
  struct ti_lua_future *a = test(L, 1), *b = test(L, 2);
  lua_pushboolean(L, a && b && a->f == b->f);
  return 1;
}

static void *ref_hold(lua_State *L, int idx) {
  struct ti_lua_future *b = test(L, idx);
  if (!b || !b->f) return NULL;
  b->seen = true; /* the state that gets it is to read it */
  return tide_future_hold(b->f);
}

static void ref_push(lua_State *L, void *object) { tide_pushfuture(L, (tide_future *)object); }

static void ref_release(void *object) { tide_future_rele((tide_future *)object); }

static const tide_reftype reftype = {TI_LUA_FUTURE, ref_hold, ref_push, ref_release, NULL};

static const luaL_Reg methods[] = {{"result", ti_lua_future_read_result},
                                   {"pcall", ti_lua_future_read_pcall},
                                   {"exception", ti_lua_future_read_exception},
                                   {"traceback", ti_lua_future_read_traceback},
                                   {"wait", ti_lua_future_read_wait},
                                   {"cancel", f_cancel},
                                   {"interrupt", f_interrupt},
                                   {"done", f_done},
                                   {"running", f_running},
                                   {"cancelled", f_cancelled},
                                   {"status", f_status},
                                   {"add_done_callback", ti_lua_callback_add},
                                   {"set_result", f_set_result},
                                   {"set_exception", f_set_exception},
                                   {"set_running_or_notify_cancel", f_begin},
                                   {NULL, NULL}};

static const luaL_Reg metamethods[] = {
    {"__gc", f_gc}, {"__eq", f_eq}, {"__tostring", f_tostring}, {NULL, NULL}};

static const struct ti_lua_class future_class = {TI_LUA_FUTURE, metamethods, methods,
                                                 NULL,          &reftype,    NULL};

void ti_lua_future_push_class(lua_State *L) { ti_lua_support_push_class(L, &future_class); }
