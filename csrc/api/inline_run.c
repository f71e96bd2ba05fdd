/*
** api/inline_run: the tasks that executors without threads run in a state now.
**
** SPDX-License-Identifier: MIT
*/
#include "api/inline_run.h"

#include <string.h>

#include "codec/outcome.h"

static const char registry_key = 0;

void ti_inline_run_init(struct ti_inline_run *r, tide_executor *ex, const struct ti_alloc *mem) {
  memset(r, 0, sizeof *r);
  r->ex = ex;
  ti_buffer_init(&r->traceback, mem);
}

void ti_inline_run_fini(struct ti_inline_run *r) { ti_buffer_fini(&r->traceback); }

static void set_top(lua_State *L, struct ti_inline_run *r) {
  lua_pushlightuserdata(L, r);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
}

void ti_inline_run_prepare(lua_State *L) { set_top(L, NULL); }

void ti_inline_run_begin(lua_State *L, struct ti_inline_run *r) {
  r->rng.seeded = r->rng.current = false;
  ti_lua_random_save(L, &r->outside);
  r->outer = ti_inline_run_top(L);
  set_top(L, r); /* the entry exists, so this allocates nothing */
}

void ti_inline_run_end(lua_State *L, const struct ti_inline_run *r) {
  if (r->rng.seeded) ti_lua_random_restore(L, &r->outside);
  set_top(L, r->outer);
}

struct ti_inline_run *ti_inline_run_top(lua_State *L) {
  struct ti_inline_run *r;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
  r = (struct ti_inline_run *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  return r;
}

int ti_inline_run_depth(lua_State *L, const tide_executor *ex) {
  int n = 0;
  for (const struct ti_inline_run *r = ti_inline_run_top(L); r != NULL; r = r->outer)
    n += r->ex == ex;
  return n;
}

int ti_inline_run_trace(lua_State *L) {
  struct ti_inline_run *r = ti_inline_run_top(L);
  ti_outcome_trace(L, r->name, &r->traceback);
  return 1;
}
