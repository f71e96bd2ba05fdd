/*
** api/future: waiting for a task and reading its outcome; promises.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <string.h>

#include "luautil/error.h"
#include "api/executor.h"
#include "luautil/interrupt.h"
#include "vm/gc_pacing.h"
#include "codec/borrow.h"
#include "api/owner.h"
#include "codec/pack.h"
#include "codec/reftype.h"
#include "codec/scalar.h"
#include "codec/unpack.h"
#include "codec/wire.h"
#include "api/task_wait.h"
#include "platform/clock.h"

tide_future *tide_future_hold(tide_future *f) {
  ti_task_hold(ti_executor_task_of(f));
  return f;
}

void tide_future_rele(tide_future *f) {
  if (f != NULL && !ti_executor_future_forked(f)) ti_task_release(ti_executor_task_of(f));
}

const char *tide_future_name(const tide_future *f) {
  return ti_task_name(ti_executor_c_task_of(f));
}

tide_status tide_future_status(const tide_future *f) {
  return (tide_status)ti_task_state(ti_executor_c_task_of(f));
}

int tide_future_cancel(tide_future *f) {
  struct ti_task *t = ti_executor_task_of(f);
  if (ti_executor_future_forked(f)) return ti_task_state(t) == TIDE_CANCELLED;
  if (ti_task_pool(t) != NULL) return ti_pool_cancel_task(ti_task_pool(t), t);
  return ti_task_cancel(t) || ti_task_state(t) == TIDE_CANCELLED;
}

int tide_future_interrupt(tide_future *f) {
  struct ti_task *t = ti_executor_task_of(f);
  if (ti_task_pool(t) == NULL || ti_executor_future_forked(f)) return tide_future_cancel(f);
  return ti_pool_cancel_interrupt(ti_task_pool(t), t);
}

/* How long to look before sleeping on t. */
static ti_time spin_time(const struct ti_task *t) {
  return ti_task_pool(t) != NULL ? ti_pool_spin_time(ti_task_pool(t)) : SPIN_TIME;
}

/* Looks for a while whether t is done, without a watch: neither this thread nor the completer
** touches a mailbox then. */
static bool look(const struct ti_task *t, struct ti_spin_wait *s) {
  struct ti_spin_loop k;
  bool found;
  if (!ti_spin_wait_start(s, spin_time(t), &k)) return false;
  do found = ti_task_done(t);
  while (!found && ti_spin_wait_again(&k));
  ti_spin_wait_stop(s, found);
  return found;
}

/* Inside a task, in a pool that has max_threads: runs t here if nobody else can (then *how is
** BLOCK_NONE), or notes that this wait is not over. */
static int look_after(const struct ti_task_wait *w, struct ti_task *t, ti_time deadline,
                      enum ti_pool_block *how) {
  if (!ti_task_wait_crowded(w) || ti_task_wait_help(w, t, how)) return TIDE_OK;
  return deadline == TI_CLOCK_NEVER && ti_task_pool(t) == w->pool ? ti_task_wait_agree(w) : TIDE_OK;
}

/* Sleeps in `box` until t is done. LUA_OK and *code, or a hook's error on top. */
static int sleep_on(struct ti_task *t, const struct ti_task_wait *w, struct ti_waiter *box,
                    struct ti_owner_hookwatch *hook, ti_time deadline, enum ti_pool_block *how,
                    int *code) {
  struct ti_wait_set set;
  struct ti_wait_entry watch;
  ti_time slice;
  bool done;
  int status = LUA_OK;
  *code = TIDE_OK;
  if (look(t, &box->spin)) return ti_owner_hook_run(hook);
  ti_waiter_set_init(&set, box);
  set.spin_time = 0; /* it looked already */
  ti_waiter_entry_start(&watch, t, &set);
  do {
    *code = look_after(w, t, deadline, how);
    if (*code != TIDE_OK) break;
    slice = ti_owner_hook_slice(hook, deadline);
    done = ti_waiter_set_sleep(&set, 1, false, slice);
    status = ti_owner_hook_run(hook); /* also when done: not inside what protects the decoding */
    *code = done ? TIDE_OK : TIDE_ETIMEOUT;
  } while (!done && slice < deadline && status == LUA_OK);
  ti_waiter_entry_cancel(&watch);
  return status;
}

