/*
** tidepool, floor 3: future, waiting for a task and reading its outcome; promises.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <string.h>

#include "error.h"
#include "executor.h"
#include "halt.h"
#include "large.h"
#include "lend.h"
#include "owner.h"
#include "pack.h"
#include "reftype.h"
#include "unpack.h"
#include "wire.h"
#include "within.h"

tide_future *tide_future_hold(tide_future *f) {
  tide_task_hold(tide_task_of(f));
  return f;
}

void tide_future_rele(tide_future *f) {
  if (f != NULL && !tide_future_lost(f)) tide_task_rele(tide_task_of(f));
}

const char *tide_future_name(const tide_future *f) { return tide_task_name(tide_ctask_of(f)); }

tide_status tide_future_status(const tide_future *f) {
  return (tide_status)tide_task_state(tide_ctask_of(f));
}

int tide_future_cancel(tide_future *f) {
  struct task *t = tide_task_of(f);
  if (tide_future_lost(f)) return tide_task_state(t) == TASK_CANCELLED;
  if (t->pool != NULL) return tide_pool_cancel(t->pool, t);
  return tide_task_cancel(t) || tide_task_state(t) == TASK_CANCELLED;
}

int tide_future_interrupt(tide_future *f) {
  struct task *t = tide_task_of(f);
  if (t->pool == NULL || tide_future_lost(f)) return tide_future_cancel(f);
  return tide_pool_interrupt(t->pool, t);
}

/* How long to look before sleeping on t. */
static sys_time spin_time(const struct task *t) {
  return t->pool != NULL ? tide_pool_spintime(t->pool) : SPIN_TIME;
}

/* Looks for a while whether t is done, without a watch: neither this thread nor the completer
** touches a mailbox then. */
static bool look(const struct task *t, struct spin *s) {
  struct look k;
  bool found;
  if (!tide_spin_start(s, spin_time(t), &k)) return false;
  do found = tide_task_done(t);
  while (!found && tide_spin_again(&k));
  tide_spin_stop(s, found);
  return found;
}

/* Inside a task, in a pool that has max_threads: runs t here if nobody else can (then *how is
** ABSENCE_NONE), or notes that this wait is not over. */
static int look_after(const struct within *w, struct task *t, sys_time deadline,
                      enum absence *how) {
  if (!tide_within_crowded(w) || tide_within_help(w, t, how)) return FAULT_NONE;
  return deadline == SYS_NEVER && t->pool == w->pool ? tide_within_agree(w) : FAULT_NONE;
}

/* Sleeps in `box` until t is done. LUA_OK and *fault, or a hook's error on top. */
static int sleep_on(struct task *t, const struct within *w, struct mailbox *box,
                    struct hookwatch *hook, sys_time deadline, enum absence *how, int *fault) {
  struct mailset set;
  struct watch watch;
  sys_time slice;
  bool done;
  int status = LUA_OK;
  *fault = FAULT_NONE;
  if (look(t, &box->spin)) return tide_hook_run(hook);
  tide_mailset_init(&set, box);
  set.spin_time = 0; /* it looked already */
  tide_watch_start(&watch, t, &set);
  do {
    *fault = look_after(w, t, deadline, how);
    if (*fault != FAULT_NONE) break;
    slice = tide_hook_slice(hook, deadline);
    done = tide_mailset_sleep(&set, 1, false, slice);
    status = tide_hook_run(hook); /* also when done: not inside what protects the decoding */
    *fault = done ? FAULT_NONE : FAULT_TIMEOUT;
  } while (!done && slice < deadline && status == LUA_OK);
  tide_watch_cancel(&watch);
  return status;
}

/* The same, from inside a task or not. */
static int wait_in(struct task *t, const struct within *w, struct mailbox *box,
                   struct hookwatch *hook, sys_time deadline, int *fault) {
  enum absence how;
  int status;
  if (deadline != SYS_NEVER) {
    *fault = tide_within_away(w, &how);
    if (*fault != FAULT_NONE) return LUA_OK;
    status = sleep_on(t, w, box, hook, deadline, &how, fault);
    tide_within_back(w, how);
    return status;
  }
  *fault = tide_within_begin(w, t, &how);
  if (*fault != FAULT_NONE) return LUA_OK;
  status =
      tide_task_done(t) ? tide_hook_run(hook) : sleep_on(t, w, box, hook, deadline, &how, fault);
  tide_within_end(w, how);
  return status;
}

/* L's worker is being closed, and t may be for the thread that does so. */
static bool for_own_worker(lua_State *L, const struct task *t) {
  return L != NULL && t->pool != NULL && tide_vm_closing(L) &&
         t->pool == ((const tide_executor *)tide_vm_user(L))->pool;
}

