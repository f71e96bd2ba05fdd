/*
** tidepool, floor 0: bytes, a growing buffer to write and a cursor to read.
**
** Writer and reader mirror each other: put_u8/get_u8, put_varint/get_varint, …
** Both have a sticky error: after the first failure a writer grows no more and
** what it holds is worthless (small puts may still land in room that is left),
** and a cursor answers zeros. So callers check once at the end (a reader before
** it allocates for a length). Fixed-width numbers are in the machine's
** own order: messages never leave the process. A writer may begin in a borrowed block, which it
** never frees; it moves to one of its own when that is full.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_BYTES_H
#define TIDE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "mem.h"

TIDE_INTERNAL_BEGIN

struct bytes {
  const struct mem *mem; /* I */
  unsigned char *data;   /* owned unless borrowed; NULL while cap is 0 */
  size_t len, cap;
  bool failed;   /* sticky: out of memory, or over SIZE_MAX */
  bool borrowed; /* data is somebody else's */
};

void tide_bytes_init(struct bytes *b, const struct mem *mem);
/* Begins in `block`, which must stay where it is until _fini. */
void tide_bytes_init_in(struct bytes *b, const struct mem *mem, unsigned char *block, size_t size);
void tide_bytes_fini(struct bytes *b); /* legal more than once; empty afterwards, `failed` stays */

/* Makes room for n more bytes; false (and failed) if that cannot be. */
bool tide_bytes_reserve(struct bytes *b, size_t n);
void tide_bytes_put(struct bytes *b, const void *p, size_t n);
void tide_bytes_put_varint(struct bytes *b, uint64_t v); /* LEB128, 1 to 10 bytes */

static inline void tide_bytes_put_u8(struct bytes *b, unsigned v) {
  if (b->len < b->cap || tide_bytes_reserve(b, 1)) b->data[b->len++] = (unsigned char)v;
}

static inline void tide_bytes_put_u64(struct bytes *b, uint64_t v) {
  if (b->cap - b->len >= 8 || tide_bytes_reserve(b, 8)) {
    memcpy(b->data + b->len, &v, 8);
    b->len += 8;
  }
}

struct cursor {
  const unsigned char *base, *p, *end; /* base <= p <= end */
  bool failed;                         /* sticky: something reached past the end */
};

static inline void tide_cursor_init(struct cursor *c, const void *data, size_t len) {
  /* an empty buffer may be NULL, but no bytes of it are not: NULL is get's word for a failure */
  c->base = c->p = data != NULL ? (const unsigned char *)data : (const unsigned char *)"";
  c->end = c->p + len;
  c->failed = false;
}

static inline size_t tide_cursor_left(const struct cursor *c) { return (size_t)(c->end - c->p); }

/* n bytes, valid as long as the buffer, or NULL if fewer remain. */
static inline const unsigned char *tide_cursor_get(struct cursor *c, size_t n) {
  const unsigned char *p = c->p;
  if (c->failed || tide_cursor_left(c) < n) {
    c->failed = true;
    return NULL;
  }
  c->p += n;
  return p;
}

static inline unsigned tide_cursor_get_u8(struct cursor *c) {
  const unsigned char *p = tide_cursor_get(c, 1);
  return p != NULL ? *p : 0;
}

static inline uint64_t tide_cursor_get_u64(struct cursor *c) {
  uint64_t v = 0;
  const unsigned char *p = tide_cursor_get(c, 8);
  if (p != NULL) memcpy(&v, p, 8);
  return v;
}

uint64_t tide_cursor_get_varint(struct cursor *c);

TIDE_INTERNAL_END

#endif
