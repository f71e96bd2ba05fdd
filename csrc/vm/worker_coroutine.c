/*
** vm/worker_coroutine: the coroutine library of a worker.
**
** SPDX-License-Identifier: MIT
*/
#include "vm/worker_coroutine.h"

#include <lauxlib.h>
#include <lualib.h>

/* Returns upvalue 1, which each function here has. */
static struct ti_interrupt *interrupt_here(lua_State *L) {
  return (struct ti_interrupt *)lua_touserdata(L, lua_upvalueindex(1));
}

static lua_State *check_coroutine(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co != NULL, 1, "coroutine");
  return co;
}

/* Resumes co with the n values on top. Returns the number of its results, which are on top; or -1,
** with the error on top. Lua's resume raises nothing, so the running coroutine is always noted
** again. [-n, +(r|1), m] */
static int resume(lua_State *L, lua_State *co, int n) {
  struct ti_interrupt *h = interrupt_here(L);
  lua_State *before;
  int status, results;
  if (!lua_checkstack(co, n)) {
    lua_pop(L, n);
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, co, n);
  before = ti_interrupt_enter(h, co);
  status = lua_resume(co, L, n, &results);
  ti_interrupt_leave(h, before);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return -1;
  }
  if (!lua_checkstack(L, results + 1)) {
    lua_pop(co, results);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, results);
  return results;
}

/* Closes a suspended coroutine with its to-be-closed variables. Returns the status; if that is not
** LUA_OK, the error is on co's stack. */
static int close_coroutine(lua_State *L, lua_State *co) {
  struct ti_interrupt *h = interrupt_here(L);
  lua_State *before = ti_interrupt_enter(h, co);
#if LUA_VERSION_RELEASE_NUM >= 50406
  int status = lua_closethread(co, L);
#else
  int status = lua_resetthread(co);
#endif
  ti_interrupt_leave(h, before);
  return status;
}

/* coroutine.resume(co, ...) */
static int co_resume(lua_State *L) {
  lua_State *co = check_coroutine(L);
  int n = resume(L, co, lua_gettop(L) - 1);
  if (n < 0) ti_interrupt_again(L);
  lua_pushboolean(L, n >= 0);
  n = n >= 0 ? n : 1;
  lua_insert(L, -(n + 1));
  return n + 1;
}

/* The function that coroutine.wrap returns; upvalue 2: the coroutine. */
static int wrapped(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(2));
  int n = resume(L, co, lua_gettop(L)), status;
  if (n >= 0) return n;
  status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) { /* it raised: its variables are closed now */
    status = close_coroutine(L, co);
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

/* coroutine.wrap(f) */
static int co_wrap(lua_State *L) {
  lua_State *co;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_pushvalue(L, lua_upvalueindex(1));
  co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, wrapped, 2);
  return 1;
}

/* coroutine.close(co) */
static int co_close(lua_State *L) {
  lua_State *co = check_coroutine(L);
  lua_Debug ar;
  const char *what = NULL;
  if (co == L)
    what = "running";
  else if (lua_status(co) == LUA_OK && lua_getstack(co, 0, &ar))
    what = "normal";
  if (what != NULL) return luaL_error(L, "cannot close a %s coroutine", what);
  if (close_coroutine(L, co) == LUA_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  ti_interrupt_again(L);
  lua_pushboolean(L, 0);
  lua_xmove(co, L, 1);
  return 2;
}

void ti_worker_coroutine_open(lua_State *L, struct ti_interrupt *h) {
  static const luaL_Reg functions[] = {
      {"resume", co_resume}, {"wrap", co_wrap}, {"close", co_close}, {NULL, NULL}};
  if (lua_getglobal(L, LUA_COLIBNAME) == LUA_TTABLE) {
    lua_pushlightuserdata(L, h);
    luaL_setfuncs(L, functions, 1);
  }
  lua_pop(L, 1);
}
