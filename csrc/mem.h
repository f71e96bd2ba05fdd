/*
** tidepool, floor 0: mem, the allocation seam.
**
** Every block of the core comes from a `struct mem`: a host's allocator, the C
** library's, or one that a test makes fail. Blocks are freed with the mem they
** came from and with their size, as lua_Alloc has it. No locks; the allocator
** itself must be thread safe.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_MEM_H
#define TIDE_MEM_H

#include <stddef.h>

#include "internal.h"

TIDE_INTERNAL_BEGIN

struct mem {
  void *(*alloc)(void *ud, void *ptr, size_t osize, size_t nsize); /* as lua_Alloc */
  void *ud;
};

extern const struct mem tide_mem_default; /* realloc and free */

/* All answer NULL when out of memory; size > 0. */
void *tide_mem_new(const struct mem *m, size_t size);
void *tide_mem_zero(const struct mem *m, size_t size); /* filled with zeros */
void *tide_mem_resize(const struct mem *m, void *p, size_t osize, size_t nsize);
void tide_mem_free(const struct mem *m, void *p, size_t size); /* p may be NULL */

TIDE_INTERNAL_END

#endif
