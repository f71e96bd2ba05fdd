/*
** tidepool, floor 0: mem, the allocation seam.
**
** SPDX-License-Identifier: MIT
*/
#include "mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void *libc_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
  (void)ud;
  (void)osize;
  if (nsize == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, nsize);
}

const struct mem tide_mem_default = {libc_alloc, NULL};

void *tide_mem_new(const struct mem *m, size_t size) {
  assert(size > 0);
  return m->alloc(m->ud, NULL, 0, size);
}

void *tide_mem_zero(const struct mem *m, size_t size) {
  void *p = tide_mem_new(m, size);
  if (p != NULL) memset(p, 0, size);
  return p;
}

void *tide_mem_resize(const struct mem *m, void *p, size_t osize, size_t nsize) {
  assert(nsize > 0 && (p != NULL || osize == 0));
  return m->alloc(m->ud, p, osize, nsize);
}

void tide_mem_free(const struct mem *m, void *p, size_t size) {
  if (p != NULL) m->alloc(m->ud, p, size, 0);
}
