/*
** api/submit: from values to a task in the pool.
**
** SPDX-License-Identifier: MIT
*/
#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "api/inline_executor.h"
#include "api/submission.h"
#include "api/task_wait.h"
#include "api/wait_hook.h"
#include "codec/reftype.h"
#include "codec/scalar.h"
#include "codec/wire.h"
#include "luautil/error.h"
#include "sched/pool_cancel.h"

void tide_taskopts_init(tide_taskopts *o) {
  memset(o, 0, sizeof *o);
  o->struct_size = sizeof *o;
}

/* Inside a task of the pool whose queue is full. If all other threads wait, runs the queue's next
** task on this one, and is blocked again; or agrees that there is still no room. */
static int make_room(const struct ti_task_wait *w, enum ti_pool_block *how) {
  if (!ti_task_wait_at_max_threads(w)) return TIDE_OK;
  return ti_task_wait_help(w, NULL, how) ? ti_task_wait_block_begin(w, how) : ti_task_wait_agree(w);
}

/* Puts t into the pool's queue; waits while the queue is full, except with `nowait`. L may be NULL.
** Returns TIDE_OK or an error code, with an errno code in *err. If a hook raised meanwhile, *status
** is not LUA_OK and the error is on top. [-0, +(0|1), -] */
static int enqueue(tide_executor *ex, struct ti_task *t, const tide_taskopts *o, lua_State *L,
                   int *err, int *status) {
  struct ti_wait_hook hook;
  struct ti_task_wait w;
  enum ti_pool_block how;
  int code;
  *status = LUA_OK;
  ti_submission_mark(ex);
  if (ex->limited || (o != NULL && o->time_limit > 0)) {
    *err = ti_pool_cancel_start_watchdog(ex->pool);
    if (*err != 0) return TIDE_ETHREAD;
  }
  code = ti_pool_submit(ex->pool, t, 0, err);
  if (code != TIDE_ETIMEOUT) return code; /* nearly always: there was room */
  if (o != NULL && o->nowait) return TIDE_EFULL;
  w = ti_task_wait_of(L);
  code = ti_task_wait_block_begin(&w, &how);
  if (code != TIDE_OK) {
    *err = EAGAIN;
    return code;
  }
  ti_wait_hook_start(&hook, L, ti_owner_known(L), false);
  do {
    if (w.pool == ex->pool && (code = make_room(&w, &how)) != TIDE_OK) break;
    code = ti_pool_submit(ex->pool, t, ti_wait_hook_slice(&hook, TI_CLOCK_NEVER), err);
    if (code == TIDE_ETIMEOUT) *status = ti_wait_hook_run(&hook);
  } while (code == TIDE_ETIMEOUT && *status == LUA_OK);
  ti_task_wait_block_end(&w, how);
  ti_wait_hook_end(&hook);
  return code;
}

tide_future *tide_submit(tide_executor *ex, lua_State *L, int nargs, const tide_taskopts *o) {
  struct ti_package_paths *paths;
  struct ti_submission s;
  int code = TIDE_OK, err = 0, status;
  if (ti_pool_forked(ex->pool))
    ti_error_raise(L, TIDE_EBROKEN, "cannot submit: " TI_EXECUTOR_FORKED);
  if (ti_warnings_any()) tide_warnings(L);
  if (ex->run_inline) return ti_inline_executor_submit(ex, L, nargs, o);
  paths = ti_package_paths_of(L, 0); /* leaves the codec state on top, as _pack_below expects */
  if (!ti_submission_begin(&s, ex, L, o)) luaL_error(L, "not enough memory");
  s.task->context = ti_package_paths_hold(paths);
  status = ti_pack_below(L, &s.task->msg, nargs + 1, PACK_CALL, ti_executor_rules(ex));
  if (status == LUA_OK) {
    code = enqueue(ex, s.task, o, L, &err, &status);
    if (code == TIDE_OK) return ti_executor_future_of(s.task);
  }
  ti_submission_abandon(&s);
  if (status == LUA_OK) ti_submission_refuse(L, ex, code, err);
  lua_error(L);
  return NULL;
}

