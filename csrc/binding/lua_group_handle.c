/*
** binding/lua_group_handle: userdata that hold futures until they finish.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_group_handle.h"

#include "binding/lua_future_handle.h"

enum { FUTURES = 1 }; /* the user value */

/* Returns the group at idx, which is one. */
static struct ti_lua_group *at(lua_State *L, int idx) {
  return (struct ti_lua_group *)lua_touserdata(L, idx);
}

void ti_lua_group_handle_push(lua_State *L, const struct ti_lua_class *c) {
  struct ti_lua_group *b;
  int status;
  luaL_checkstack(L, 4, NULL);
  ti_lua_support_push_class(L, c);
  b = (struct ti_lua_group *)lua_newuserdatauv(L, sizeof *b, 1);
  b->g = NULL;
  lua_newtable(L);
  lua_setiuservalue(L, -2, FUTURES);
  status = tide_group_new(&b->g, L);
  lua_insert(L, -2);
  lua_setmetatable(L, -2); /* after tide_group_new: finalizers run in reverse order */
  if (status != TIDE_OK) ti_lua_support_raise(L, status, NULL);
}

bool ti_lua_group_handle_add(lua_State *L, int idx, int fut, const void *key) {
  tide_future *f = ((struct ti_lua_future *)lua_touserdata(L, fut))->f;
  tide_group *g = at(L, idx)->g;
  int status;
  fut = lua_absindex(L, fut);
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 4, NULL);
  if (!g) luaL_error(L, "the group is closed");
  lua_getiuservalue(L, idx, FUTURES);
  if (lua_rawgetp(L, -1, key) != LUA_TNIL) {
    lua_pop(L, 2);
    return false;
  }
  lua_pushvalue(L, fut);
  lua_rawsetp(L, -3, key);
  status = tide_group_add(g, f, (void *)key);
  if (status != TIDE_OK) {
    lua_rawsetp(L, -2, key); /* to the nil on top */
    ti_lua_support_raise(L, status, NULL);
  }
  lua_pop(L, 2);
  return true;
}

bool ti_lua_group_handle_take(lua_State *L, int idx) {
  struct ti_lua_group *b = at(L, idx);
  void *key = NULL;
  tide_future *f;
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 4, NULL);
  f = b->g ? tide_group_next(b->g, &key) : NULL;
  if (!f) return false;
  tide_future_rele(f); /* its userdata has a reference, too */
  lua_getiuservalue(L, idx, FUTURES);
  lua_rawgetp(L, -1, key);
  lua_pushnil(L);
  lua_rawsetp(L, -3, key);
  lua_remove(L, -2);
  return true;
}

bool ti_lua_group_handle_wait(lua_State *L, int idx) {
  tide_group *g = at(L, idx)->g;
  return g && tide_group_wait(g, L, 1, 0, TIDE_FOREVER) == TIDE_OK;
}

bool ti_lua_group_handle_close_empty(lua_State *L, int idx) {
  struct ti_lua_group *b = at(L, idx);
  tide_group *g = b->g;
  if (g && tide_group_size(g) > 0) return false;
  b->g = NULL;
  tide_group_free(g);
  return true;
}

void ti_lua_group_handle_close(lua_State *L, int idx) {
  struct ti_lua_group *b = at(L, idx);
  tide_group *g = b->g;
  idx = lua_absindex(L, idx);
  b->g = NULL;
  tide_group_free(g);
  lua_pushnil(L);
  lua_setiuservalue(L, idx, FUTURES);
}
