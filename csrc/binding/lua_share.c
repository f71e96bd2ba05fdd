/*
** binding/lua_share: shared values as scripts see them.
**
** A handle is a userdata with a reference. Its user value is this state's copy of the value. In the
** state that shared the value it is the value itself; elsewhere it is decoded at the first get.
**
** A state has at most one handle of a share at a time, found through a weak table in the registry.
** So it decodes once while that handle lives. A worker keeps its handles between tasks.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_binding.h"

#define VALUE 1 /* user value */

struct share_box {
  tide_share *s; /* a reference; NULL before it is filled and once collected */
  bool kept;     /* the reference is that of a worker's retained handle */
  bool filled;   /* VALUE is set */
  bool busy;     /* VALUE is being decoded */
  bool own;      /* VALUE is the shared value itself, not a copy: inline tasks need another */
};

static const char handles_key = 0; /* of the table of this state's handles, by their shares */

static struct share_box *check(lua_State *L, int arg) {
  struct share_box *b = (struct share_box *)ti_lua_support_check_udata(L, arg, TI_LUA_SHARE);
  if (!b->s) ti_lua_support_arg_error(L, arg, "the share is collected already");
  return b;
}

/* -------------------------------------------------------------- values -- */

/* Protected: (share) -> a new copy of its value. */
static int decode(lua_State *L) {
  tide_share_unpack(L, (const tide_share *)lua_touserdata(L, 1));
  return 1;
}

/* Raises the error on top. An error of a `__transfer` function gets a kind, so that scripts can
** tell it from an error of the task. Never returns. [-1, +0, e] */
static void fail(lua_State *L, int status) {
  const char *text = lua_tostring(L, -1);
  if (status == LUA_ERRMEM || tide_errorkind(L, -1) != TIDE_OK) lua_error(L);
  if (!text) text = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, -1));
  ti_lua_support_raise(L, TIDE_ETRANSFER,
                       lua_pushfstring(L, "cannot rebuild the shared value: %s", text));
}

/* Decodes the value of the handle at idx. [-0, +0, e] */
static void fill(lua_State *L, int idx, struct share_box *b) {
  int status;
  if (b->busy)
    ti_lua_support_raise(L, TIDE_ETRANSFER,
                         "the shared value is being rebuilt, by what asks for it now");
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 8, NULL);
  b->busy = true;
  lua_pushcfunction(L, decode);
  lua_pushlightuserdata(L, b->s);
  status = lua_pcall(L, 1, 1, 0);
  b->busy = false;
  if (status != LUA_OK) fail(L, status);
  lua_setiuservalue(L, idx, VALUE);
  b->filled = true;
}

/* In an inline task: pushes the worker's copy for the handle at 1, whose VALUE is the script's.
** Returns false outside inline tasks. [-0, +(0|1), e] */
static bool push_inline(lua_State *L, struct share_box *b) {
  int shares, status;
  if (!tide_pushinlineshares(L)) return false;
  shares = lua_gettop(L);
  luaL_checkstack(L, 8, NULL);
  lua_pushvalue(L, 1);
  lua_rawget(L, shares);
  if (!lua_isnil(L, -1)) return true;
  lua_pushcfunction(L, decode);
  lua_pushlightuserdata(L, b->s);
  status = lua_pcall(L, 1, 1, 0);
  if (status != LUA_OK) fail(L, status);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, -2);
  lua_rawset(L, shares);
  return true;
}

/* handle:get() -> the value */
static int s_get(lua_State *L) {
  struct share_box *b = check(L, 1);
  if (b->own && push_inline(L, b)) return 1;
  if (!b->filled) fill(L, 1, b);
  lua_getiuservalue(L, 1, VALUE);
  return 1;
}

/* share[key] for a key that is no method. Raises an error: fields belong to the value.
** [-0, +0, e] */
static int s_index(lua_State *L) {
  const char *key;
  if (lua_type(L, 2) == LUA_TSTRING)
    key = lua_pushfstring(L, ".%s", lua_tostring(L, 2));
  else if (lua_isinteger(L, 2))
    key = lua_pushfstring(L, "[%I]", lua_tointeger(L, 2));
  else
    key = "[…]";
  return ti_lua_support_error(
      L, "a share is a handle that has no fields; those of its value: share:get()%s", key);
}

/* share[key] = value. Raises an error. [-0, +0, e] */
static int s_newindex(lua_State *L) {
  return ti_lua_support_error(
      L, "a share is a handle that has no fields, and what was shared does not change; "
         "tidepool.share(value) shares a new one");
}

