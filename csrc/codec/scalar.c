/*
** codec/scalar: the one encoder and decoder of scalars.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/scalar.h"

#include "codec/borrowed.h"

bool ti_scalar_put(struct ti_buffer *b, const tide_value *v) {
  switch (v->type) {
    case TIDE_TNIL: ti_buffer_put_u8(b, WIRE_NIL); return true;
    case TIDE_TBOOLEAN: ti_scalar_put_boolean(b, v->u.boolean != 0); return true;
    case TIDE_TINTEGER: ti_scalar_put_integer(b, v->u.integer); return true;
    case TIDE_TNUMBER: ti_scalar_put_number(b, v->u.number); return true;
    case TIDE_TSTRING:
      if (v->u.string.data == NULL && v->u.string.len > 0) return false;
      ti_scalar_put_string(b, v->u.string.data, v->u.string.len);
      return true;
    case TIDE_TPOINTER: ti_scalar_put_pointer(b, v->u.pointer); return true;
    default: return false;
  }
}

bool ti_scalar_pack(lua_State *L, int idx, struct ti_buffer *b) {
  switch (lua_type(L, idx)) {
    case LUA_TNIL: ti_buffer_put_u8(b, WIRE_NIL); return true;
    case LUA_TBOOLEAN: ti_scalar_put_boolean(b, lua_toboolean(L, idx) != 0); return true;
    case LUA_TNUMBER:
      if (lua_isinteger(L, idx))
        ti_scalar_put_integer(b, lua_tointeger(L, idx));
      else
        ti_scalar_put_number(b, lua_tonumber(L, idx));
      return true;
    case LUA_TLIGHTUSERDATA: ti_scalar_put_pointer(b, lua_touserdata(L, idx)); return true;
    default: return false;
  }
}

bool ti_scalar_get(struct ti_cursor *c, unsigned tag, tide_value *v) {
  uint64_t u;
  switch (tag) {
    case WIRE_NIL: v->type = TIDE_TNIL; return true;
    case WIRE_FALSE:
    case WIRE_TRUE:
      v->type = TIDE_TBOOLEAN;
      v->u.boolean = tag == WIRE_TRUE;
      return true;
    case WIRE_INT:
      u = ti_buffer_get_varint(c);
      v->type = TIDE_TINTEGER;
      v->u.integer = (lua_Integer)WIRE_UNZIGZAG(u);
      return true;
    case WIRE_FLOAT:
      u = ti_buffer_get_u64(c);
      v->type = TIDE_TNUMBER;
      memcpy(&v->u.number, &u, sizeof u);
      return true;
    case WIRE_POINTER:
      v->type = TIDE_TPOINTER;
      v->u.pointer = (void *)(uintptr_t)ti_buffer_get_u64(c);
      return true;
    case WIRE_STRING:
      v->type = TIDE_TSTRING;
      v->u.string.len = (size_t)ti_buffer_get_varint(c);
      v->u.string.data = (const char *)ti_buffer_get(c, v->u.string.len);
      return true;
    default: return false;
  }
}

void ti_scalar_push(lua_State *L, const tide_value *v) {
  switch (v->type) {
    case TIDE_TBOOLEAN: lua_pushboolean(L, v->u.boolean); break;
    case TIDE_TINTEGER: lua_pushinteger(L, v->u.integer); break;
    case TIDE_TNUMBER: lua_pushnumber(L, v->u.number); break;
    case TIDE_TSTRING: lua_pushlstring(L, v->u.string.data, v->u.string.len); break;
    case TIDE_TPOINTER: lua_pushlightuserdata(L, v->u.pointer); break;
    default: lua_pushnil(L);
  }
}

/* ------------------------------------------------------------------- reading -- */

static uint32_t get_u32(struct ti_cursor *c) {
  uint32_t n = 0;
  const unsigned char *p = ti_buffer_get(c, sizeof n);
  if (p != NULL) memcpy(&n, p, sizeof n);
  return n;
}

/* Skips what a table begins with. Returns how many values follow. */
static uint64_t skip_table(struct ti_cursor *c, unsigned byte) {
  uint64_t numbers = WIRE_TAG(byte) == WIRE_TABLE ? 0 : get_u32(c);
  uint64_t any = get_u32(c), hash = get_u32(c);
  ti_buffer_get(c, (size_t)numbers * 8);
  return any + 2 * hash + ((byte & WIRE_META) != 0);
}

/* Skips a tag and what belongs to it, except values that follow. Returns the number of these. Also
** skips upvalues and ERROR_META, which stand where values stand. */
static uint64_t skip_one(struct ti_cursor *c) {
  unsigned byte = ti_buffer_get_u8(c);
  switch (WIRE_TAG(byte)) {
    case WIRE_INT:
    case WIRE_BACKREF:
    case WIRE_UPREF:
    case WIRE_REF:
    case WIRE_BORROWED: ti_buffer_get_varint(c); return 0;
    case WIRE_FLOAT:
    case WIRE_POINTER: ti_buffer_get(c, 8); return 0;
    case WIRE_STRING:
    case WIRE_NAME: ti_buffer_get(c, (size_t)ti_buffer_get_varint(c)); return 0;
    case WIRE_EITHER: ti_buffer_get(c, (size_t)ti_buffer_get_varint(c)); return 1;
    case WIRE_PATH:
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

/* Skips a value without recursion. */
static void skip_value(struct ti_cursor *c) {
  uint64_t left = 1;
  while (left > 0 && !c->failed) {
    uint64_t more = skip_one(c);
    /* each value takes at least a byte */
    if (more > ti_buffer_left(c)) c->failed = true;
    left += more - 1;
  }
}

static void read_borrowed(struct ti_cursor *c, const struct ti_message *m, tide_value *v) {
  uint64_t i = ti_buffer_get_varint(c);
  if (i >= m->nparts || ti_message_part(m, (size_t)i)->type != &ti_borrowed_part) {
    c->failed = true;
  } else {
    const struct ti_borrowed *loan =
        (const struct ti_borrowed *)ti_message_part(m, (size_t)i)->object;
    v->type = TIDE_TSTRING;
    v->u.string.data = loan->data;
    v->u.string.len = loan->len;
  }
}

void ti_scalar_next(struct ti_cursor *c, const struct ti_message *m, tide_value *v) {
  struct ti_cursor start = *c;
  unsigned byte = ti_buffer_get_u8(c);
  uint64_t u;
  if (ti_scalar_get(c, WIRE_TAG(byte), v)) return;
  v->type = TIDE_TOTHER;
  switch (WIRE_TAG(byte)) {
    case WIRE_BORROWED: read_borrowed(c, m, v); break;
    case WIRE_BACKREF: /* may refer to a string */
      u = ti_buffer_get_varint(c);
      if (!c->failed && u < (uint64_t)(c->end - c->base)) {
        struct ti_cursor back = *c;
        back.p = c->base + u;
        byte = WIRE_TAG(ti_buffer_get_u8(&back));
        if (byte == WIRE_STRING) (void)ti_scalar_get(&back, byte, v);
        if (byte == WIRE_BORROWED) read_borrowed(&back, m, v);
      }
      break;
    default: *c = start; skip_value(c);
  }
}
