/*
** binding/lua_group: futures in the order in which they finish.
**
** A thin userdata over tide_group for the Lua side (wait, as_completed, map) and
** for the done callbacks. Its user value maps a key to the future userdata that
** was added, so the same userdata comes back, and is let go when taken.
**
** A group must be freed before its state is closed. Making one touches the owner
** first, so that one's finalizer runs after the group's.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_binding.h"

struct group_box {
  tide_group *g; /* owned; NULL before it is filled and once closed */
};

/* The group at idx, which is known to be one. */
static struct group_box *at(lua_State *L, int idx) {
  return (struct group_box *)lua_touserdata(L, idx);
}

static struct group_box *check(lua_State *L, int arg) {
  return (struct group_box *)ti_lua_support_check_udata(L, arg, TI_LUA_GROUP);
}

bool ti_lua_group_add(lua_State *L, int idx, int fut, const void *key) {
  tide_future *f = ((struct ti_lua_future *)lua_touserdata(L, fut))->f;
  tide_group *g = at(L, idx)->g;
  int status;
  fut = lua_absindex(L, fut);
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 4, NULL);
  if (!g) luaL_error(L, "the group is closed");
  lua_getiuservalue(L, idx, 1);
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

bool ti_lua_group_take(lua_State *L, int idx) {
  struct group_box *b = at(L, idx);
  void *key = NULL;
  tide_future *f;
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 4, NULL);
  f = b->g ? tide_group_next(b->g, &key) : NULL;
  if (!f) return false;
  tide_future_rele(f); /* its userdata has a reference, too */
  lua_getiuservalue(L, idx, 1);
  lua_rawgetp(L, -1, key);
  lua_pushnil(L);
  lua_rawsetp(L, -3, key);
  lua_remove(L, -2);
  return true;
}

bool ti_lua_group_await(lua_State *L, int idx) {
  tide_group *g = at(L, idx)->g;
  return g && tide_group_wait(g, L, 1, 0, TIDE_FOREVER) == TIDE_OK;
}

bool ti_lua_group_close(lua_State *L, int idx) {
  struct group_box *b = at(L, idx);
  tide_group *g = b->g;
  if (g && tide_group_size(g) > 0) return false;
  b->g = NULL;
  tide_group_free(g);
  return true;
}

/* group:add(future) -> false if it is in there already */
static int group_add(lua_State *L) {
  struct ti_lua_future *f;
  check(L, 1);
  f = ti_lua_future_check(L, 2);
  lua_pushboolean(L, ti_lua_group_add(L, 1, 2, f->f));
  return 1;
}

/* group:wait(need, stop_on_failure, timeout) -> true, or false if the time passed first */
static int group_wait(lua_State *L) {
  struct group_box *b = check(L, 1);
  lua_Integer need = luaL_checkinteger(L, 2);
  double timeout = ti_lua_support_opt_timeout(L, 4);
  size_t size, n;
  int status;
  if (!b->g) ti_lua_support_arg_error(L, 1, "the group is closed");
  size = tide_group_size(b->g);
  n = need < 0 ? 0 : (size_t)need > size ? size : (size_t)need;
  status = tide_group_wait(b->g, L, n, lua_toboolean(L, 3), timeout);
  ti_lua_callback_pump(L);
  if (status != TIDE_OK && status != TIDE_ETIMEOUT) ti_lua_support_raise(L, status, NULL);
  lua_pushboolean(L, status == TIDE_OK);
  return 1;
}

/* group:next() -> the next finished future, or nil if none is finished now */
static int group_next(lua_State *L) {
  check(L, 1);
  if (!ti_lua_group_take(L, 1)) lua_pushnil(L);
  return 1;
}

/* group:size() -> how many were added and not taken */
static int group_size(lua_State *L) {
  struct group_box *b = check(L, 1);
  lua_pushinteger(L, b->g ? (lua_Integer)tide_group_size(b->g) : 0);
  return 1;
}

/* group:close(): lets go of all futures; also what collecting it does */
static int group_close(lua_State *L) {
  struct group_box *b = check(L, 1);
  tide_group *g = b->g;
  b->g = NULL;
  tide_group_free(g);
  lua_settop(L, 1);
  lua_pushnil(L);
  lua_setiuservalue(L, 1, 1);
  return 0;
}

static const luaL_Reg methods[] = {{"add", group_add},     {"wait", group_wait},
                                   {"next", group_next},   {"size", group_size},
                                   {"close", group_close}, {NULL, NULL}};

static const luaL_Reg metamethods[] = {
    {"__gc", group_close}, {"__close", group_close}, {NULL, NULL}};

static const struct ti_lua_class group_class = {TI_LUA_GROUP, metamethods, methods,
                                                NULL,         NULL,        NULL};

void ti_lua_group_push(lua_State *L) {
  struct group_box *b;
  int status;
  luaL_checkstack(L, 4, NULL);
  ti_lua_support_push_class(L, &group_class);
  b = (struct group_box *)lua_newuserdatauv(L, sizeof *b, 1);
  b->g = NULL;
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1);
  status = tide_group_new(&b->g, L);
  lua_insert(L, -2);
  lua_setmetatable(L, -2); /* marks it for finalization, after the owner was */
  if (status != TIDE_OK) ti_lua_support_raise(L, status, NULL);
}

int ti_lua_group_new(lua_State *L) {
  ti_lua_group_push(L);
  return 1;
}
