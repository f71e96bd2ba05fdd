/*
** tidepool, floor 2: memo, where in the message a value was written first.
**
** A map from addresses (of tables, functions, strings, upvalues) to offsets. Small
** messages fit in the struct itself; larger ones take one block. No locks.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_MEMO_H
#define TIDE_MEMO_H

#include <stdbool.h>
#include <stddef.h>

#include "mem.h"

TIDE_INTERNAL_BEGIN

struct memo_entry {
  const void *key; /* NULL: free */
  size_t offset;
};

#define MEMO_INLINE 32 /* a power of two */

struct memo {
  const struct mem *mem;
  struct memo_entry *entries; /* cap of them: `small`, or a block of its own */
  size_t n, cap;
  struct memo_entry small[MEMO_INLINE];
};

void tide_memo_init(struct memo *m, const struct mem *mem);
void tide_memo_fini(struct memo *m);
/* The offset of key, or stores `offset` for it and answers MEMO_NEW; MEMO_FULL: out of memory. */
#define MEMO_NEW ((size_t)-1)
#define MEMO_FULL ((size_t)-2)
size_t tide_memo_add(struct memo *m, const void *key, size_t offset);

TIDE_INTERNAL_END

#endif
