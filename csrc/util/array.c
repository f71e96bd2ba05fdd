/*
** util/array: memory of equal elements that is shared by reference.
**
** SPDX-License-Identifier: MIT
*/
#include "util/array.h"

#include <string.h>

#include "platform/pages.h"

/* Elements start at a cache line, so the reference count before them does not share theirs. */
#define LINE ((size_t)64)
/* From BIG bytes on, memory starts and ends at huge pages: one page fault for a huge page costs far
** less than those of its small pages. */
#define HUGE_PAGE ((size_t)2 << 20)
#define BIG (2 * HUGE_PAGE)
/* Leaves space for what is added to a size. */
#define MOST (SIZE_MAX / 2 - 2 * HUGE_PAGE)

static const struct {
  const char *name;
  size_t size;
} elems[TI_ARRAY_TYPES] = {{"i8", 1},  {"i16", 2}, {"i32", 4}, {"i64", 8}, {"u8", 1},
                           {"u16", 2}, {"u32", 4}, {"u64", 8}, {"f32", 4}, {"f64", 8}};

const char *ti_array_element_name(int type) {
  return type >= 0 && type < TI_ARRAY_TYPES ? elems[type].name : NULL;
}

size_t ti_array_element_size(tide_element type) { return elems[type].size; }

/* ------------------------------------------------------------- life -- */

static unsigned char *align(void *p, size_t to) {
  uintptr_t past = (uintptr_t)p & (to - 1);
  return (unsigned char *)p + (past != 0 ? to - past : 0);
}

/* Returns a struct with `extra` bytes behind it, or NULL. */
static struct ti_array *make(const struct ti_alloc *m, tide_element type, size_t n, size_t extra) {
  size_t size = sizeof(struct ti_array) + extra;
  struct ti_array *t = (struct ti_array *)ti_alloc_new(m, size);
  if (t == NULL) return NULL;
  memset(t, 0, sizeof *t);
  ti_refcount_init(&t->ref);
  t->type = type;
  t->n = n;
  t->root = t;
  t->mem = *m;
  t->size = size;
  return t;
}

static void give_back(struct ti_array *t) {
  struct ti_alloc mem = t->mem;
  ti_alloc_free(&mem, t->block, t->blocksize);
  ti_alloc_free(&mem, t, t->size);
}

