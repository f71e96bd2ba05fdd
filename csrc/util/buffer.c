/*
** util/buffer: a growing buffer to write and a cursor to read.
**
** SPDX-License-Identifier: MIT
*/
#include "util/buffer.h"

#include <assert.h>

enum { FIRST_CAP = 64 };

void ti_buffer_init(struct ti_buffer *b, const struct ti_alloc *mem) {
  b->mem = mem;
  b->data = NULL;
  b->len = b->cap = 0;
  b->failed = b->borrowed = false;
}

void ti_buffer_init_in(struct ti_buffer *b, const struct ti_alloc *mem, unsigned char *block,
                       size_t size) {
  ti_buffer_init(b, mem);
  b->data = block;
  b->cap = size;
  b->borrowed = true;
}

void ti_buffer_fini(struct ti_buffer *b) {
  if (!b->borrowed) ti_alloc_free(b->mem, b->data, b->cap);
  b->data = NULL;
  b->len = b->cap = 0;
  b->borrowed = false;
}

bool ti_buffer_reserve(struct ti_buffer *b, size_t n) {
  size_t cap;
  unsigned char *data;
  assert(b->len <= b->cap);
  if (b->failed) return false;
  if (b->cap - b->len >= n) return true;
  if (n > SIZE_MAX - b->len) goto fail;
  /* Doubling keeps the cost of a byte constant. Beyond half the address space it cannot double. */
  cap = b->cap <= SIZE_MAX / 2 ? b->cap * 2 : SIZE_MAX;
  if (cap < FIRST_CAP) cap = FIRST_CAP;
  if (cap < b->len + n) cap = b->len + n;
  data = (unsigned char *)(b->borrowed ? ti_alloc_new(b->mem, cap)
                                       : ti_alloc_resize(b->mem, b->data, b->cap, cap));
  if (data == NULL) goto fail;
  if (b->borrowed) memcpy(data, b->data, b->len);
  b->borrowed = false;
  b->data = data;
  b->cap = cap;
  return true;
fail:
  b->failed = true;
  return false;
}

void ti_buffer_put(struct ti_buffer *b, const void *p, size_t n) {
  if (n == 0 || !ti_buffer_reserve(b, n)) return;
  memcpy(b->data + b->len, p, n);
  b->len += n;
}

void ti_buffer_put_varint(struct ti_buffer *b, uint64_t v) {
  if (b->cap - b->len < 10 && !ti_buffer_reserve(b, 10)) return;
  for (; v >= 0x80; v >>= 7) b->data[b->len++] = (unsigned char)(v | 0x80);
  b->data[b->len++] = (unsigned char)v;
}

uint64_t ti_buffer_get_varint(struct ti_cursor *c) {
  uint64_t v = 0;
  unsigned shift;
  for (shift = 0; shift < 64; shift += 7) {
    const unsigned char *p = ti_buffer_get(c, 1);
    if (p == NULL) return 0;
    /* the tenth byte holds one bit; a set bit beyond it would be lost */
    if (shift == 63 && *p > 1) break;
    v |= (uint64_t)(*p & 0x7f) << shift;
    if (*p < 0x80) return v;
  }
  c->failed = true;
  return 0;
}