int tide_future_wait(tide_future *f, lua_State *L, double timeout) {
  struct task *t = tide_task_of(f);
  struct owner *o;
  struct hookwatch hook;
  struct within w;
  int fault, status;
  if (tide_task_done(t)) return TIDE_OK;
  if (tide_future_lost(f)) return TIDE_EBROKEN;
  if (timeout == 0) return TIDE_ETIMEOUT;
  if (timeout < 0 && for_own_worker(L, t)) return TIDE_EDEADLOCK;
  o = L != NULL ? tide_owner_of(L) : NULL;
  tide_hook_start(&hook, L, o, false);
  w = tide_within(L);
  if (o != NULL) {
    status = wait_in(t, &w, &o->box, &hook, tide_deadline(timeout), &fault);
  } else {
    struct mailbox box;
    if (tide_mailbox_init(&box) != 0) return TIDE_ENOMEM;
    status = wait_in(t, &w, &box, &hook, tide_deadline(timeout), &fault);
    tide_mailbox_fini(&box);
  }
  tide_hook_end(&hook);
  if (status != LUA_OK) lua_error(L);
  if (o != NULL) tide_lend_peek(L); /* who waited has the time; plain results are read without it */
  return fault;
}

/* ------------------------------------------------------------------- outcomes -- */

int tide_future_outcome(const tide_future *f) {
  const struct task *t = tide_ctask_of(f);
  switch (tide_task_state(t)) {
    case TASK_FINISHED: return t->outcome;
    case TASK_CANCELLED: return TIDE_ECANCELLED;
    default: return TIDE_EINVALIDSTATE;
  }
}

/* The `nth` of the texts that stand first in the message of a failed task. */
static const char *get_text(const struct task *t, int nth, size_t *len) {
  const char *s = NULL;
  struct cursor c;
  tide_cursor_init(&c, t->msg.bytes.data, t->msg.bytes.len);
  for (*len = 0; nth >= 0; nth--) {
    *len = (size_t)tide_cursor_get_varint(&c);
    s = (const char *)tide_cursor_get(&c, *len);
    if (s == NULL) *len = 0;
  }
  return s;
}

struct decoding {
  const struct task *t;
  size_t offset;
};

/* Protected: pushes what the message holds from `offset` on. */
static int decode(lua_State *L) {
  const struct decoding *d = (const struct decoding *)lua_touserdata(L, 1);
  return tide_unpack(L, &d->t->msg, d->offset, UNPACK_ALL);
}

static int try_decode(lua_State *L, struct decoding *d) {
  struct large large;
  int status;
  tide_large_begin(L, &d->t->msg, &large);
  lua_pushcfunction(L, decode);
  lua_pushlightuserdata(L, d);
  status = lua_pcall(L, 1, LUA_MULTRET, 0);
  tide_large_end(L, &large);
  return status;
}

