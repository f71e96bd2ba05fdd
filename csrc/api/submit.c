/*
** api/submit: from values to a task in the pool.
**
** SPDX-License-Identifier: MIT
*/
#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "luautil/error.h"
#include "api/executor.h"
#include "api/inline_executor.h"
#include "api/owner.h"
#include "codec/pack.h"
#include "codec/reftype.h"
#include "codec/scalar.h"
#include "api/task_seed.h"
#include "codec/wire.h"
#include "api/task_wait.h"
#include "platform/clock.h"
#include "platform/mutex.h"

void tide_taskopts_init(tide_taskopts *o) {
  memset(o, 0, sizeof *o);
  o->struct_size = sizeof *o;
}

struct ti_task *ti_submit_new_task(tide_executor *ex, lua_State *L, const tide_taskopts *o,
                                   struct ti_numbered *n) {
  struct ti_task_options terms;
  struct ti_seeding seeding;
  struct ti_task *t;
  n->counter = NULL;
  if (o == NULL && !ex->seeded) return ti_task_new(ti_pool_home(ex->pool), &ex->mem, NULL);
  memset(&terms, 0, sizeof terms);
  if (o != NULL) {
    terms.name = o->name;
    terms.priority = o->priority;
    terms.time_limit = ti_executor_nanoseconds(o->time_limit);
    terms.memory_limit = o->memory_limit;
  }
  if (ti_task_seed_of(ex, L, o, &seeding, n)) terms.seeding = &seeding;
  t = ti_task_new(ti_pool_home(ex->pool), &ex->mem, &terms);
  if (t == NULL) ti_task_seed_undo(n);
  return t;
}

void ti_submit_mark(tide_executor *ex) {
  if (atomic_load_explicit(&ex->submitted, memory_order_relaxed)) return;
  ti_mutex_lock(&ex->lock);
  atomic_store_explicit(&ex->submitted, true, memory_order_relaxed);
  ti_mutex_unlock(&ex->lock);
}

/* Inside a task of the pool whose queue is full: if nobody else can, runs here what is next, and is
** away again; or notes that there is no room yet. */
static int make_room(const struct ti_task_wait *w, enum ti_pool_block *how) {
  if (!ti_task_wait_crowded(w)) return TIDE_OK;
  return ti_task_wait_help(w, NULL, how) ? ti_task_wait_block_begin(w, how) : ti_task_wait_agree(w);
}

/* Puts t into the pool's queue; waits for room as long as that takes, but with `nowait`. With a
** state (L may be NULL) a hook that was set meanwhile may raise: then *status is not LUA_OK and the
** error on top. [-0, +(0|1), -] */
static int enqueue(tide_executor *ex, struct ti_task *t, const tide_taskopts *o, lua_State *L,
                   int *err, int *status) {
  struct ti_owner_hookwatch hook;
  struct ti_task_wait w;
  enum ti_pool_block how;
  int code;
  *status = LUA_OK;
  ti_submit_mark(ex);
  if (ex->limited || (o != NULL && o->time_limit > 0)) {
    *err = ti_pool_cancel_start_watchdog(ex->pool);
    if (*err != 0) return TIDE_ETHREAD;
  }
  code = ti_pool_submit(ex->pool, t, 0, err);
  if (code != TIDE_ETIMEOUT) return code; /* as nearly always: there was room */
  if (o != NULL && o->nowait) return TIDE_EFULL;
  w = ti_task_wait_of(L);
  code = ti_task_wait_block_begin(&w, &how);
  if (code != TIDE_OK) {
    *err = EAGAIN;
    return code;
  }
  ti_owner_hook_start(&hook, L, ti_owner_known(L), false);
  do {
    if (w.pool == ex->pool && (code = make_room(&w, &how)) != TIDE_OK) break;
    code = ti_pool_submit(ex->pool, t, ti_owner_hook_slice(&hook, TI_CLOCK_NEVER), err);
    if (code == TIDE_ETIMEOUT) *status = ti_owner_hook_run(&hook);
  } while (code == TIDE_ETIMEOUT && *status == LUA_OK);
  ti_task_wait_block_end(&w, how);
  ti_owner_hook_end(&hook);
  return code;
}

int ti_submit_refuse(lua_State *L, tide_executor *ex, int code, int err) {
  char why[128];
  switch (code) {
    case TIDE_ESHUTDOWN: return ti_error_raise(L, code, "cannot submit: the executor is shut down");
    case TIDE_EBROKEN: return ti_error_raise(L, code, "%s", ti_pool_broken_reason(ex->pool));
    case TIDE_EFULL: return ti_error_raise(L, code, "cannot submit: the queue is full");
    case TIDE_ETHREAD:
      if (err == ENOTSUP)
        return ti_error_plain(L, "cannot submit with a time limit: there is no signal by which a "
                                 "task could be stopped (option 'interrupt_signal')");
      return ti_error_plain(L, "cannot start a worker thread: %s",
                            strerror_r(err, why, sizeof why));
    default: return ti_error_plain(L, "not enough memory");
  }
}

