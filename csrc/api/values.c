/*
** api/values: what a C host sends and reads without a lua_State.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <string.h>

#include "api/executor.h"
#include "codec/scalar.h"

int tide_future_values(const tide_future *f, tide_value *out, size_t max, size_t *n) {
  const struct ti_task *t = ti_executor_c_task_of(f);
  int outcome = tide_future_outcome(f);
  struct ti_cursor c;
  *n = 0;
  for (size_t i = 0; i < max; i++) out[i].type = TIDE_TNIL;
  if (outcome == TIDE_EINVALIDSTATE || outcome == TIDE_ECANCELLED || outcome == TIDE_ENOMEM)
    return outcome;
  ti_buffer_cursor_init(&c, t->msg.bytes.data, t->msg.bytes.len);
  if (outcome != TIDE_OK && outcome != TIDE_EERROR) {
    *n = 1;
    if (max > 0) (void)ti_scalar_get(&c, WIRE_STRING, &out[0]);
    return outcome;
  }
  if (outcome == TIDE_EERROR) { /* behind the traceback */
    size_t len = (size_t)ti_buffer_get_varint(&c);
    ti_buffer_get(&c, len);
  }
  *n = (size_t)ti_buffer_get_varint(&c);
  for (size_t i = 0; i < *n && i < max && !c.failed; i++) ti_scalar_next(&c, &t->msg, &out[i]);
  return outcome;
}

void tide_pushvalue(lua_State *L, const tide_value *v) { ti_scalar_push(L, v); }

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