static int push_packed(lua_State *L, const struct task *t, int outcome, int *n) {
  struct decoding d = {t, 0};
  int base = lua_gettop(L), status;
  if (outcome == FAULT_ERROR) { /* the traceback comes first */
    size_t len;
    const char *s = get_text(t, 0, &len);
    if (s != NULL) d.offset = (size_t)((const unsigned char *)s - t->msg.bytes.data) + len;
  }
  luaL_checkstack(L, 6, NULL);
  status = try_decode(L, &d);
  if (status == LUA_ERRMEM)
    lua_error(L); /* says nothing of the task: a later look may fare better */
  if (status != LUA_OK) {
    outcome = FAULT_TRANSFER;
    if (tide_error_kind(L, -1) != FAULT_TRANSFER) {
      /* What rebuilds a value raised this, or a hook that a signal set meanwhile: a hook's error
      ** (Ctrl-C) must end the script, not become the outcome. A second try tells them apart. */
      if (try_decode(L, &d) == LUA_OK) {
        lua_settop(L, base + 1);
        lua_error(L);
      }
      lua_replace(L, base + 1);
      outcome = tide_error_kind(L, -1) == FAULT_TRANSFER ? FAULT_TRANSFER : FAULT_ERROR;
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
static bool is_plain(const struct cursor *c) {
  enum { MAX_STRING = 64 };
  struct cursor ahead = *c;
  unsigned tag = WIRE_TAG(tide_cursor_get_u8(&ahead));
  if (tag == WIRE_STRING) return tide_cursor_get_varint(&ahead) <= MAX_STRING;
  return tag >= WIRE_NIL && tag <= WIRE_POINTER;
}

/* Pushes the userdata that stands next, if it is one whose each push is the same. [-0, +(0|1), m] */
static bool push_ref(lua_State *L, struct cursor *c, const struct message *m) {
  const struct reftype *type;
  uint64_t i;
  if (WIRE_TAG(tide_cursor_get_u8(c)) != WIRE_REF) return false;
  i = tide_cursor_get_varint(c);
  if (c->failed || i >= m->nparts) return false;
  type = tide_reftype_of(tide_message_part(m, (size_t)i));
  if (type == NULL || type->quick == NULL) return false;
  type->push(L, tide_message_part(m, (size_t)i)->object);
  return true;
}

int tide_pushplain(lua_State *L, const tide_future *f, int *n) {
  enum { MOST = 8 };
  int answer = 1;
  const struct task *t = tide_ctask_of(f);
  int top = lua_gettop(L);
  struct cursor c;
  uint64_t count;
  *n = 0;
  if (tide_task_state(t) != TASK_FINISHED || t->outcome != FAULT_NONE) return 0;
  tide_cursor_init(&c, t->msg.bytes.data, t->msg.bytes.len);
  count = tide_cursor_get_varint(&c);
  if (count > MOST || !lua_checkstack(L, MOST)) return 0;
  for (uint64_t i = 0; i < count; i++) {
    tide_value v;
    if (is_plain(&c)) {
      tide_value_get(&c, &t->msg, &v);
      if (!push_scalar(L, &v)) break;
    } else {
      if (!push_ref(L, &c, &t->msg)) break;
      answer = 2;
    }
  }
  if (lua_gettop(L) - top != (int)count || tide_cursor_get_u8(&c) != WIRE_END || c.failed) {
    lua_settop(L, top);
    return 0;
  }
  *n = (int)count;
  return answer;
}

int tide_pushoutcome(lua_State *L, const tide_future *f, int *n) {
  const struct task *t = tide_ctask_of(f);
  int outcome = tide_future_outcome(f);
  size_t len;
  const char *text;
  luaL_checkstack(L, 8, NULL);
  *n = 1;
  switch (outcome) {
    case FAULT_NONE:
    case FAULT_ERROR: return push_packed(L, t, outcome, n);
    case FAULT_INVALID_STATE: tide_error_push(L, outcome, "the future is not done"); break;
    case FAULT_CANCELLED: tide_error_push(L, outcome, "the future was cancelled"); break;
    case FAULT_NOMEM: lua_pushliteral(L, "not enough memory"); break;
    default:
      text = get_text(t, 0, &len);
      if (text == NULL &&
          outcome == FAULT_BROKEN) { /* no memory for the words; the pool has them */
        text = tide_future_lost(f) ? TIDE_LOST : tide_pool_why(t->pool);
        len = strlen(text);
      }
      if (text == NULL && tide_fault_stops(outcome)) {
        text = tide_halt_words(outcome);
        len = strlen(text);
      }
      lua_pushlstring(L, text != NULL ? text : "", len);
      tide_error_wrap(L, outcome);
  }
  return outcome;
}

size_t tide_future_weight(const tide_future *f) {
  const struct task *t = tide_ctask_of(f);
  return tide_task_done(t) ? tide_large_weight(&t->msg) : 0;
}

void tide_pushtraceback(lua_State *L, const tide_future *f) {
  const struct task *t = tide_ctask_of(f);
  const char *s = NULL;
  size_t len = 0;
  luaL_checkstack(L, 1, NULL);
  switch (tide_future_outcome(f)) {
    case FAULT_NONE:
    case FAULT_CANCELLED:
    case FAULT_INVALID_STATE:
    case FAULT_NOMEM: break;
    case FAULT_ERROR: s = get_text(t, 0, &len); break;
    default: s = get_text(t, 1, &len);
  }
  if (s != NULL && len > 0)
    lua_pushlstring(L, s, len);
  else
    lua_pushnil(L);
}

/* ------------------------------------------------------------------- promises -- */

int tide_promise_new(tide_future **f) {
  struct task *t = tide_task_new(NULL, &tide_mem_default, NULL);
  *f = t != NULL ? tide_future_of(t) : NULL;
  return t != NULL ? TIDE_OK : TIDE_ENOMEM;
}

int tide_promise_begin(tide_future *f) {
  struct task *t = tide_task_of(f);
  if (t->pool != NULL) return TIDE_EINVALIDSTATE;
  if (tide_task_begin(t, NULL)) return TIDE_OK;
  return tide_task_state(t) == TASK_CANCELLED ? TIDE_ECANCELLED : TIDE_EINVALIDSTATE;
}

/* Finishes a promise with the n values on top, packed. [-n, +0, e] */
static void finish(tide_future *f, lua_State *L, int n, int outcome) {
  struct task *t = tide_task_of(f);
  struct message m;
  if (t->pool != NULL)
    tide_error_raise(L, FAULT_INVALID_STATE, "the future belongs to an executor");
  if (tide_task_done(t)) tide_error_raise(L, FAULT_INVALID_STATE, "the future is done already");
  luaL_checkstack(L, 8, NULL); /* here, so that packing need not raise while m holds memory */
  tide_message_init(&m, tide_task_mem(t));
  if (outcome == FAULT_ERROR) tide_bytes_put_varint(&m.bytes, 0); /* no traceback */
  if (tide_pack(L, &m, n, outcome == FAULT_NONE ? PACK_RESULTS : PACK_ERROR) != LUA_OK) {
    tide_message_fini(&m);
    lua_error(L);
  }
  if (!tide_task_finish(t, outcome, &m)) { /* another thread was first */
    tide_message_fini(&m);
    tide_error_raise(L, FAULT_INVALID_STATE, "the future is done already");
  }
}

void tide_promise_setresult(tide_future *f, lua_State *L, int n) { finish(f, L, n, FAULT_NONE); }

void tide_promise_seterror(tide_future *f, lua_State *L) { finish(f, L, 1, FAULT_ERROR); }