tide_future *tide_submit(tide_executor *ex, lua_State *L, int nargs, const tide_taskopts *o) {
  struct ti_package_paths *paths;
  struct ti_task *t;
  struct ti_numbered number;
  int code, err = 0, status;
  if (ti_pool_forked(ex->pool)) ti_error_raise(L, TIDE_EBROKEN, "cannot submit: " TI_FORKED);
  if (ti_warnings_any()) tide_warnings(L);
  if (ex->run_inline) return ti_inline_executor_submit(ex, L, nargs, o);
  paths = ti_package_paths_of(L, 0); /* leaves the transfer userdata */
  t = ti_submit_new_task(ex, L, o, &number);
  if (t == NULL) luaL_error(L, "not enough memory");
  t->context = ti_package_paths_hold(paths);
  status = ti_pack_below(L, &t->msg, nargs + 1, PACK_CALL, ti_executor_rules(ex));
  if (status == LUA_OK) {
    code = enqueue(ex, t, o, L, &err, &status);
    if (code == TIDE_OK) return ti_executor_future_of(t);
    ti_task_release(t);
    ti_task_seed_undo(&number);
    if (status == LUA_OK) ti_submit_refuse(L, ex, code, err);
  } else {
    ti_task_release(t);
    ti_task_seed_undo(&number);
  }
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

/* The rest of a call whose callee was put already, then into the pool. Takes t. */
static int submit_values(tide_future **f, tide_executor *ex, struct ti_task *t,
                         const struct ti_numbered *number, const tide_value *args, size_t nargs,
                         const tide_taskopts *o) {
  struct ti_buffer *b = &t->msg.bytes;
  int code = TIDE_OK, err, status;
  for (size_t i = 0; i < nargs && code == TIDE_OK; i++)
    if (!ti_scalar_put(b, &args[i])) code = TIDE_EARG;
  ti_buffer_put_u8(b, WIRE_END);
  if (b->failed) code = TIDE_ENOMEM;
  if (code == TIDE_OK) code = enqueue(ex, t, o, NULL, &err, &status);
  if (code != TIDE_OK) {
    ti_task_release(t);
    ti_task_seed_undo(number);
    return code;
  }
  *f = ti_executor_future_of(t);
  return TIDE_OK;
}

int tide_submit_named(tide_future **f, tide_executor *ex, const char *name, const tide_value *args,
                      size_t nargs, const tide_taskopts *o) {
  struct ti_task *t;
  struct ti_numbered number;
  tide_value callee;
  *f = NULL;
  if (name == NULL || ex->run_inline) return TIDE_EARG;
  if (ti_pool_forked(ex->pool)) return TIDE_EBROKEN;
  t = ti_submit_new_task(ex, NULL, o, &number);
  if (t == NULL) return TIDE_ENOMEM;
  callee.type = TIDE_TSTRING;
  callee.u.string.data = name;
  callee.u.string.len = strlen(name);
  ti_buffer_put_varint(&t->msg.bytes, nargs + 1);
  ti_scalar_put(&t->msg.bytes, &callee);
  return submit_values(f, ex, t, &number, args, nargs, o);
}

int tide_submit_cfunction(tide_future **f, tide_executor *ex, lua_CFunction fn,
                          const tide_value *args, size_t nargs, const tide_taskopts *o) {
  struct ti_task *t;
  struct ti_numbered number;
  void *object;
  size_t part;
  *f = NULL;
  if (fn == NULL || ex->run_inline) return TIDE_EARG;
  if (ti_pool_forked(ex->pool)) return TIDE_EBROKEN;
  t = ti_submit_new_task(ex, NULL, o, &number);
  if (t == NULL) return TIDE_ENOMEM;
  memcpy(&object, &fn, sizeof object);
  if (!ti_message_add_part(&t->msg, &ti_reftype_cfunction_part, object, NULL, &part)) {
    ti_task_release(t);
    ti_task_seed_undo(&number);
    return TIDE_ENOMEM;
  }
  ti_buffer_put_varint(&t->msg.bytes, nargs + 1);
  ti_buffer_put_u8(&t->msg.bytes, WIRE_CFUNCTION);
  ti_buffer_put_varint(&t->msg.bytes, part);
  ti_buffer_put_varint(&t->msg.bytes, 0);
  return submit_values(f, ex, t, &number, args, nargs, o);
}
