/*
** api/values: what a C host sends and reads without a lua_State.
**
** Reads messages as unpack does, but only their outermost scalars; all else is skipped.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <string.h>

#include "api/executor.h"
#include "codec/borrow.h"
#include "codec/wire.h"

bool ti_values_put(struct ti_buffer *b, const tide_value *v) {
  uint64_t bits;
  switch (v->type) {
    case TIDE_TNIL: ti_buffer_put_u8(b, WIRE_NIL); return true;
    case TIDE_TBOOLEAN: ti_buffer_put_u8(b, v->u.boolean ? WIRE_TRUE : WIRE_FALSE); return true;
    case TIDE_TINTEGER:
      ti_buffer_put_u8(b, WIRE_INT);
      ti_buffer_put_varint(b, WIRE_ZIGZAG(v->u.integer));
      return true;
    case TIDE_TNUMBER:
      memcpy(&bits, &v->u.number, sizeof bits);
      ti_buffer_put_u8(b, WIRE_FLOAT);
      ti_buffer_put_u64(b, bits);
      return true;
    case TIDE_TSTRING:
      if (v->u.string.data == NULL && v->u.string.len > 0) return false;
      ti_buffer_put_u8(b, WIRE_STRING);
      ti_buffer_put_varint(b, v->u.string.len);
      ti_buffer_put(b, v->u.string.data, v->u.string.len);
      return true;
    case TIDE_TPOINTER:
      ti_buffer_put_u8(b, WIRE_POINTER);
      ti_buffer_put_u64(b, (uint64_t)(uintptr_t)v->u.pointer);
      return true;
    default: return false;
  }
}

/* ------------------------------------------------------------------- reading -- */

static uint32_t get_u32(struct ti_cursor *c) {
  uint32_t n = 0;
  const unsigned char *p = ti_buffer_get(c, sizeof n);
  if (p != NULL) memcpy(&n, p, sizeof n);
  return n;
}

/* Skips what a table begins with; how many values follow. */
static uint64_t skip_table(struct ti_cursor *c, unsigned byte) {
  uint64_t typed = WIRE_TAG(byte) == WIRE_TABLE ? 0 : get_u32(c);
  uint64_t any = get_u32(c), hash = get_u32(c);
  ti_buffer_get(c, (size_t)typed * 8);
  return any + 2 * hash + ((byte & WIRE_META) != 0);
}

/* Skips a tag and what belongs to it, values that follow excepted: how many of these there are. Also skips upvalues
** and the metatable of errors, which stand where values stand. */
static uint64_t skip_one(struct ti_cursor *c) {
  unsigned byte = ti_buffer_get_u8(c);
  switch (WIRE_TAG(byte)) {
    case WIRE_INT:
    case WIRE_BACKREF:
    case WIRE_UPREF:
    case WIRE_REF:
    case WIRE_LENT: ti_buffer_get_varint(c); return 0;
    case WIRE_FLOAT:
    case WIRE_POINTER: ti_buffer_get(c, 8); return 0;
    case WIRE_STRING:
    case WIRE_NAME: ti_buffer_get(c, (size_t)ti_buffer_get_varint(c)); return 0;
    case WIRE_EITHER: ti_buffer_get(c, (size_t)ti_buffer_get_varint(c)); return 1;
    case WIRE_NATIVE:
      ti_buffer_get_varint(c);
      ti_buffer_get(c, (size_t)ti_buffer_get_varint(c));
      return 0;
    case WIRE_TABLE:
    case WIRE_TABLE_INTS:
    case WIRE_TABLE_FLOATS: return skip_table(c, byte);
    case WIRE_FUNCTION:
    case WIRE_CFUNCTION: ti_buffer_get_varint(c); return ti_buffer_get_varint(c);
    case WIRE_REBUILD: return ti_buffer_get_varint(c) + 1;
    case WIRE_UPVALUE: return 1;
    default: return 0; /* no more than the tag */
  }
}

/* No recursion: a host may read values on a thread with a small stack. */
static void skip_value(struct ti_cursor *c) {
  uint64_t left = 1;
  while (left > 0 && !c->failed) {
    uint64_t more = skip_one(c);
    /* each value takes a byte at least */
    if (more > ti_buffer_left(c)) c->failed = true;
    left += more - 1;
  }
}

