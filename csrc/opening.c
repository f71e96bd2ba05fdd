/*
** tidepool, floor 2: opening, the calls that a worker begins and ends with.
**
** SPDX-License-Identifier: MIT
*/
#include "opening.h"

#include <lauxlib.h>

#include "error.h"
#include "large.h"
#include "names.h"
#include "transfer.h"
#include "unpack.h"

/* Makes the value at idx, a function or its name, the function. [-0, +0, e] */
static void resolve(lua_State *L, int idx) {
  size_t len;
  const char *name;
  if (lua_type(L, idx) != LUA_TSTRING) return;
  name = lua_tolstring(L, idx, &len);
  tide_names_function(L, name, len);
  lua_replace(L, idx);
}

/* One of the messages; its finalizer, if it has one, takes the place of the value at `final`. [-0, +0, e] */
static void run_one(lua_State *L, const struct message *m, const struct opening *o, struct rng *rng,
                    const char **what, int final) {
  struct large large;
  struct transfer *x;
  int base = lua_gettop(L), n;
  if (m == NULL) return;
  *what = "the initializer failed";
  tide_large_begin(L, m, &large);
  x = tide_transfer_get(L);
  lua_pop(L, 1);
  x->opening = true; /* stays so if this raises: then no worker uses the state any more */
  n = tide_unpack(L, m, 0, UNPACK_ALL);
  x->opening = false;
  tide_large_end(L, &large);
  if (n < 2) tide_error_raise(L, FAULT_TRANSFER, "damaged message: nothing to call");
  if (!lua_isnil(L, base + 2)) {
    *what = "the finalizer cannot be had";
    resolve(L, base + 2);
    lua_copy(L, base + 2, final);
  }
  if (!lua_isnil(L, base + 1)) {
    *what = "the initializer failed";
    resolve(L, base + 1);
    lua_remove(L, base + 2);
    if (o->seeding != NULL) tide_rng_begin(rng, L, o->seeding);
    lua_call(L, n - 2, 0);
  }
  lua_settop(L, base);
}

void tide_opening_run(lua_State *L, const struct opening *o, struct rng *rng, const char **what) {
  int final;
  luaL_checkstack(L, 4, NULL);
  lua_pushnil(L);
  final = lua_gettop(L);
  run_one(L, o->final, o, rng, what, final);
  run_one(L, o->both, o, rng, what, final);
}

int tide_opening_why(lua_State *L) {
  const char *what = (const char *)lua_touserdata(L, 1);
  if (tide_error_kind(L, 2) != FAULT_NONE)
    tide_error_message(L, 2);
  else
    luaL_tolstring(L, 2, NULL);
  lua_pushfstring(L, "%s: %s", what, lua_tostring(L, -1));
  return 1;
}