/* Puts the elements into a block of their own, on huge pages where the system has them. */
static bool add_block(struct ti_array *t, size_t bytes) {
  size_t pages = (bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
  t->blocksize = pages + HUGE_PAGE;
  t->block = ti_alloc_new(&t->mem, t->blocksize);
  if (t->block == NULL) return false;
  t->data = align(t->block, HUGE_PAGE);
  ti_pages_advise_huge(t->data, pages);
  return true;
}

int ti_array_new(struct ti_array **out, const struct ti_alloc *m, tide_element type, size_t n) {
  size_t esize = ti_array_element_size(type), bytes;
  struct ti_array *t;
  *out = NULL;
  if (n > MOST / esize) return TIDE_ENOMEM;
  bytes = n * esize;
  t = make(m, type, n, bytes < BIG ? bytes + LINE - 1 : 0);
  if (t == NULL) return TIDE_ENOMEM;
  if (bytes < BIG) {
    t->data = align(t + 1, LINE);
  } else if (!add_block(t, bytes)) {
    give_back(t);
    return TIDE_ENOMEM;
  }
  t->owned = t->size + t->blocksize;
  memset(t->data, 0, bytes);
  *out = t;
  return TIDE_OK;
}

int ti_array_wrap(struct ti_array **out, const struct ti_alloc *m, tide_element type, void *data,
                  size_t n, void (*release)(void *ud, void *data, size_t bytes), void *ud) {
  size_t esize = ti_array_element_size(type);
  struct ti_array *t;
  *out = NULL;
  if ((data == NULL && n > 0) || (uintptr_t)data % esize != 0 || n > MOST / esize) return TIDE_EARG;
  t = make(m, type, n, 0);
  if (t == NULL) return TIDE_ENOMEM;
  t->data = (unsigned char *)data;
  t->release = release;
  t->ud = ud;
  t->owned = t->size + (release != NULL ? n * esize : 0);
  *out = t;
  return TIDE_OK;
}

int ti_array_slice(struct ti_array **out, struct ti_array *t, size_t at, size_t n) {
  struct ti_array *view;
  *out = NULL;
  if (!ti_array_within(t, at, n)) return TIDE_EARG;
  view = make(&t->root->mem, t->type, n, 0);
  if (view == NULL) return TIDE_ENOMEM;
  view->data = t->data == NULL ? NULL : t->data + at * ti_array_element_size(t->type);
  view->root = ti_array_hold(t->root);
  *out = view;
  return TIDE_OK;
}

struct ti_array *ti_array_hold(struct ti_array *t) {
  ti_refcount_hold(&t->ref);
  return t;
}

void ti_array_release(struct ti_array *t) {
  while (t != NULL && ti_refcount_release(&t->ref)) {
    struct ti_array *root = t->root != t ? t->root : NULL;
    if (t->release != NULL) t->release(t->ud, t->data, t->n * ti_array_element_size(t->type));
    give_back(t);
    t = root;
  }
}

size_t ti_array_weight(const struct ti_array *t) {
  size_t share = t->root->owned / atomic_load_explicit(&t->root->ref.count, memory_order_relaxed);
  if (t->root != t) share /= atomic_load_explicit(&t->ref.count, memory_order_relaxed);
  return share;
}

/* ------------------------------------------------------------- bulk -- */

#define LOAD(T, p) atomic_load_explicit((const _Atomic(T) *)(const void *)(p), memory_order_relaxed)
#define STORE(T, p, v) atomic_store_explicit((_Atomic(T) *)(void *)(p), (v), memory_order_relaxed)

/* Returns the widest unit, up to 8 bytes, of which all addresses and lengths or'ed in `bits` are
** multiples. For an array's memory it is at least an element. */
static size_t unit_of(uintptr_t bits) {
  bits |= 8;
  return (size_t)(bits & (~bits + 1));
}

#define MOVE_UNITS(T)                                                                  \
  if (to <= from)                                                                      \
    for (size_t i = 0; i < bytes; i += sizeof(T)) STORE(T, to + i, LOAD(T, from + i)); \
  else                                                                                 \
    for (size_t i = bytes; i > 0; i -= sizeof(T))                                      \
      STORE(T, to + i - sizeof(T), LOAD(T, from + i - sizeof(T)));                     \
  break

static void move_part(void *into, const unsigned char *from, size_t bytes) {
  unsigned char *to = (unsigned char *)into;
  switch (unit_of((uintptr_t)to | (uintptr_t)from | bytes)) {
    case 8: MOVE_UNITS(uint64_t);
    case 4: MOVE_UNITS(uint32_t);
    case 2: MOVE_UNITS(uint16_t);
    default: MOVE_UNITS(uint8_t);
  }
}

/* Copies the last bytes of a length that is no multiple of 8 apart, so that the others are copied
** by eights. */
static void move_bytes(unsigned char *to, const unsigned char *from, size_t bytes) {
  size_t tail = bytes & 7, body = bytes - tail;
  if (to <= from) move_part(to, from, body);
  if (tail > 0) move_part(to + body, from + body, tail);
  if (to > from) move_part(to, from, body);
}

void ti_array_move(struct ti_array *to, size_t at, const struct ti_array *from, size_t first,
                   size_t n) {
  size_t esize = ti_array_element_size(to->type);
  assert(to->type == from->type && ti_array_within(to, at, n) && ti_array_within(from, first, n));
  if (n > 0) move_bytes(to->data + at * esize, from->data + first * esize, n * esize);
}

#define FILL_UNITS(T)                             \
  for (size_t i = 0; i < bytes; i += sizeof(T)) { \
    T v;                                          \
    memcpy(&v, pattern, sizeof v);                \
    STORE(T, to + i, v);                          \
  }                                               \
  break

static void fill_part(void *into, size_t bytes, const unsigned char pattern[8]) {
  unsigned char *to = (unsigned char *)into;
  switch (unit_of((uintptr_t)to | bytes)) {
    case 8: FILL_UNITS(uint64_t);
    case 4: FILL_UNITS(uint32_t);
    case 2: FILL_UNITS(uint16_t);
    default: FILL_UNITS(uint8_t);
  }
}

void ti_array_fill(struct ti_array *t, size_t at, size_t n, const void *element) {
  size_t esize = ti_array_element_size(t->type), bytes = n * esize, tail = bytes & 7;
  unsigned char pattern[8], *to;
  assert(ti_array_within(t, at, n));
  if (n == 0) return;
  to = t->data + at * esize;
  for (size_t i = 0; i < sizeof pattern; i += esize) memcpy(pattern + i, element, esize);
  fill_part(to, bytes - tail, pattern);
  if (tail > 0) fill_part(to + bytes - tail, tail, pattern);
}

/* Reads into memory of the caller's alone, which may have any alignment. */
#define READ_UNITS(T)                             \
  for (size_t i = 0; i < bytes; i += sizeof(T)) { \
    T v = LOAD(T, from + i);                      \
    memcpy(to + i, &v, sizeof v);                 \
  }                                               \
  break

static void read_part(unsigned char *to, const unsigned char *from, size_t bytes) {
  switch (unit_of((uintptr_t)from | bytes)) {
    case 8: READ_UNITS(uint64_t);
    case 4: READ_UNITS(uint32_t);
    case 2: READ_UNITS(uint16_t);
    default: READ_UNITS(uint8_t);
  }
}

void ti_array_read(const struct ti_array *t, size_t at, size_t n, void *bytes) {
  size_t esize = ti_array_element_size(t->type), size = n * esize, tail = size & 7;
  unsigned char *to = (unsigned char *)bytes;
  const unsigned char *from;
  assert(ti_array_within(t, at, n));
  if (n == 0) return;
  from = t->data + at * esize;
  read_part(to, from, size - tail);
  if (tail > 0) read_part(to + size - tail, from + size - tail, tail);
}
