/*
** platform/pages: memory straight from the system, in whole pages.
**
** SPDX-License-Identifier: MIT
*/
#include "platform/pages.h"

#include <sys/mman.h>

void *ti_pages_map(size_t size) {
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p != MAP_FAILED ? p : NULL;
}

void ti_pages_unmap(void *p, size_t size) {
  /* A hole makes two mappings of one, and the system limits their number. The pages are freed then,
  ** and the addresses stay taken. */
  if (munmap(p, size) != 0) (void)madvise(p, size, MADV_DONTNEED);
}

void ti_pages_advise_huge(void *p, size_t size) {
#ifdef MADV_HUGEPAGE
  (void)madvise(p, size, MADV_HUGEPAGE);
#else
  (void)p, (void)size;
#endif
}
