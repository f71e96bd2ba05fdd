/*
** util/alloc: the allocation seam.
**
** Every block of the core comes from a `struct ti_alloc`: a host's allocator, the C
** library's, or one that a test makes fail. Blocks are freed with the mem they
** came from and with their size, as lua_Alloc has it. No locks; the allocator
** itself must be thread safe.
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

/* All answer NULL when out of memory; size > 0. */
void *ti_alloc_new(const struct ti_alloc *m, size_t size);
void *ti_alloc_zero(const struct ti_alloc *m, size_t size); /* filled with zeros */
void *ti_alloc_resize(const struct ti_alloc *m, void *p, size_t osize, size_t nsize);
void ti_alloc_free(const struct ti_alloc *m, void *p, size_t size); /* p may be NULL */

TI_INTERNAL_END

#endif
