/* link: tidepool */
/*
** array_test.c: arrays as a host sees them. Memory of the host passes through states, messages and
** results. It is given back once, when the last reference to it is released.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "include/tidepool.h"
#include "check.h"

static atomic_int given_back;

static void give_back(void *ud, void *data, size_t bytes) {
  CHECK(ud == &given_back && bytes == 4 * sizeof(double));
  free(data);
  atomic_fetch_add(&given_back, 1);
}

static tide_array *wrapped(void) {
  double *mine = (double *)malloc(4 * sizeof *mine);
  tide_array *a = NULL;
  for (int i = 0; i < 4; i++) mine[i] = i + 0.5;
  CHECK(tide_array_wrap(&a, TIDE_F64, mine, 4, give_back, &given_back) == TIDE_OK);
  CHECK(a != NULL && tide_array_data(a) == mine && tide_array_length(a) == 4);
  CHECK(tide_array_type(a) == TIDE_F64 && tide_array_weight(a) >= 32);
  return a;
}

static void without_lua(void) {
  tide_array *a, *b;
  int16_t v = -7, out[3];
  CHECK(strcmp(tide_element_name(TIDE_U8), "u8") == 0 && tide_element_size(TIDE_U32) == 4);
  CHECK(tide_element_name(10) == NULL && tide_element_size(-1) == 0);
  CHECK(tide_array_new(&a, (tide_element)10, 1) == TIDE_EARG && a == NULL);
  CHECK(tide_array_wrap(&a, (tide_element)-1, out, 1, NULL, NULL) == TIDE_EARG && a == NULL);
  CHECK(tide_array_wrap(&a, TIDE_I16, (char *)out + 1, 1, NULL, NULL) == TIDE_EARG && a == NULL);
  CHECK(tide_array_new(&a, TIDE_F64, (size_t)-1) == TIDE_ENOMEM && a == NULL);
  CHECK(tide_array_new(&a, TIDE_I16, 8) == TIDE_OK);
  CHECK(tide_array_slice(&b, a, 6, 3) == TIDE_EARG && b == NULL);
  CHECK(tide_array_slice(&b, a, 2, 3) == TIDE_OK);
  CHECK(tide_array_fill(b, 1, 3, &v) == TIDE_EARG && tide_array_fill(b, 1, 2, &v) == TIDE_OK);
  CHECK(tide_array_copy(a, 5, b, 0, 3) == TIDE_OK && tide_array_copy(a, 6, b, 0, 3) == TIDE_EARG);
  CHECK(tide_array_copy(a, 0, b, 1, 3) == TIDE_EARG);
  CHECK(tide_array_read(a, 5, 4, out) == TIDE_EARG && tide_array_read(a, 5, 3, out) == TIDE_OK);
  CHECK(out[0] == 0 && out[1] == -7 && out[2] == -7);
  tide_array_rele(a);
  CHECK(tide_array_new(&a, TIDE_U16, 8) == TIDE_OK);
  CHECK(tide_array_copy(a, 0, b, 0, 1) == TIDE_EARG);
  CHECK(tide_array_hold(a) == a);
  tide_array_rele(a);
  tide_array_rele(a);
  tide_array_rele(b);
  tide_array_rele(NULL);
}

static lua_State *open_lua(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  luaL_requiref(L, "tidepool.core", luaopen_tidepool_core, 0);
  lua_setglobal(L, "core");
  return L;
}

static void handles(void) {
  lua_State *L = open_lua();
  tide_array *a = wrapped();
  atomic_store(&given_back, 0);
  tide_pusharray(L, a);
  tide_pusharray(L, a);
  CHECK(lua_rawequal(L, -1, -2)); /* one userdata for one array */
  CHECK(tide_toarray(L, -1) == a);
  lua_pushinteger(L, 1);
  lua_newtable(L);
  lua_newuserdatauv(L, 200, 0);
  lua_pushlightuserdata(L, a);
  CHECK(!tide_toarray(L, -1) && !tide_toarray(L, -2) && !tide_toarray(L, -3));
  CHECK(!tide_toarray(L, -4) && !tide_toarray(L, 15));
  lua_settop(L, 1);
  lua_setglobal(L, "a");
  CHECK(luaL_dostring(L, "local s = a:slice(2, 3); a = nil; s[1] = 9; kept = s") == LUA_OK);
  tide_array_rele(a);
  lua_gc(L, LUA_GCCOLLECT);
  lua_gc(L, LUA_GCCOLLECT);
  CHECK(atomic_load(&given_back) == 0); /* a view keeps all of it */
  CHECK(luaL_dostring(L, "kept = nil") == LUA_OK);
  lua_gc(L, LUA_GCCOLLECT);
  lua_gc(L, LUA_GCCOLLECT);
  CHECK(atomic_load(&given_back) == 1);
  lua_close(L);
}

/* Runs in a worker, with an array's address: what a host without a lua_State sends. */
static int halve(lua_State *L) {
  tide_array *a = (tide_array *)lua_touserdata(L, 1);
  const double *v = (const double *)tide_array_data(a);
  tide_pusharray(L, a);
  for (int i = 0; i < 4; i++) {
    lua_pushnumber(L, v[i] / 2);
    lua_seti(L, -2, i + 1);
  }
  return 1;
}

static void tasks(bool drop_unread) {
  lua_State *L = open_lua();
  tide_array *a = wrapped();
  tide_executor *ex;
  tide_future *f, *g;
  tide_config cfg;
  tide_value arg;
  int n;
  atomic_store(&given_back, 0);
  tide_config_init(&cfg);
  cfg.max_workers = 2;
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_OK);
  CHECK(luaL_dostring(L, "return function(a) a[1] = a[1] + 1 return a, a:slice(2) end") == LUA_OK);
  tide_pusharray(L, a);
  f = tide_submit(ex, L, 1, NULL);
  CHECK(tide_future_wait(f, L, TIDE_FOREVER) == TIDE_OK);
  arg.type = TIDE_TPOINTER;
  arg.u.pointer = a;
  CHECK(tide_submit_cfunction(&g, ex, halve, &arg, 1, NULL) == TIDE_OK);
  CHECK(tide_future_wait(g, NULL, TIDE_FOREVER) == TIDE_OK);
  if (!drop_unread) {
    CHECK(tide_pushoutcome(L, f, &n) == TIDE_OK && n == 2);
    CHECK(tide_toarray(L, -2) == a && tide_array_length(tide_toarray(L, -1)) == 3);
    lua_geti(L, -2, 1);
    CHECK(lua_tonumber(L, -1) == 0.75);
    CHECK(tide_pushoutcome(L, g, &n) == TIDE_OK && n == 1);
    CHECK(tide_toarray(L, -1) == a);
  }
  lua_settop(L, 0);
  tide_array_rele(a);
  tide_future_rele(f);
  tide_future_rele(g);
  lua_gc(L, LUA_GCCOLLECT);
  lua_gc(L, LUA_GCCOLLECT);
  CHECK(tide_executor_shutdown(ex, L, 0, TIDE_FOREVER) == TIDE_OK); /* closes the workers' states */
  tide_executor_rele(ex);
  lua_close(L);
  CHECK(atomic_load(&given_back) == 1);
}

int main(void) {
  without_lua();
  handles();
  tasks(false);
  tasks(true);
  return check_done();
}
