/* link: tidepool */
/*
** worker_state_test.c: a worker's new state, for a host that uses its extra space.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>

#include "include/tidepool.h"
#include "support.h"

/* An allocator whose blocks are not zero. */
static void *dirty_alloc(void *ud, void *p, size_t osize, size_t nsize) {
  char *q;
  (void)ud;
  if (nsize == 0) {
    free(p);
    return NULL;
  }
  q = (char *)realloc(p, nsize);
  if (p == NULL) osize = 0;
  if (q != NULL && nsize > osize) memset(q + osize, 0xa5, nsize - osize);
  return q;
}

static bool is_zero(lua_State *L) {
  const unsigned char *p = (const unsigned char *)lua_getextraspace(L);
  for (size_t i = 0; i < LUA_EXTRASPACE; i++)
    if (p[i] != 0) return false;
  return true;
}

static atomic_int opened, dirty; /* states, and those whose extra space was not zeros */

static void open_state(lua_State *L, void *ud) {
  (void)ud;
  atomic_fetch_add(&opened, 1);
  if (!is_zero(L)) atomic_fetch_add(&dirty, 1);
  memset(lua_getextraspace(L), 0xff, LUA_EXTRASPACE); /* the host's own from now on */
}

/* The host's extra space is kept, and coroutines begin with it. */
static int check_extra_space(lua_State *L) {
  lua_State *co = lua_newthread(L);
  lua_pushboolean(L, !is_zero(L) &&
                         memcmp(lua_getextraspace(L), lua_getextraspace(co), LUA_EXTRASPACE) == 0);
  return 1;
}

static void test_extra_space(lua_Alloc alloc) {
  enum { TASKS = 8 };
  tide_config cfg;
  tide_executor *ex;
  atomic_store(&opened, 0);
  tide_config_init(&cfg);
  cfg.max_workers = 1;
  cfg.max_tasks_per_worker = 1;
  cfg.alloc = alloc;
  cfg.open_state = open_state;
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_OK);
  if (ex == NULL) exit(2);
  for (int i = 0; i < TASKS; i++) {
    tide_future *f;
    tide_value v;
    size_t n;
    CHECK(tide_submit_cfunction(&f, ex, check_extra_space, NULL, 0, NULL) == TIDE_OK);
    CHECK(tide_future_wait(f, NULL, TIDE_FOREVER) == TIDE_OK);
    CHECK(tide_future_values(f, &v, 1, &n) == TIDE_OK && n == 1);
    CHECK(v.type == TIDE_TBOOLEAN && v.u.boolean);
    tide_future_rele(f);
  }
  CHECK(tide_executor_shutdown(ex, NULL, 0, TIDE_FOREVER) == TIDE_OK);
  tide_executor_rele(ex);
  CHECK(atomic_load(&opened) >= TASKS && atomic_load(&dirty) == 0);
}

int main(void) {
  test_extra_space(NULL);
  test_extra_space(dirty_alloc);
  return check_done();
}
