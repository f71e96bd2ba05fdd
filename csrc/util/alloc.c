/*
** util/alloc: the allocator interface.
**
** SPDX-License-Identifier: MIT
*/
#include "util/alloc.h"

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

const struct ti_alloc ti_alloc_default = {libc_alloc, NULL};

void *ti_alloc_new(const struct ti_alloc *m, size_t size) {
  assert(size > 0);
  return m->alloc(m->ud, NULL, 0, size);
}

void *ti_alloc_zero(const struct ti_alloc *m, size_t size) {
  void *p = ti_alloc_new(m, size);
  if (p != NULL) memset(p, 0, size);
  return p;
}

void *ti_alloc_resize(const struct ti_alloc *m, void *p, size_t osize, size_t nsize) {
  assert(nsize > 0 && (p != NULL || osize == 0));
  return m->alloc(m->ud, p, osize, nsize);
}

void ti_alloc_free(const struct ti_alloc *m, void *p, size_t size) {
  if (p != NULL) m->alloc(m->ud, p, size, 0);
}
