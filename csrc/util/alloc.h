/*
** util/alloc: the allocator interface.
**
** Every block of the library comes from a `struct ti_alloc`: the allocator of a host, the C
** library's, or one that a test makes fail. A block is freed with the allocator that it came from
** and with its size, as lua_Alloc does it. No locks: the allocator itself is thread safe where
** several threads use it.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_UTIL_ALLOC_H
#define TI_UTIL_ALLOC_H

#include <stddef.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

struct ti_alloc {
  void *(*alloc)(void *ud, void *ptr, size_t osize, size_t nsize); /* as lua_Alloc */
  void *ud;
};

extern const struct ti_alloc ti_alloc_default; /* realloc and free */

/* Return NULL if out of memory. The size is not 0. */
void *ti_alloc_new(const struct ti_alloc *m, size_t size);
void *ti_alloc_zero(const struct ti_alloc *m, size_t size); /* filled with zeros */
void *ti_alloc_resize(const struct ti_alloc *m, void *p, size_t osize, size_t nsize);
void ti_alloc_free(const struct ti_alloc *m, void *p, size_t size); /* p may be NULL */

TI_INTERNAL_END

#endif
