/*
** platform/fork_guard: whether this process is a forked child of the one that made an object.
**
** SPDX-License-Identifier: MIT
*/
#include "platform/fork_guard.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 1 }; /* the system makes a page of it */

/* Returns a page that children see as zeros, with a byte that is not 0; or NULL. */
static const volatile unsigned char *new_page(void) {
#ifdef MADV_WIPEONFORK
  volatile unsigned char *p = (volatile unsigned char *)mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
                                                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if ((void *)(uintptr_t)p == MAP_FAILED) return NULL;
  if (madvise((void *)(uintptr_t)p, (size_t)sysconf(_SC_PAGESIZE), MADV_WIPEONFORK) == 0) {
    *p = 1;
    return p;
  }
  munmap((void *)(uintptr_t)p, SIZE);
#endif
  return NULL;
}

void ti_fork_guard_init(struct ti_fork_guard *m) {
  m->pid = getpid();
  m->page = new_page();
}

void ti_fork_guard_fini(struct ti_fork_guard *m) {
  if (m->page != NULL) munmap((void *)(uintptr_t)m->page, SIZE);
  m->page = NULL;
  m->pid = 0;
}

void ti_fork_guard_leave(void) { _exit(0); }

bool ti_fork_guard_other_pid(const struct ti_fork_guard *m) { return getpid() != m->pid; }
