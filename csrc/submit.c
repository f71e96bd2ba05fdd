/*
** tidepool, floor 3: submit, from values to a task in the pool.
**
** SPDX-License-Identifier: MIT
*/
#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "error.h"
#include "executor.h"
#include "inline.h"
#include "owner.h"
#include "pack.h"
#include "reftype.h"
#include "seeding.h"
#include "wire.h"
#include "within.h"

void tide_taskopts_init(tide_taskopts *o) {
  memset(o, 0, sizeof *o);
  o->struct_size = sizeof *o;
}

struct task *tide_task_for(tide_executor *ex, lua_State *L, const tide_taskopts *o,
                           struct numbered *n) {
  struct task_terms terms;
  struct seeding seeding;
  struct task *t;
  n->counter = NULL;
  if (o == NULL && !ex->seeded) return tide_task_new(ex->pool, &ex->mem, NULL);
  memset(&terms, 0, sizeof terms);
  if (o != NULL) {
    terms.name = o->name;
    terms.priority = o->priority;
    terms.time_limit = tide_nanoseconds(o->time_limit);
    terms.memory_limit = o->memory_limit;
  }
  if (tide_seeding_of(ex, L, o, &seeding, n)) terms.seeding = &seeding;
  t = tide_task_new(ex->pool, &ex->mem, &terms);
  if (t == NULL) tide_seeding_undo(n);
  return t;
}

void tide_submit_mark(tide_executor *ex) {
  if (atomic_load_explicit(&ex->submitted, memory_order_relaxed)) return;
  tide_lock_take(&ex->lock);
  atomic_store_explicit(&ex->submitted, true, memory_order_relaxed);
  tide_lock_drop(&ex->lock);
}

/* Inside a task of the pool whose queue is full: if nobody else can, runs here what is next, and is away
** again; or notes that there is no room yet. */
static int make_room(const struct within *w, enum absence *how) {
  if (!tide_within_crowded(w)) return FAULT_NONE;
  return tide_within_help(w, NULL, how) ? tide_within_away(w, how) : tide_within_agree(w);
}

/* Puts t into the pool's queue; waits for room as long as that takes, but with `nowait`. With a state
** (L may be NULL) a hook that was set meanwhile may raise: then *status is not LUA_OK and the error
** on top. [-0, +(0|1), -] */
static int enqueue(tide_executor *ex, struct task *t, const tide_taskopts *o, lua_State *L,
                   int *err, int *status) {
  struct hookwatch hook;
  struct within w;
  enum absence how;
  int fault;
  *status = LUA_OK;
  tide_submit_mark(ex);
  if (ex->limited || (o != NULL && o->time_limit > 0)) {
    *err = tide_pool_watch(ex->pool);
    if (*err != 0) return FAULT_THREAD;
  }
  fault = tide_pool_submit(ex->pool, t, 0, err);
  if (fault != FAULT_TIMEOUT) return fault; /* as nearly always: there was room */
  if (o != NULL && o->nowait) return FAULT_FULL;
  w = tide_within(L);
  fault = tide_within_away(&w, &how);
  if (fault != FAULT_NONE) {
    *err = EAGAIN;
    return fault;
  }
  tide_hook_start(&hook, L, tide_owner_known(L), false);
  do {
    if (w.pool == ex->pool && (fault = make_room(&w, &how)) != FAULT_NONE) break;
    fault = tide_pool_submit(ex->pool, t, tide_hook_slice(&hook, SYS_NEVER), err);
    if (fault == FAULT_TIMEOUT) *status = tide_hook_run(&hook);
  } while (fault == FAULT_TIMEOUT && *status == LUA_OK);
  tide_within_back(&w, how);
  tide_hook_end(&hook);
  return fault;
}

int tide_submit_refuse(lua_State *L, tide_executor *ex, int fault, int err) {
  char why[128];
  switch (fault) {
    case FAULT_SHUTDOWN:
      return tide_error_raise(L, fault, "cannot submit: the executor is shut down");
    case FAULT_BROKEN: return tide_error_raise(L, fault, "%s", tide_pool_why(ex->pool));
    case FAULT_FULL: return tide_error_raise(L, fault, "cannot submit: the queue is full");
    case FAULT_THREAD:
      if (err == ENOTSUP)
        return tide_error_plain(L, "cannot submit with a time limit: there is no signal by which a "
                                   "task could be stopped (option 'interrupt_signal')");
      return tide_error_plain(L, "cannot start a worker thread: %s",
                              strerror_r(err, why, sizeof why));
    default: return tide_error_plain(L, "not enough memory");
  }
}