static void read_string(struct ti_cursor *c, tide_value *v) {
  v->type = TIDE_TSTRING;
  v->u.string.len = (size_t)ti_buffer_get_varint(c);
  v->u.string.data = (const char *)ti_buffer_get(c, v->u.string.len);
}

static void read_lent(struct ti_cursor *c, const struct ti_message *m, tide_value *v) {
  uint64_t i = ti_buffer_get_varint(c);
  if (i >= m->nparts || ti_message_part(m, (size_t)i)->type != &ti_borrow_part) {
    c->failed = true;
  } else {
    const struct ti_borrowed *loan =
        (const struct ti_borrowed *)ti_message_part(m, (size_t)i)->object;
    v->type = TIDE_TSTRING;
    v->u.string.data = loan->data;
    v->u.string.len = loan->len;
  }
}

void ti_values_get(struct ti_cursor *c, const struct ti_message *m, tide_value *v) {
  struct ti_cursor start = *c;
  unsigned byte = ti_buffer_get_u8(c);
  uint64_t u;
  v->type = TIDE_TOTHER;
  switch (WIRE_TAG(byte)) {
    case WIRE_NIL: v->type = TIDE_TNIL; break;
    case WIRE_FALSE:
    case WIRE_TRUE:
      v->type = TIDE_TBOOLEAN;
      v->u.boolean = WIRE_TAG(byte) == WIRE_TRUE;
      break;
    case WIRE_INT:
      v->type = TIDE_TINTEGER;
      u = ti_buffer_get_varint(c);
      v->u.integer = (lua_Integer)WIRE_UNZIGZAG(u);
      break;
    case WIRE_FLOAT:
      v->type = TIDE_TNUMBER;
      u = ti_buffer_get_u64(c);
      memcpy(&v->u.number, &u, sizeof u);
      break;
    case WIRE_POINTER:
      v->type = TIDE_TPOINTER;
      v->u.pointer = (void *)(uintptr_t)ti_buffer_get_u64(c);
      break;
    case WIRE_STRING: read_string(c, v); break;
    case WIRE_LENT: read_lent(c, m, v); break;
    case WIRE_BACKREF: /* to a string, perhaps */
      u = ti_buffer_get_varint(c);
      if (!c->failed && u < (uint64_t)(c->end - c->base)) {
        struct ti_cursor back = *c;
        back.p = c->base + u;
        byte = WIRE_TAG(ti_buffer_get_u8(&back));
        if (byte == WIRE_STRING) read_string(&back, v);
        if (byte == WIRE_LENT) read_lent(&back, m, v);
      }
      break;
    default: *c = start; skip_value(c);
  }
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
    if (max > 0) read_string(&c, &out[0]);
    return outcome;
  }
  if (outcome == TIDE_EERROR) { /* behind the traceback */
    size_t len = (size_t)ti_buffer_get_varint(&c);
    ti_buffer_get(&c, len);
  }
  *n = (size_t)ti_buffer_get_varint(&c);
  for (size_t i = 0; i < *n && i < max && !c.failed; i++) ti_values_get(&c, &t->msg, &out[i]);
  return outcome;
}

int tide_promise_setvalues(tide_future *f, const tide_value *v, size_t n) {
  struct ti_task *t = ti_task_of(f);
  struct ti_message m;
  int fault = TIDE_OK;
  if (t->pool != NULL || ti_task_done(t)) return TIDE_EINVALIDSTATE;
  ti_message_init(&m, ti_task_mem(t));
  ti_buffer_put_varint(&m.bytes, n);
  for (size_t i = 0; i < n && fault == TIDE_OK; i++)
    if (!ti_values_put(&m.bytes, &v[i])) fault = TIDE_EARG;
  ti_buffer_put_u8(&m.bytes, WIRE_END);
  if (m.bytes.failed) fault = TIDE_ENOMEM;
  if (fault == TIDE_OK && !ti_task_finish(t, FAULT_NONE, &m)) fault = TIDE_EINVALIDSTATE;
  if (fault != TIDE_OK) ti_message_fini(&m);
  return fault;
}