/* The same, from inside a task or not. */
static int wait_in(struct ti_task *t, const struct ti_task_wait *w, struct ti_waiter *box,
                   struct ti_owner_hookwatch *hook, ti_time deadline, int *code) {
  enum ti_pool_block how;
  int status;
  if (deadline != TI_CLOCK_NEVER) {
    *code = ti_task_wait_block_begin(w, &how);
    if (*code != TIDE_OK) return LUA_OK;
    status = sleep_on(t, w, box, hook, deadline, &how, code);
    ti_task_wait_block_end(w, how);
    return status;
  }
  *code = ti_task_wait_begin(w, t, &how);
  if (*code != TIDE_OK) return LUA_OK;
  status =
      ti_task_done(t) ? ti_owner_hook_run(hook) : sleep_on(t, w, box, hook, deadline, &how, code);
  ti_task_wait_end(w, how);
  return status;
}

/* L's worker is being closed, and t may be for the thread that does so. */
static bool for_own_worker(lua_State *L, const struct ti_task *t) {
  return L != NULL && ti_task_pool(t) != NULL && ti_worker_state_closing(L) &&
         ti_task_pool(t) == ((const tide_executor *)ti_worker_state_user(L))->pool;
}

int tide_future_wait(tide_future *f, lua_State *L, double timeout) {
  struct ti_task *t = ti_executor_task_of(f);
  struct ti_owner *o;
  struct ti_owner_hookwatch hook;
  struct ti_task_wait w;
  int code, status;
  if (ti_task_done(t)) return TIDE_OK;
  if (ti_executor_future_forked(f)) return TIDE_EBROKEN;
  if (timeout == 0) return TIDE_ETIMEOUT;
  if (timeout < 0 && for_own_worker(L, t)) return TIDE_EDEADLOCK;
  o = L != NULL ? ti_owner_of(L) : NULL;
  ti_owner_hook_start(&hook, L, o, false);
  w = ti_task_wait_of(L);
  if (o != NULL) {
    status = wait_in(t, &w, &o->box, &hook, ti_clock_deadline(timeout), &code);
  } else {
    struct ti_waiter box;
    if (ti_waiter_init(&box) != 0) return TIDE_ENOMEM;
    status = wait_in(t, &w, &box, &hook, ti_clock_deadline(timeout), &code);
    ti_waiter_fini(&box);
  }
  ti_owner_hook_end(&hook);
  if (status != LUA_OK) lua_error(L);
  if (o != NULL) ti_borrow_peek(L); /* who waited has the time; plain results are read without it */
  return code;
}

/* ------------------------------------------------------------------- outcomes -- */

int tide_future_outcome(const tide_future *f) {
  const struct ti_task *t = ti_executor_c_task_of(f);
  switch (ti_task_state(t)) {
    case TIDE_FINISHED: return t->outcome;
    case TIDE_CANCELLED: return TIDE_ECANCELLED;
    default: return TIDE_EINVALIDSTATE;
  }
}

/* The `nth` of the texts that stand first in the message of a failed task. */
static const char *get_text(const struct ti_task *t, int nth, size_t *len) {
  const char *s = NULL;
  struct ti_cursor c;
  ti_buffer_cursor_init(&c, t->msg.bytes.data, t->msg.bytes.len);
  for (*len = 0; nth >= 0; nth--) {
    *len = (size_t)ti_buffer_get_varint(&c);
    s = (const char *)ti_buffer_get(&c, *len);
    if (s == NULL) *len = 0;
  }
  return s;
}

struct decoding {
  const struct ti_task *t;
  size_t offset;
};

/* Protected: pushes what the message holds from `offset` on. */
static int decode(lua_State *L) {
  const struct decoding *d = (const struct decoding *)lua_touserdata(L, 1);
  return ti_unpack_values(L, &d->t->msg, d->offset, UNPACK_ALL);
}

static int try_decode(lua_State *L, struct decoding *d) {
  struct ti_gc_pacing large;
  int status;
  ti_gc_pacing_begin(L, &d->t->msg, &large);
  lua_pushcfunction(L, decode);
  lua_pushlightuserdata(L, d);
  status = lua_pcall(L, 1, LUA_MULTRET, 0);
  ti_gc_pacing_end(L, &large);
  return status;
}

