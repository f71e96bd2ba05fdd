/*
** util/buffer: a growing buffer to write, and a cursor to read.
**
** Writer and reader mirror each other: put_u8/get_u8, put_varint/get_varint, … Both have a sticky
** error. After the first failure a writer grows no more and its contents are worthless, though
** small puts may still fit; a cursor returns zeros. So callers check once at the end, and a reader
** also before it allocates by a length that it read.
**
** Fixed-width numbers have the machine's byte order: messages never leave the process. A writer may
** begin in a borrowed block, which it never frees; when that is full it moves to one of its own.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_UTIL_BUFFER_H
#define TI_UTIL_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "util/alloc.h"

TI_INTERNAL_BEGIN

struct ti_buffer {
  const struct ti_alloc *mem; /* I */
  unsigned char *data;        /* owned unless borrowed; NULL while cap is 0 */
  size_t len, cap;
  bool failed;   /* sticky: out of memory, or over SIZE_MAX */
  bool borrowed; /* data belongs to the caller */
};

void ti_buffer_init(struct ti_buffer *b, const struct ti_alloc *mem);
/* Makes a buffer that begins in `block`, which must stay in place until _fini. */
void ti_buffer_init_in(struct ti_buffer *b, const struct ti_alloc *mem, unsigned char *block,
                       size_t size);
/* Frees the data and makes the buffer empty; `failed` stays. May be called again. */
void ti_buffer_fini(struct ti_buffer *b);

/* Makes space for n more bytes. Returns false, and the buffer has failed, if there is none. */
bool ti_buffer_reserve(struct ti_buffer *b, size_t n);
void ti_buffer_put(struct ti_buffer *b, const void *p, size_t n);
void ti_buffer_put_varint(struct ti_buffer *b, uint64_t v); /* LEB128, 1 to 10 bytes */

static inline void ti_buffer_put_u8(struct ti_buffer *b, unsigned v) {
  if (b->len < b->cap || ti_buffer_reserve(b, 1)) b->data[b->len++] = (unsigned char)v;
}

static inline void ti_buffer_put_u64(struct ti_buffer *b, uint64_t v) {
  if (b->cap - b->len >= 8 || ti_buffer_reserve(b, 8)) {
    memcpy(b->data + b->len, &v, 8);
    b->len += 8;
  }
}

struct ti_cursor {
  const unsigned char *base, *p, *end; /* base <= p <= end */
  bool failed;                         /* sticky: a read reached past the end */
};

static inline void ti_buffer_cursor_init(struct ti_cursor *c, const void *data, size_t len) {
  /* The data of an empty buffer may be NULL. The cursor then begins at "", so that ti_buffer_get
  ** returns NULL for failure alone. */
  c->base = c->p = data != NULL ? (const unsigned char *)data : (const unsigned char *)"";
  c->end = c->p + len;
  c->failed = false;
}

static inline size_t ti_buffer_left(const struct ti_cursor *c) { return (size_t)(c->end - c->p); }

/* Returns n bytes, which are valid as long as the buffer; NULL if fewer remain, and the cursor has
** failed. */
static inline const unsigned char *ti_buffer_get(struct ti_cursor *c, size_t n) {
  const unsigned char *p = c->p;
  if (c->failed || ti_buffer_left(c) < n) {
    c->failed = true;
    return NULL;
  }
  c->p += n;
  return p;
}

static inline unsigned ti_buffer_get_u8(struct ti_cursor *c) {
  const unsigned char *p = ti_buffer_get(c, 1);
  return p != NULL ? *p : 0;
}

static inline uint64_t ti_buffer_get_u64(struct ti_cursor *c) {
  uint64_t v = 0;
  const unsigned char *p = ti_buffer_get(c, 8);
  if (p != NULL) memcpy(&v, p, 8);
  return v;
}

uint64_t ti_buffer_get_varint(struct ti_cursor *c);

TI_INTERNAL_END

#endif
