/*
** codec/scalar: the one encoder and decoder of scalars (wire.h).
**
** A scalar is nil, a boolean, an integer, a float, a string or a light userdata. All code that
** writes or reads one uses these functions: messages (pack, unpack), the fast path (pack_fast),
** package paths, and C hosts (tide_value).
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_SCALAR_H
#define TI_CODEC_SCALAR_H

#include "util/buffer.h"
#include "util/message.h"
#include "include/tidepool.h"
#include "codec/wire.h"

TI_INTERNAL_BEGIN

static inline void ti_scalar_put_integer(struct ti_buffer *b, lua_Integer i) {
  ti_buffer_put_u8(b, WIRE_INT);
  ti_buffer_put_varint(b, WIRE_ZIGZAG(i));
}

static inline void ti_scalar_put_number(struct ti_buffer *b, lua_Number f) {
  uint64_t bits;
  memcpy(&bits, &f, sizeof bits);
  ti_buffer_put_u8(b, WIRE_FLOAT);
  ti_buffer_put_u64(b, bits);
}

static inline void ti_scalar_put_boolean(struct ti_buffer *b, bool on) {
  ti_buffer_put_u8(b, on ? WIRE_TRUE : WIRE_FALSE);
}

static inline void ti_scalar_put_pointer(struct ti_buffer *b, const void *p) {
  ti_buffer_put_u8(b, WIRE_POINTER);
  ti_buffer_put_u64(b, (uint64_t)(uintptr_t)p);
}

static inline void ti_scalar_put_string(struct ti_buffer *b, const char *s, size_t len) {
  if (len < 0x80 && (b->cap - b->len >= len + 2 || ti_buffer_reserve(b, len + 2))) {
    unsigned char *p = b->data + b->len;
    p[0] = WIRE_STRING;
    p[1] = (unsigned char)len;
    if (len > 0) memcpy(p + 2, s, len);
    b->len += len + 2;
  } else {
    ti_buffer_put_u8(b, WIRE_STRING);
    ti_buffer_put_varint(b, len);
    ti_buffer_put(b, s, len);
  }
}

/* Puts the value. Returns false, and puts nothing, if it is TIDE_TOTHER or no value. */
bool ti_scalar_put(struct ti_buffer *b, const tide_value *v);

/* Puts the Lua value at idx. Returns false, and puts nothing, if it is a string or no scalar:
** writers differ in how they put strings. [-0, +0, -] */
bool ti_scalar_pack(lua_State *L, int idx, struct ti_buffer *b);

/* Reads what follows a tag. A string's bytes are those of the message. Returns false, and reads
** nothing, if it is no scalar's tag. Sets c->failed if the message ends within the scalar. */
bool ti_scalar_get(struct ti_cursor *c, unsigned tag, tide_value *v);

/* Reads the next value of a message, which may be any. One that is no scalar is TIDE_TOTHER, and is
** skipped. A borrowed string, and a reference to a string, count as scalars. Does not recurse: a
** host may read values on a thread with a small stack. */
void ti_scalar_next(struct ti_cursor *c, const struct ti_message *m, tide_value *v);

/* Pushes a value that ti_scalar_get has read. [-0, +1, m] */
void ti_scalar_push(lua_State *L, const tide_value *v);

TI_INTERNAL_END

#endif
