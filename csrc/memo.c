/*
** tidepool, floor 2: memo, where in the message a value was written first.
**
** Open addressing with linear probing, at most half full.
**
** SPDX-License-Identifier: MIT
*/
#include "memo.h"

#include <stdint.h>
#include <string.h>

void tide_memo_init(struct memo *m, const struct mem *mem) {
  m->mem = mem;
  m->entries = m->small;
  m->n = 0;
  m->cap = MEMO_INLINE;
  memset(m->small, 0, sizeof m->small);
}

void tide_memo_fini(struct memo *m) {
  if (m->entries != m->small) tide_mem_free(m->mem, m->entries, m->cap * sizeof *m->entries);
  m->entries = m->small;
  m->cap = MEMO_INLINE;
}

static struct memo_entry *find(struct memo_entry *entries, size_t cap, const void *key) {
  size_t i = (size_t)(((uint64_t)(uintptr_t)key * 0x9E3779B97F4A7C15u) >> 32) & (cap - 1);
  while (entries[i].key != NULL && entries[i].key != key) i = (i + 1) & (cap - 1);
  return &entries[i];
}

static bool grow(struct memo *m) {
  size_t cap = m->cap * 4;
  struct memo_entry *entries;
  if (cap > SIZE_MAX / sizeof *entries) return false;
  entries = (struct memo_entry *)tide_mem_zero(m->mem, cap * sizeof *entries);
  if (entries == NULL) return false;
  for (size_t i = 0; i < m->cap; i++)
    if (m->entries[i].key != NULL) *find(entries, cap, m->entries[i].key) = m->entries[i];
  tide_memo_fini(m);
  m->entries = entries;
  m->cap = cap;
  return true;
}

size_t tide_memo_add(struct memo *m, const void *key, size_t offset) {
  struct memo_entry *e = find(m->entries, m->cap, key);
  if (e->key != NULL) return e->offset;
  if (m->n >= m->cap / 2) {
    if (!grow(m)) return MEMO_FULL;
    e = find(m->entries, m->cap, key);
  }
  e->key = key;
  e->offset = offset;
  m->n++;
  return MEMO_NEW;
}
