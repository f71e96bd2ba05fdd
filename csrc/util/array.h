/*
** util/array: memory of equal elements that is shared by reference.
**
** A `struct ti_array` is n elements of one type in a row. It owns their memory, or is a view of
** another one's, which it keeps alive. All but the elements is immutable, so any number of threads
** may use one at a time; each holds a reference.
**
** Elements lie on multiples of their size. The bulk functions below access them with relaxed
** atomics of at least an element: no element is seen half written, and no order is implied. No
** locks. No foreign code runs here except the `release` of wrapped memory.
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

enum { TI_ARRAY_TYPES = TIDE_F64 + 1 }; /* the number of element types */

/* Returns the name of a type, for instance "u8"; NULL if it is no type. */
const char *ti_array_element_name(int type);
/* Returns the bytes of one element: 1, 2, 4 or 8. */
size_t ti_array_element_size(tide_element type);

struct ti_array {
  struct ti_refcount ref;
  tide_element type;     /* I */
  size_t n;              /* I */
  unsigned char *data;   /* I */
  struct ti_array *root; /* I: the owner of the memory: itself, or held */
  struct ti_alloc mem;   /* I: the allocator of the blocks below */
  size_t size;           /* I: of this struct and of elements that lie behind it */
  void *block;           /* I: elements that lie elsewhere, or NULL */
  size_t blocksize;      /* I */
  size_t owned;          /* I: bytes that are freed with this one; 0 for a view */
  void (*release)(void *ud, void *data, size_t bytes); /* I: of wrapped memory; or NULL */
  void *ud;                                            /* I */
};

/* All that make one return TIDE_OK, TIDE_ENOMEM or TIDE_EARG, and set *out to NULL unless they
** succeed. The caller owns one reference. */

/* Makes an array of n zeros. */
int ti_array_new(struct ti_array **out, const struct ti_alloc *m, tide_element type, size_t n);
/* Makes an array of foreign memory. release(ud, data, bytes), if not NULL, is called on the thread
** that drops the last reference. On failure the memory stays the caller's. */
int ti_array_wrap(struct ti_array **out, const struct ti_alloc *m, tide_element type, void *data,
                  size_t n, void (*release)(void *ud, void *data, size_t bytes), void *ud);
/* Makes a view of n elements of t from index `at` on, counted from 0. */
int ti_array_slice(struct ti_array **out, struct ti_array *t, size_t at, size_t n);

struct ti_array *ti_array_hold(struct ti_array *t);
/* Releases a reference; t may be NULL. */
void ti_array_release(struct ti_array *t);

/* Returns one reference's share of the memory that it keeps alive, in bytes. It changes as
** references are made and released. */
size_t ti_array_weight(const struct ti_array *t);

/* Returns whether the elements at … at+n-1 exist. */
static inline bool ti_array_within(const struct ti_array *t, size_t at, size_t n) {
  return at <= t->n && n <= t->n - at;
}

/* Sets n elements to *element. They must exist. */
void ti_array_fill(struct ti_array *t, size_t at, size_t n, const void *element);
/* Copies n elements, which must exist, between arrays of one type. Both may share their memory. */
void ti_array_move(struct ti_array *to, size_t at, const struct ti_array *from, size_t first,
                   size_t n);
/* Copies n elements, which must exist, to memory of the caller. */
void ti_array_read(const struct ti_array *t, size_t at, size_t n, void *bytes);

TI_INTERNAL_END

#endif
