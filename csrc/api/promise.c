/*
** api/promise: futures that no executor completes.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>

#include "api/executor.h"
#include "codec/pack.h"
#include "codec/scalar.h"
#include "codec/wire.h"
#include "luautil/error.h"
#include "vm/gc_pacing.h"

int tide_promise_new(tide_future **f) {
  struct ti_task *t = ti_task_new(NULL, &ti_alloc_default, NULL);
  *f = t != NULL ? ti_executor_future_of(t) : NULL;
  return t != NULL ? TIDE_OK : TIDE_ENOMEM;
}

int tide_promise_begin(tide_future *f) {
  struct ti_task *t = ti_executor_task_of(f);
  if (ti_task_pool(t) != NULL) return TIDE_EINVALIDSTATE;
  if (ti_task_begin(t, NULL)) return TIDE_OK;
  return ti_task_state(t) == TIDE_CANCELLED ? TIDE_ECANCELLED : TIDE_EINVALIDSTATE;
}

/* Finishes a promise with the n values on top. [-n, +0, e] */
static void finish(tide_future *f, lua_State *L, int n, int outcome) {
  struct ti_task *t = ti_executor_task_of(f);
  struct ti_message m;
  size_t kept;
  if (ti_task_pool(t) != NULL)
    ti_error_raise(L, TIDE_EINVALIDSTATE, "the future belongs to an executor");
  if (ti_task_done(t)) ti_error_raise(L, TIDE_EINVALIDSTATE, "the future is done already");
  luaL_checkstack(L, 8, NULL); /* now, as an error below would leak m */
  ti_message_init(&m, ti_task_mem(t));
  if (outcome == TIDE_EERROR) ti_buffer_put_varint(&m.bytes, 0); /* no traceback */
  if (ti_pack_values(L, &m, n, outcome == TIDE_OK ? PACK_RESULTS : PACK_ERROR) != LUA_OK) {
    ti_message_fini(&m);
    lua_error(L);
  }
  kept = m.bytes.cap;
  if (!ti_task_finish(t, outcome, &m)) { /* another thread was first */
    ti_message_fini(&m);
    ti_error_raise(L, TIDE_EINVALIDSTATE, "the future is done already");
  }
  ti_gc_pacing_kept(L, kept);
}

void tide_promise_setresult(tide_future *f, lua_State *L, int n) { finish(f, L, n, TIDE_OK); }

void tide_promise_seterror(tide_future *f, lua_State *L) { finish(f, L, 1, TIDE_EERROR); }

int tide_promise_setvalues(tide_future *f, const tide_value *v, size_t n) {
  struct ti_task *t = ti_executor_task_of(f);
  struct ti_message m;
  int code = TIDE_OK;
  if (ti_task_pool(t) != NULL || ti_task_done(t)) return TIDE_EINVALIDSTATE;
  ti_message_init(&m, ti_task_mem(t));
  ti_buffer_put_varint(&m.bytes, n);
  for (size_t i = 0; i < n && code == TIDE_OK; i++)
    if (!ti_scalar_put(&m.bytes, &v[i])) code = TIDE_EARG;
  ti_buffer_put_u8(&m.bytes, WIRE_END);
  if (m.bytes.failed) code = TIDE_ENOMEM;
  if (code == TIDE_OK && !ti_task_finish(t, TIDE_OK, &m)) code = TIDE_EINVALIDSTATE;
  if (code != TIDE_OK) ti_message_fini(&m);
  return code;
}
