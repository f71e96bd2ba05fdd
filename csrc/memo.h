/*
** tidepool, floor 2: memo, where in the message a value was written first.
**
** A map from addresses (of tables, functions, long strings, upvalues) to offsets, which forgets
** nothing. Small messages fit in the struct itself; larger ones take one block, which a state
** may keep for its next message. No locks.
**
** Beside it, a map for short strings that forgets what was not seen lately: a key that comes in
** each record stays, and thousands of names that differ cost no memory. Nothing is lost with
** what it forgets: equal strings are one and the same.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_MEMO_H
#define TIDE_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem.h"

TIDE_INTERNAL_BEGIN

struct memo_entry {
  const void *key; /* NULL: free */
  size_t offset;
};

#define MEMO_INLINE 32 /* a power of two */

/* A block from an earlier message of the same state. From tide_mem_default. */
struct memo_spare {
  struct memo_entry *entries; /* NULL: none */
  size_t cap;
};

struct memo {
  struct memo_spare *spare;   /* where the block comes from and goes to; may be NULL */
  struct memo_entry *entries; /* cap of them, in a block of `room`, or `small` */
  size_t n, cap, room;
  struct memo_entry small[MEMO_INLINE];
};

void tide_memo_init(struct memo *m); /* `spare` is set afterwards, if there is to be one */
void tide_memo_fini(struct memo *m);
void tide_memo_free(struct memo_spare *spare);
/* The offset of key, or stores `offset` for it and answers MEMO_NEW; MEMO_FULL: out of memory. */
#define MEMO_NEW ((size_t)-1)
#define MEMO_FULL ((size_t)-2)
size_t tide_memo_add(struct memo *m, const void *key, size_t offset);
/* Forgets all that was stored with this offset or a higher one. */
void tide_memo_forget(struct memo *m, size_t offset);

#define RECENT_PAIRS 128 /* a power of two */

struct recent {
  bool used;                                /* the rest means something */
  struct memo_entry pairs[RECENT_PAIRS][2]; /* what was seen last is first in its pair */
};

/* As tide_memo_add, but never MEMO_FULL. */
static inline size_t tide_recent_add(struct recent *r, const void *key, size_t offset) {
  struct memo_entry *pair = r->pairs[((uintptr_t)key * 0x9E3779B97F4A7C15u >> 32) % RECENT_PAIRS];
  struct memo_entry second = pair[1];
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

/* The key that was added last is at `offset`. */
static inline void tide_recent_move(struct recent *r, const void *key, size_t offset) {
  r->pairs[((uintptr_t)key * 0x9E3779B97F4A7C15u >> 32) % RECENT_PAIRS][0].offset = offset;
}

TIDE_INTERNAL_END

#endif