int tide_sendable(lua_State *L, int n) {
  struct ti_message m;
  int status;
  ti_message_init(&m, &ti_alloc_default);
  luaL_checkstack(L, n + 4, "too many values");
  for (int i = 0; i < n; i++) lua_pushvalue(L, -n);
  status = ti_pack_values(L, &m, n, PACK_RESULTS);
  ti_message_fini(&m);
  if (status == LUA_OK) return TIDE_OK;
  if (ti_error_kind(L, -1) == TIDE_ETRANSFER) return TIDE_ETRANSFER;
  return lua_error(L);
}

/* ------------------------------------------------------------ without a lua_State -- */

/* Begins the message of a call of one function and nargs values. Returns TIDE_OK or an error code,
** and then there is no submission. */
static int begin_call(struct ti_submission *s, tide_executor *ex, size_t nargs,
                      const tide_taskopts *o) {
  if (ex->run_inline) return TIDE_EARG;
  if (ti_pool_forked(ex->pool)) return TIDE_EBROKEN;
  if (!ti_submission_begin(s, ex, NULL, o)) return TIDE_ENOMEM;
  ti_buffer_put_varint(&s->task->msg.bytes, nargs + 1);
  return TIDE_OK;
}

/* Appends the arguments to the message, which ends with its function, and submits the task. */
static int end_call(tide_future **f, tide_executor *ex, const struct ti_submission *s,
                    const tide_value *args, size_t nargs, const tide_taskopts *o) {
  struct ti_buffer *b = &s->task->msg.bytes;
  int code = TIDE_OK, err, status;
  for (size_t i = 0; i < nargs && code == TIDE_OK; i++)
    if (!ti_scalar_put(b, &args[i])) code = TIDE_EARG;
  ti_buffer_put_u8(b, WIRE_END);
  if (b->failed) code = TIDE_ENOMEM;
  if (code == TIDE_OK) code = enqueue(ex, s->task, o, NULL, &err, &status);
  if (code == TIDE_OK)
    *f = ti_executor_future_of(s->task);
  else
    ti_submission_abandon(s);
  return code;
}

int tide_submit_named(tide_future **f, tide_executor *ex, const char *name, const tide_value *args,
                      size_t nargs, const tide_taskopts *o) {
  struct ti_submission s;
  tide_value callee;
  int code;
  *f = NULL;
  if (name == NULL) return TIDE_EARG;
  code = begin_call(&s, ex, nargs, o);
  if (code != TIDE_OK) return code;
  callee.type = TIDE_TSTRING;
  callee.u.string.data = name;
  callee.u.string.len = strlen(name);
  ti_scalar_put(&s.task->msg.bytes, &callee);
  return end_call(f, ex, &s, args, nargs, o);
}

int tide_submit_cfunction(tide_future **f, tide_executor *ex, lua_CFunction fn,
                          const tide_value *args, size_t nargs, const tide_taskopts *o) {
  struct ti_submission s;
  struct ti_buffer *b;
  void *object;
  size_t part;
  int code;
  *f = NULL;
  if (fn == NULL) return TIDE_EARG;
  code = begin_call(&s, ex, nargs, o);
  if (code != TIDE_OK) return code;
  memcpy(&object, &fn, sizeof object);
  if (!ti_message_add_part(&s.task->msg, &ti_reftype_cfunction_part, object, NULL, &part)) {
    ti_submission_abandon(&s);
    return TIDE_ENOMEM;
  }
  b = &s.task->msg.bytes;
  ti_buffer_put_u8(b, WIRE_CFUNCTION);
  ti_buffer_put_varint(b, part);
  ti_buffer_put_varint(b, 0); /* no upvalues */
  return end_call(f, ex, &s, args, nargs, o);
}
