/*
** api/executor_opening: what the workers of an executor open and close with.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>

#include "api/executor.h"
#include "luautil/error.h"

void tide_executor_setpaths(tide_executor *ex, lua_State *L) {
  struct ti_package_paths *now, *before;
  ti_executor_check_forked(L, ex);
  now = ti_package_paths_hold(ti_package_paths_of(L, 1));
  lua_pop(L, 1);
  ti_mutex_lock(&ex->lock);
  before = ex->paths;
  ex->paths = now;
  ti_mutex_unlock(&ex->lock);
  ti_package_paths_release(before);
}

/* Packs the n values on top, which are as struct ti_worker_calls says, into a message, and stores
** it in *field. It and *other must not be set; other may be NULL. [-n, +0, e] */
static void set_opening(tide_executor *ex, lua_State *L, int n, struct ti_message **field,
                        struct ti_message *const *other, const char *what) {
  struct ti_message *m;
  bool late, twice, initializes = field == &ex->init && !lua_isnil(L, -n);
  ti_executor_check_forked(L, ex);
  luaL_checkstack(L, 8, NULL); /* now, as an error below would leak m */
  m = (struct ti_message *)ti_alloc_new(&ex->mem, sizeof *m);
  if (m == NULL) luaL_error(L, "not enough memory");
  ti_message_init(m, &ex->mem);
  if (ti_pack_by(L, m, n, PACK_OPENING, &ex->rules) != LUA_OK) {
    ti_executor_free_message(ex, m);
    lua_error(L);
  }
  ti_mutex_lock(&ex->lock);
  late = atomic_load_explicit(&ex->submitted, memory_order_relaxed);
  twice = *field != NULL || (other != NULL && *other != NULL);
  if (!late && !twice) { /* no worker exists yet that could read it */
    *field = m;
    if (initializes) atomic_store_explicit(&ex->has_initializer, true, memory_order_relaxed);
  }
  ti_mutex_unlock(&ex->lock);
  if (late || twice) {
    ti_executor_free_message(ex, m);
    ti_error_raise(L, TIDE_EINVALIDSTATE, "the %s must be set once, before any submit", what);
  }
}

void tide_executor_setinitializer(tide_executor *ex, lua_State *L, int nargs) {
  luaL_checkstack(L, 1, NULL);
  lua_pushnil(L);
  lua_insert(L, -(nargs + 1)); /* the finalizer, behind the initializer: none */
  set_opening(ex, L, nargs + 2, &ex->init, NULL, "initializer");
}

void tide_executor_setfinalizer(tide_executor *ex, lua_State *L) {
  luaL_checkstack(L, 1, NULL);
  lua_pushnil(L);
  lua_insert(L, -2);
  set_opening(ex, L, 2, &ex->final, NULL, "finalizer");
}

void tide_executor_setopening(tide_executor *ex, lua_State *L, int nargs) {
  set_opening(ex, L, nargs + 2, &ex->init, &ex->final, "initializer and finalizer");
}
