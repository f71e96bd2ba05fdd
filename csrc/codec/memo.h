/*
** codec/memo: where in the message a value was written first.
**
** A map from addresses (of tables, functions, long strings, upvalues) to offsets, which forgets
** nothing. Small messages fit in the struct itself. Larger ones take one block, which a state may
** keep for its next message. No locks.
**
** Beside it is a map for short strings, which forgets those that were not used lately. So a key of
** every record stays, and thousands of different names cost no memory. Forgetting does no harm:
** equal strings need not arrive as one object.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_MEMO_H
#define TI_CODEC_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/alloc.h"

TI_INTERNAL_BEGIN

struct ti_memo_entry {
  const void *key; /* NULL: free */
  size_t offset;
};

#define MEMO_INLINE 32 /* a power of two */

/* A block from an earlier message of the same state. From ti_alloc_default. */
struct ti_memo_spare {
  struct ti_memo_entry *entries; /* NULL: none */
  size_t cap;
};

struct ti_memo {
  struct ti_memo_spare *spare;   /* where a block is taken from and left; may be NULL */
  struct ti_memo_entry *entries; /* cap of them, in a block for block_cap, or `small` */
  size_t n, cap, block_cap;
  struct ti_memo_entry small[MEMO_INLINE];
};

/* Makes *m empty, without a spare block; the caller may set `spare` afterwards. */
void ti_memo_init(struct ti_memo *m);

/* Frees the block of *m, or leaves it in `spare`. */
void ti_memo_fini(struct ti_memo *m);

void ti_memo_free(struct ti_memo_spare *spare);

#define MEMO_NEW ((size_t)-1)
#define MEMO_FULL ((size_t)-2)

/* Returns the offset of `key`. Stores `offset` for a new key, and returns MEMO_NEW, or MEMO_FULL
** when memory runs out. */

size_t ti_memo_add(struct ti_memo *m, const void *key, size_t offset);

/* Forgets what was stored with this offset or a higher one. */
void ti_memo_forget(struct ti_memo *m, size_t offset);

#define RECENT_PAIRS 128 /* a power of two */

struct ti_memo_recent {
  bool used;                                   /* `pairs` is initialized */
  struct ti_memo_entry pairs[RECENT_PAIRS][2]; /* the one used last comes first in its pair */
};

/* Does the same as ti_memo_add, but never returns MEMO_FULL. */
static inline size_t ti_memo_recent_add(struct ti_memo_recent *r, const void *key, size_t offset) {
  struct ti_memo_entry *pair =
      r->pairs[((uintptr_t)key * 0x9E3779B97F4A7C15u >> 32) % RECENT_PAIRS];
  struct ti_memo_entry second = pair[1];
  if (pair[0].key == key) return pair[0].offset;
  pair[1] = pair[0];
  if (second.key == key) {
    pair[0] = second;
    return second.offset;
  }
  pair[0].key = key;
  pair[0].offset = offset;
  return MEMO_NEW;
}

/* Sets the offset of the key that was added last. */
static inline void ti_memo_recent_move(struct ti_memo_recent *r, const void *key, size_t offset) {
  r->pairs[((uintptr_t)key * 0x9E3779B97F4A7C15u >> 32) % RECENT_PAIRS][0].offset = offset;
}

TI_INTERNAL_END

#endif
