/*
** util/array: memory of equal elements that is shared by reference.
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
#ifndef TI_UTIL_ARRAY_H
#define TI_UTIL_ARRAY_H

#include <stdint.h>

#include "util/errcode.h"
#include "util/alloc.h"
#include "util/refcount.h"

TI_INTERNAL_BEGIN

enum { TI_ARRAY_TYPES = TIDE_F64 + 1 }; /* how many element types there are */

/* "u8"; NULL for what is no type. */
const char *ti_array_element_name(int type);
/* Bytes of one element: 1, 2, 4 or 8. */
size_t ti_array_element_size(tide_element type);

struct ti_array {
  struct ti_refcount ref;
  tide_element type;     /* I */
  size_t n;              /* I */
  unsigned char *data;   /* I */
  struct ti_array *root; /* I: whose the memory is, itself or held */
  struct ti_alloc mem;   /* I: where the blocks below came from */
  size_t size;           /* I: of this struct, with elements that lie behind it */
  void *block;           /* I: elements that lie elsewhere, or NULL */
  size_t blocksize;      /* I */
  size_t owned;          /* I: bytes that go with this one; 0 for a view */
  void (*release)(void *ud, void *data, size_t bytes); /* I: of wrapped memory; or NULL */
  void *ud;                                            /* I */
};

/* All that make one answer TIDE_OK, TIDE_ENOMEM or TIDE_EARG, and set *out to NULL unless
** they succeed. The caller owns one reference. */

/* n zeros. */
int ti_array_new(struct ti_array **out, const struct ti_alloc *m, tide_element type, size_t n);
/* Takes memory of somebody else: release(ud, data, bytes), if not NULL, is called when the last
** reference goes, on that thread. On failure the memory stays the caller's. */
int ti_array_wrap(struct ti_array **out, const struct ti_alloc *m, tide_element type, void *data,
                  size_t n, void (*release)(void *ud, void *data, size_t bytes), void *ud);
/* A view of n elements of t from number `at` on, counted from 0. */
int ti_array_slice(struct ti_array **out, struct ti_array *t, size_t at, size_t n);

struct ti_array *ti_array_hold(struct ti_array *t);
void ti_array_release(struct ti_array *t); /* t may be NULL */

/* One reference's share of the memory it keeps alive, in bytes; changes as references do. */
size_t ti_array_weight(const struct ti_array *t);

/* Whether elements at … at+n-1 are there. */
static inline bool ti_array_within(const struct ti_array *t, size_t at, size_t n) {
  return at <= t->n && n <= t->n - at;
}

/* Sets n elements to *element. Within t. */
void ti_array_fill(struct ti_array *t, size_t at, size_t n, const void *element);
/* Copies n elements, of the same memory too. Within both, which are of one type. */
void ti_array_move(struct ti_array *to, size_t at, const struct ti_array *from, size_t first,
                   size_t n);
/* Copies n elements out to memory of the caller's own. Within t. */
void ti_array_read(const struct ti_array *t, size_t at, size_t n, void *bytes);

TI_INTERNAL_END

#endif
