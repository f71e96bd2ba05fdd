/*
** tidepool, floor 0: typed, memory of equal elements that is shared by reference.
**
** A `typed` is n elements of one type in a row. It owns their memory, or is a view of
** another's, which it keeps alive. All but the elements is immutable, so any number of
** threads may use one at a time; each holds a reference.
**
** Elements lie on multiples of their size. The bulk calls below touch them with relaxed
** atomics of no less than an element, so that none is ever seen half written; they order
** nothing. No locks; nobody else's code runs here but a wrapped memory's `release`.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_TYPED_H
#define TIDE_TYPED_H

#include <stdint.h>

#include "fault.h"
#include "mem.h"
#include "ref.h"

TIDE_INTERNAL_BEGIN

enum elem {
  ELEM_I8,
  ELEM_I16,
  ELEM_I32,
  ELEM_I64,
  ELEM_U8,
  ELEM_U16,
  ELEM_U32,
  ELEM_U64,
  ELEM_F32,
  ELEM_F64,
  ELEM_TYPES
};

/* "u8"; NULL for what is no type. */
const char *tide_elem_name(int type);
/* Bytes of one element: 1, 2, 4 or 8. */
size_t tide_elem_size(enum elem type);

struct typed {
  struct ref ref;
  enum elem type;      /* I */
  size_t n;            /* I */
  unsigned char *data; /* I */
  struct typed *root;  /* I: whose the memory is, itself or held */
  struct mem mem;      /* I: where the blocks below came from */
  size_t size;         /* I: of this struct, with elements that lie behind it */
  void *block;         /* I: elements that lie elsewhere, or NULL */
  size_t blocksize;    /* I */
  size_t owned;        /* I: bytes that go with this one; 0 for a view */
  void (*release)(void *ud, void *data, size_t bytes); /* I: of wrapped memory; or NULL */
  void *ud;                                            /* I */
};

/* All that make one answer FAULT_NONE, FAULT_NOMEM or FAULT_ARG, and set *out to NULL unless
** they succeed. The caller owns one reference. */

/* n zeros. */
int tide_typed_new(struct typed **out, const struct mem *m, enum elem type, size_t n);
/* Takes memory of somebody else: release(ud, data, bytes), if not NULL, is called when the last
** reference goes, on that thread. On failure the memory stays the caller's. */
int tide_typed_wrap(struct typed **out, const struct mem *m, enum elem type, void *data, size_t n,
                    void (*release)(void *ud, void *data, size_t bytes), void *ud);
/* A view of n elements of t from number `at` on, counted from 0. */
int tide_typed_slice(struct typed **out, struct typed *t, size_t at, size_t n);

struct typed *tide_typed_hold(struct typed *t);
void tide_typed_rele(struct typed *t); /* t may be NULL */

/* One reference's share of the memory it keeps alive, in bytes; changes as references do. */
size_t tide_typed_weight(const struct typed *t);

/* Whether elements at … at+n-1 are there. */
static inline bool tide_typed_within(const struct typed *t, size_t at, size_t n) {
  return at <= t->n && n <= t->n - at;
}

/* Sets n elements to *element. Within t. */
void tide_typed_fill(struct typed *t, size_t at, size_t n, const void *element);
/* Copies n elements, of the same memory too. Within both, which are of one type. */
void tide_typed_move(struct typed *to, size_t at, const struct typed *from, size_t first, size_t n);
/* Copies n elements out to memory of the caller's own. Within t. */
void tide_typed_read(const struct typed *t, size_t at, size_t n, void *bytes);

TIDE_INTERNAL_END

#endif