/* pairs(share). Raises an error. [-0, +0, e] */
static int s_pairs(lua_State *L) {
  return ti_lua_support_error(L, "a share is a handle that has no fields; those of its value: "
                                 "pairs(share:get())");
}

void tide_pushshared(lua_State *L, tide_share *s) {
  struct share_box *b;
  tide_pushshare(L, s);
  b = (struct share_box *)lua_touserdata(L, -1);
  if (!b->filled) fill(L, -1, b);
  lua_getiuservalue(L, -1, VALUE);
  lua_remove(L, -2);
}

/* ------------------------------------------------------------- handles -- */

static int s_gc(lua_State *L) {
  struct share_box *b = (struct share_box *)luaL_testudata(L, 1, TI_LUA_SHARE);
  tide_share *s = b ? b->s : NULL;
  if (!s) return 0;
  b->s = NULL;
  if (b->kept)
    tide_share_unkeep(s);
  else
    tide_share_rele(s);
  return 0;
}

static int s_tostring(lua_State *L) {
  struct share_box *b = (struct share_box *)ti_lua_support_check_udata(L, 1, TI_LUA_SHARE);
  if (b->s)
    lua_pushfstring(L, "%s: %p", TI_LUA_SHARE, (void *)b->s);
  else
    lua_pushfstring(L, "%s: (collected)", TI_LUA_SHARE);
  return 1;
}

static int s_eq(lua_State *L) {
  struct share_box *a = (struct share_box *)luaL_testudata(L, 1, TI_LUA_SHARE);
  struct share_box *b = (struct share_box *)luaL_testudata(L, 2, TI_LUA_SHARE);
  lua_pushboolean(L, a && b && a->s == b->s);
  return 1;
}

static void *ref_hold(lua_State *L, int idx) {
  struct share_box *b = (struct share_box *)lua_touserdata(L, idx); /* the codec checks the class */
  return b->s ? tide_share_hold(b->s) : NULL;
}

static void ref_push(lua_State *L, void *object) { tide_pushshare(L, (tide_share *)object); }

static void ref_release(void *object) { tide_share_rele((tide_share *)object); }

static const tide_reftype reftype = {TI_LUA_SHARE, ref_hold, ref_push, ref_release, ref_hold};

static const luaL_Reg methods[] = {{"get", s_get}, {NULL, NULL}};

static const luaL_Reg metamethods[] = {
    {"__gc", s_gc},       {"__eq", s_eq}, {"__tostring", s_tostring}, {"__newindex", s_newindex},
    {"__pairs", s_pairs}, {NULL, NULL}};

static const struct ti_lua_class share_class = {TI_LUA_SHARE, metamethods, methods,
                                                s_index,      &reftype,    NULL};

/* Pushes an empty handle. [-0, +1, m] */
static struct share_box *newbox(lua_State *L) {
  struct share_box *b;
  ti_lua_support_push_class(L, &share_class);
  b = (struct share_box *)lua_newuserdatauv(L, sizeof *b, 1);
  b->s = NULL;
  b->kept = b->filled = b->busy = b->own = false;
  lua_insert(L, -2);
  lua_setmetatable(L, -2);
  return b;
}

void tide_pushshare(lua_State *L, tide_share *s) {
  struct share_box *b;
  luaL_checkstack(L, 6, NULL);
  ti_lua_support_push_handles(L, &handles_key);
  lua_rawgetp(L, -1, s);
  b = (struct share_box *)lua_touserdata(L, -1);
  if (b && b->s == s) { /* else its finalizer has run: the state is closing */
    lua_remove(L, -2);
    return;
  }
  lua_pop(L, 1);
  b = newbox(L);
  b->s = tide_share_hold(s);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, -3, s);
  lua_remove(L, -2);
  b->kept = tide_share_keep(L, -1, s) != 0;
}

int ti_lua_share_new(lua_State *L) {
  struct share_box *b;
  if (lua_isnone(L, 1)) return ti_lua_support_arg_error(L, 1, "value expected");
  lua_settop(L, 1);
  b = newbox(L);
  lua_pushvalue(L, 1);
  b->s = tide_share_new(L);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 2, VALUE);
  b->filled = b->own = true;
  if (tide_pushinlineshares(L)) { /* the task that shares it gets the value itself, too */
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 1);
    lua_rawset(L, -3);
    lua_pop(L, 1);
  }
  ti_lua_support_push_handles(L, &handles_key);
  lua_pushvalue(L, 2);
  lua_rawsetp(L, -2, b->s);
  lua_settop(L, 2);
  return 1;
}
