/*
** platform/fork_guard: whether this process is a child of the one that made something.
**
** A child that fork() made has one thread: the workers are not in it, and locks that they held will
** never be free. So everything with threads on its other side (a pool, an owner's mailbox, a lender
** of strings) has a mark, which is looked at before any of its locks is taken.
**
** A mark is a page that the kernel gives a child filled with zeros (MADV_WIPEONFORK), so a look is
** one load: getpid() is a system call, too dear for each submit. A handler of pthread_atfork would
** need state of the whole process, which a library that can be unloaded had better not have. A page
** for each pool, and for each state that waits, is what that costs; where there is none, a look
** asks getpid().
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_PLATFORM_FORK_GUARD_H
#define TI_PLATFORM_FORK_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

struct ti_fork_guard {
  const volatile unsigned char *page; /* I: not 0 where it was made; NULL: see pid */
  pid_t pid;                          /* I: 0: none, never lost */
};

void ti_fork_guard_init(struct ti_fork_guard *m); /* cannot fail */
void ti_fork_guard_fini(struct ti_fork_guard *m); /* one of zeros, which is never lost, is legal */
/* The end of a child that has nothing left but a thread of what was lost. Runs no handlers of
** exit. */
_Noreturn void ti_fork_guard_leave(void);
bool ti_fork_guard_other_pid(const struct ti_fork_guard *m);

/* Whether it was made in a parent of this process. */
static inline bool ti_fork_guard_forked(const struct ti_fork_guard *m) {
  return m->page != NULL ? *m->page == 0 : m->pid != 0 && ti_fork_guard_other_pid(m);
}

TI_INTERNAL_END

#endif
