/*
** codec/memo: where in the message a value was written first.
**
** Open addressing with linear probing, at most two thirds full.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/memo.h"

#include <string.h>

/* A state keeps a block of at most this many entries for its next message. */
enum { MOST_SPARE = 65536 };

/* A message with at least this many entries is large. */
enum { MANY = 1024 };

void ti_memo_init(struct ti_memo *m) {
  m->spare = NULL;
  m->entries = m->small;
  m->n = 0;
  m->cap = m->block_cap = MEMO_INLINE;
  memset(m->small, 0, sizeof m->small);
}

void ti_memo_free(struct ti_memo_spare *spare) {
  ti_alloc_free(&ti_alloc_default, spare->entries, spare->cap * sizeof *spare->entries);
  spare->entries = NULL;
  spare->cap = 0;
}

void ti_memo_fini(struct ti_memo *m) {
  if (m->entries != m->small) {
    struct ti_memo_spare done = {m->entries, m->block_cap};
    if (m->spare != NULL && done.cap <= MOST_SPARE && done.cap > m->spare->cap) {
      ti_memo_free(m->spare);
      *m->spare = done;
    } else {
      ti_memo_free(&done);
    }
  }
  m->entries = m->small;
  m->cap = m->block_cap = MEMO_INLINE;
}

/* Objects in the same 4 KiB have places beside each other: what was allocated together is often
** sent together. */
static struct ti_memo_entry *find(struct ti_memo_entry *entries, size_t cap, const void *key) {
  uint64_t at = (uint64_t)(uintptr_t)key >> 4;
  size_t i = (size_t)(((at >> 8) * 0x9E3779B97F4A7C15u >> 32) + (at & 0xff)) & (cap - 1);
  while (entries[i].key != NULL && entries[i].key != key) i = (i + 1) & (cap - 1);
  return &entries[i];
}

static bool grow(struct ti_memo *m) {
  struct ti_memo bigger = *m;
  /* a large message uses all of the spare block at once: the last message was as large */
  bigger.cap = m->cap < MANY ? m->cap * 4 : m->cap * 2;
  if (m->cap >= MANY && m->spare != NULL && m->spare->cap > bigger.cap) bigger.cap = m->spare->cap;
  if (bigger.cap > SIZE_MAX / sizeof *m->entries) return false;
  if (m->cap >= MANY && m->spare != NULL && m->spare->cap >= bigger.cap) {
    bigger.entries = m->spare->entries;
    bigger.block_cap = m->spare->cap;
    m->spare->entries = NULL;
    m->spare->cap = 0;
  } else {
    bigger.block_cap = bigger.cap;
    bigger.entries =
        (struct ti_memo_entry *)ti_alloc_new(&ti_alloc_default, bigger.cap * sizeof *m->entries);
    if (bigger.entries == NULL) return false;
  }
  memset(bigger.entries, 0, bigger.cap * sizeof *m->entries);
  for (size_t i = 0; i < m->cap; i++)
    if (m->entries[i].key != NULL)
      *find(bigger.entries, bigger.cap, m->entries[i].key) = m->entries[i];
  ti_memo_fini(m);
  m->entries = bigger.entries;
  m->cap = bigger.cap;
  m->block_cap = bigger.block_cap;
  return true;
}

size_t ti_memo_add(struct ti_memo *m, const void *key, size_t offset) {
  struct ti_memo_entry *e = find(m->entries, m->cap, key);
  if (e->key != NULL) return e->offset;
  if (m->n >= m->cap / 3 * 2) {
    if (!grow(m)) return MEMO_FULL;
    e = find(m->entries, m->cap, key);
  }
  e->key = key;
  e->offset = offset;
  m->n++;
  return MEMO_NEW;
}

/* Takes each entry out, beginning behind a free one, and puts those that stay back: no entry may be
** separated from its own place by a free one. */
void ti_memo_forget(struct ti_memo *m, size_t offset) {
  size_t first = 0;
  while (m->entries[first].key != NULL) first++; /* at most two thirds are taken */
  for (size_t n = 0; n < m->cap; n++) {
    struct ti_memo_entry *e = &m->entries[(first + n) & (m->cap - 1)], entry = *e;
    if (entry.key == NULL) continue;
    e->key = NULL;
    if (entry.offset < offset)
      *find(m->entries, m->cap, entry.key) = entry;
    else
      m->n--;
  }
}