static int push_packed(lua_State *L, const struct ti_task *t, int outcome, int *n) {
  struct decoding d = {t, 0};
  int base = lua_gettop(L), status;
  if (outcome == TIDE_EERROR) { /* the traceback comes first */
    size_t len;
    const char *s = get_text(t, 0, &len);
    if (s != NULL) d.offset = (size_t)((const unsigned char *)s - t->msg.bytes.data) + len;
  }
  luaL_checkstack(L, 6, NULL);
  status = try_decode(L, &d);
  if (status == LUA_ERRMEM)
    lua_error(L); /* says nothing of the task: a later look may fare better */
  if (status != LUA_OK) {
    outcome = TIDE_ETRANSFER;
    if (ti_error_kind(L, -1) != TIDE_ETRANSFER) {
      /* What rebuilds a value raised this, or a hook that a signal set meanwhile: a hook's error
      ** (Ctrl-C) must end the script, not become the outcome. A second try tells them apart. */
      if (try_decode(L, &d) == LUA_OK) {
        lua_settop(L, base + 1);
        lua_error(L);
      }
      lua_replace(L, base + 1);
      outcome = ti_error_kind(L, -1) == TIDE_ETRANSFER ? TIDE_ETRANSFER : TIDE_EERROR;
    }
  }
  *n = lua_gettop(L) - base;
  return outcome;
}

/* Pushes a scalar; false if it is none. [-0, +(0|1), m] */
static bool push_scalar(lua_State *L, const tide_value *v) {
  switch (v->type) {
    case TIDE_TNIL: lua_pushnil(L); return true;
    case TIDE_TBOOLEAN: lua_pushboolean(L, v->u.boolean); return true;
    case TIDE_TINTEGER: lua_pushinteger(L, v->u.integer); return true;
    case TIDE_TNUMBER: lua_pushnumber(L, (lua_Number)v->u.number); return true;
    case TIDE_TSTRING: lua_pushlstring(L, v->u.string.data, v->u.string.len); return true;
    case TIDE_TPOINTER: lua_pushlightuserdata(L, v->u.pointer); return true;
    default: return false;
  }
}

/* Whether the next value is a scalar, and no long string, which is better decoded once. */
static bool is_plain(const struct ti_cursor *c) {
  enum { MAX_STRING = 64 };
  struct ti_cursor ahead = *c;
  unsigned tag = WIRE_TAG(ti_buffer_get_u8(&ahead));
  if (tag == WIRE_STRING) return ti_buffer_get_varint(&ahead) <= MAX_STRING;
  return tag >= WIRE_NIL && tag <= WIRE_POINTER;
}

/* Pushes the userdata that stands next, if it is one whose each push is the same. [-0, +(0|1),
** m] */
static bool push_ref(lua_State *L, struct ti_cursor *c, const struct ti_message *m) {
  const tide_reftype *type;
  uint64_t i;
  if (WIRE_TAG(ti_buffer_get_u8(c)) != WIRE_REF) return false;
  i = ti_buffer_get_varint(c);
  if (c->failed || i >= m->nparts) return false;
  type = ti_reftype_of(ti_message_part(m, (size_t)i));
  if (type == NULL || type->quick == NULL) return false;
  type->push(L, ti_message_part(m, (size_t)i)->object);
  return true;
}

int tide_pushplain(lua_State *L, const tide_future *f, int *n) {
  enum { MOST = 8 };
  int answer = 1;
  const struct ti_task *t = ti_executor_c_task_of(f);
  int top = lua_gettop(L);
  struct ti_cursor c;
  uint64_t count;
  *n = 0;
  if (ti_task_state(t) != TIDE_FINISHED || t->outcome != TIDE_OK) return 0;
  ti_buffer_cursor_init(&c, t->msg.bytes.data, t->msg.bytes.len);
  count = ti_buffer_get_varint(&c);
  if (count > MOST || !lua_checkstack(L, MOST)) return 0;
  for (uint64_t i = 0; i < count; i++) {
    tide_value v;
    if (is_plain(&c)) {
      ti_scalar_next(&c, &t->msg, &v);
      if (!push_scalar(L, &v)) break;
    } else {
      if (!push_ref(L, &c, &t->msg)) break;
      answer = 2;
    }
  }
  if (lua_gettop(L) - top != (int)count || ti_buffer_get_u8(&c) != WIRE_END || c.failed) {
    lua_settop(L, top);
    return 0;
  }
  *n = (int)count;
  return answer;
}