tide_future *tide_submit(tide_executor *ex, lua_State *L, int nargs, const tide_taskopts *o) {
  struct paths *paths;
  struct task *t;
  struct numbered number;
  int fault, err = 0, status;
  if (tide_pool_lost(ex->pool)) tide_error_raise(L, FAULT_BROKEN, "cannot submit: " TIDE_LOST);
  if (tide_warnings_any()) tide_warnings(L);
  if (ex->run_inline) return tide_inline_submit(ex, L, nargs, o);
  paths = tide_paths_of(L, 0); /* leaves the transfer userdata */
  t = tide_task_for(ex, L, o, &number);
  if (t == NULL) luaL_error(L, "not enough memory");
  t->context = tide_paths_hold(paths);
  status = tide_pack_below(L, &t->msg, nargs + 1, PACK_CALL, tide_executor_rules(ex));
  if (status == LUA_OK) {
    fault = enqueue(ex, t, o, L, &err, &status);
    if (fault == FAULT_NONE) return tide_future_of(t);
    tide_task_rele(t);
    tide_seeding_undo(&number);
    if (status == LUA_OK) tide_submit_refuse(L, ex, fault, err);
  } else {
    tide_task_rele(t);
    tide_seeding_undo(&number);
  }
  lua_error(L);
  return NULL;
}

int tide_sendable(lua_State *L, int n) {
  struct message m;
  int status;
  tide_message_init(&m, &tide_mem_default);
  luaL_checkstack(L, n + 4, "too many values");
  for (int i = 0; i < n; i++) lua_pushvalue(L, -n);
  status = tide_pack(L, &m, n, PACK_RESULTS);
  tide_message_fini(&m);
  if (status == LUA_OK) return TIDE_OK;
  if (tide_error_kind(L, -1) == FAULT_TRANSFER) return TIDE_ETRANSFER;
  return lua_error(L);
}

/* ------------------------------------------------------------ without a lua_State -- */

/* The rest of a call whose callee was put already, then into the pool. Takes t. */
static int submit_values(tide_future **f, tide_executor *ex, struct task *t,
                         const struct numbered *number, const tide_value *args, size_t nargs,
                         const tide_taskopts *o) {
  struct bytes *b = &t->msg.bytes;
  int fault = FAULT_NONE, err, status;
  for (size_t i = 0; i < nargs && fault == FAULT_NONE; i++)
    if (!tide_value_put(b, &args[i])) fault = FAULT_ARG;
  tide_bytes_put_u8(b, WIRE_END);
  if (b->failed) fault = FAULT_NOMEM;
  if (fault == FAULT_NONE) fault = enqueue(ex, t, o, NULL, &err, &status);
  if (fault != FAULT_NONE) {
    tide_task_rele(t);
    tide_seeding_undo(number);
    return fault;
  }
  *f = tide_future_of(t);
  return TIDE_OK;
}

int tide_submit_named(tide_future **f, tide_executor *ex, const char *name, const tide_value *args,
                      size_t nargs, const tide_taskopts *o) {
  struct task *t;
  struct numbered number;
  tide_value callee;
  *f = NULL;
  if (name == NULL || ex->run_inline) return TIDE_EARG;
  if (tide_pool_lost(ex->pool)) return TIDE_EBROKEN;
  t = tide_task_for(ex, NULL, o, &number);
  if (t == NULL) return TIDE_ENOMEM;
  callee.type = TIDE_TSTRING;
  callee.u.string.data = name;
  callee.u.string.len = strlen(name);
  tide_bytes_put_varint(&t->msg.bytes, nargs + 1);
  tide_value_put(&t->msg.bytes, &callee);
  return submit_values(f, ex, t, &number, args, nargs, o);
}

int tide_submit_cfunction(tide_future **f, tide_executor *ex, lua_CFunction fn,
                          const tide_value *args, size_t nargs, const tide_taskopts *o) {
  struct task *t;
  struct numbered number;
  void *object;
  size_t part;
  *f = NULL;
  if (fn == NULL || ex->run_inline) return TIDE_EARG;
  if (tide_pool_lost(ex->pool)) return TIDE_EBROKEN;
  t = tide_task_for(ex, NULL, o, &number);
  if (t == NULL) return TIDE_ENOMEM;
  memcpy(&object, &fn, sizeof object);
  if (!tide_message_addpart(&t->msg, &tide_cfunction_part, object, NULL, &part)) {
    tide_task_rele(t);
    tide_seeding_undo(&number);
    return TIDE_ENOMEM;
  }
  tide_bytes_put_varint(&t->msg.bytes, nargs + 1);
  tide_bytes_put_u8(&t->msg.bytes, WIRE_CFUNCTION);
  tide_bytes_put_varint(&t->msg.bytes, part);
  tide_bytes_put_varint(&t->msg.bytes, 0);
  return submit_values(f, ex, t, &number, args, nargs, o);
}
