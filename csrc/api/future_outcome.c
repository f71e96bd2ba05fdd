/*
** api/future_outcome: reading how a task ended.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <string.h>

#include "api/executor.h"
#include "codec/reftype.h"
#include "codec/scalar.h"
#include "codec/unpack.h"
#include "codec/wire.h"
#include "luautil/error.h"
#include "luautil/interrupt.h"
#include "vm/gc_pacing.h"

int tide_future_outcome(const tide_future *f) {
  const struct ti_task *t = ti_executor_c_task_of(f);
  switch (ti_task_state(t)) {
    case TIDE_FINISHED: return t->outcome;
    case TIDE_CANCELLED: return TIDE_ECANCELLED;
    default: return TIDE_EINVALIDSTATE;
  }
}

/* Returns the `nth` of the texts at the start of the message of a failed task. */
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
  if (outcome == TIDE_EERROR) { /* the traceback is first */
    size_t len;
    const char *s = get_text(t, 0, &len);
    if (s != NULL) d.offset = (size_t)((const unsigned char *)s - t->msg.bytes.data) + len;
  }
  luaL_checkstack(L, 6, NULL);
  status = try_decode(L, &d);
  if (status == LUA_ERRMEM)
    lua_error(L); /* says nothing about the task: a later call may succeed */
  if (status != LUA_OK) {
    outcome = TIDE_ETRANSFER;
    if (ti_error_kind(L, -1) != TIDE_ETRANSFER) {
      /* Code that rebuilds a value raised this; or a hook that a signal handler set meanwhile. The
      ** error of such a hook (Ctrl-C) must end the script, and not become the outcome. If a second
      ** try succeeds, it was the hook. */
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

/* Returns whether the next value is a scalar. Long strings are excluded: decoding them here and
** again for tide_pushoutcome would be expensive. */
static bool is_plain(const struct ti_cursor *c) {
  enum { MAX_STRING = 64 };
  struct ti_cursor ahead = *c;
  unsigned tag = WIRE_TAG(ti_buffer_get_u8(&ahead));
  if (tag == WIRE_STRING) return ti_buffer_get_varint(&ahead) <= MAX_STRING;
  return tag >= WIRE_NIL && tag <= WIRE_POINTER;
}

/* Pushes the next value if it is userdata of a type with `quick`. Returns whether it did.
** [-0, +(0|1), m] */
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
  int kind = 1;
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
      if (v.type == TIDE_TOTHER) break;
      ti_scalar_push(L, &v);
    } else {
      if (!push_ref(L, &c, &t->msg)) break;
      kind = 2;
    }
  }
  if (lua_gettop(L) - top != (int)count || ti_buffer_get_u8(&c) != WIRE_END || c.failed) {
    lua_settop(L, top);
    return 0;
  }
  *n = (int)count;
  return kind;
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
          outcome == TIDE_EBROKEN) { /* there was no memory for the text; the pool has it */
        text = ti_executor_future_forked(f) ? TI_EXECUTOR_FORKED
                                            : ti_pool_broken_reason(ti_task_pool(t));
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