int tide_pushoutcome(lua_State *L, const tide_future *f, int *n) {
  const struct ti_task *t = ti_executor_c_task_of(f);
  int outcome = tide_future_outcome(f);
  size_t len;
  const char *text;
  luaL_checkstack(L, 8, NULL);
  *n = 1;
  switch (outcome) {
    case TIDE_OK:
    case TIDE_EERROR: return push_packed(L, t, outcome, n);
    case TIDE_EINVALIDSTATE: ti_error_push(L, outcome, "the future is not done"); break;
    case TIDE_ECANCELLED: ti_error_push(L, outcome, "the future was cancelled"); break;
    case TIDE_ENOMEM: lua_pushliteral(L, "not enough memory"); break;
    default:
      text = get_text(t, 0, &len);
      if (text == NULL &&
          outcome == TIDE_EBROKEN) { /* no memory for the words; the pool has them */
        text = ti_executor_future_forked(f) ? TI_FORKED : ti_pool_broken_reason(ti_task_pool(t));
        len = strlen(text);
      }
      if (text == NULL && ti_errcode_is_stop(outcome)) {
        text = ti_interrupt_words(outcome);
        len = strlen(text);
      }
      lua_pushlstring(L, text != NULL ? text : "", len);
      ti_error_wrap(L, outcome);
  }
  return outcome;
}

size_t tide_future_weight(const tide_future *f) {
  const struct ti_task *t = ti_executor_c_task_of(f);
  return ti_task_done(t) ? ti_gc_pacing_weight(&t->msg) : 0;
}

void tide_pushtraceback(lua_State *L, const tide_future *f) {
  const struct ti_task *t = ti_executor_c_task_of(f);
  const char *s = NULL;
  size_t len = 0;
  luaL_checkstack(L, 1, NULL);
  switch (tide_future_outcome(f)) {
    case TIDE_OK:
    case TIDE_ECANCELLED:
    case TIDE_EINVALIDSTATE:
    case TIDE_ENOMEM: break;
    case TIDE_EERROR: s = get_text(t, 0, &len); break;
    default: s = get_text(t, 1, &len);
  }
  if (s != NULL && len > 0)
    lua_pushlstring(L, s, len);
  else
    lua_pushnil(L);
}

/* ------------------------------------------------------------------- promises -- */

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

/* Finishes a promise with the n values on top, packed. [-n, +0, e] */
static void finish(tide_future *f, lua_State *L, int n, int outcome) {
  struct ti_task *t = ti_executor_task_of(f);
  struct ti_message m;
  if (ti_task_pool(t) != NULL)
    ti_error_raise(L, TIDE_EINVALIDSTATE, "the future belongs to an executor");
  if (ti_task_done(t)) ti_error_raise(L, TIDE_EINVALIDSTATE, "the future is done already");
  luaL_checkstack(L, 8, NULL); /* here, so that packing need not raise while m holds memory */
  ti_message_init(&m, ti_task_mem(t));
  if (outcome == TIDE_EERROR) ti_buffer_put_varint(&m.bytes, 0); /* no traceback */
  if (ti_pack_values(L, &m, n, outcome == TIDE_OK ? PACK_RESULTS : PACK_ERROR) != LUA_OK) {
    ti_message_fini(&m);
    lua_error(L);
  }
  if (!ti_task_finish(t, outcome, &m)) { /* another thread was first */
    ti_message_fini(&m);
    ti_error_raise(L, TIDE_EINVALIDSTATE, "the future is done already");
  }
}

void tide_promise_setresult(tide_future *f, lua_State *L, int n) { finish(f, L, n, TIDE_OK); }

void tide_promise_seterror(tide_future *f, lua_State *L) { finish(f, L, 1, TIDE_EERROR); }
