/*
** vm/worker_calls: the calls that a worker begins and ends with.
**
** SPDX-License-Identifier: MIT
*/
#include "vm/worker_calls.h"

#include <lauxlib.h>

#include "luautil/error.h"
#include "vm/gc_pacing.h"
#include "codec/module_names.h"
#include "codec/codec_state.h"
#include "codec/unpack.h"

/* Replaces the value at idx, a function or its name, by the function. [-0, +0, e] */
static void resolve(lua_State *L, int idx) {
  size_t len;
  const char *name;
  if (lua_type(L, idx) != LUA_TSTRING) return;
  name = lua_tolstring(L, idx, &len);
  ti_module_names_function(L, name, len);
  lua_replace(L, idx);
}

/* Runs one of the messages. Its finalizer, if it has one, replaces the value at `final`.
** [-0, +0, e] */
static void run_one(lua_State *L, const struct ti_message *m, const struct ti_worker_calls *o,
                    struct ti_lua_random *random, const char **what, int final) {
  struct ti_gc_pacing pacing;
  struct ti_codec_state *x;
  int base = lua_gettop(L), n;
  if (m == NULL) return;
  *what = "the initializer failed";
  ti_gc_pacing_begin(L, m, &pacing);
  x = ti_codec_state_get(L);
  lua_pop(L, 1);
  x->opening = true; /* remains set if this raises: then no worker uses the state any more */
  n = ti_unpack_values(L, m, 0, UNPACK_ALL);
  x->opening = false;
  ti_gc_pacing_end(L, &pacing);
  if (n < 2) ti_error_raise(L, TIDE_ETRANSFER, "damaged message: nothing to call");
  if (!lua_isnil(L, base + 2)) {
    *what = "the finalizer cannot be had";
    resolve(L, base + 2);
    lua_copy(L, base + 2, final);
  }
  if (!lua_isnil(L, base + 1)) {
    *what = "the initializer failed";
    resolve(L, base + 1);
    lua_remove(L, base + 2);
    if (o->seeding != NULL) ti_lua_random_begin(random, L, o->seeding);
    lua_call(L, n - 2, 0);
  }
  lua_settop(L, base);
}

void ti_worker_calls_run(lua_State *L, const struct ti_worker_calls *o,
                         struct ti_lua_random *random, const char **what) {
  int final;
  luaL_checkstack(L, 4, NULL);
  lua_pushnil(L);
  final = lua_gettop(L);
  run_one(L, o->final, o, random, what, final);
  run_one(L, o->both, o, random, what, final);
}

int ti_worker_calls_why(lua_State *L) {
  const char *what = (const char *)lua_touserdata(L, 1);
  if (ti_error_kind(L, 2) != TIDE_OK)
    ti_error_message(L, 2);
  else
    luaL_tolstring(L, 2, NULL);
  lua_pushfstring(L, "%s: %s", what, lua_tostring(L, -1));
  return 1;
}
