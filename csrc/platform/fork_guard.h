/*
** platform/fork_guard: whether this process is a forked child of the one that made an object.
**
** A forked child has one thread. The library's threads do not exist in it, and locks that they held
** are never released. So everything that threads share (a pool, a waiter, an owner of borrowed
** strings) has a fork guard, which is checked before any of its locks is taken.
**
** A guard is a page that the kernel gives a child filled with zeros (MADV_WIPEONFORK), so a check
** is one load; getpid() is a system call, too expensive for each submit. A handler of
** pthread_atfork would need state of the whole process, which a library that may be unloaded should
** not have. The cost is a page for each pool and for each state that waits. Where there is no such
** page, a check calls getpid().
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
  const volatile unsigned char *page; /* I: not 0 in the process that made it; NULL: see pid */
  pid_t pid;                          /* I: 0: no guard, never forked */
};

/* Makes a guard. Cannot fail. */
void ti_fork_guard_init(struct ti_fork_guard *m);
/* Frees a guard; one of zeros is legal. */
void ti_fork_guard_fini(struct ti_fork_guard *m);
/* Ends a forked child that has nothing left but the thread that forked. Runs no handlers of
** exit. */
_Noreturn void ti_fork_guard_leave(void);
bool ti_fork_guard_other_pid(const struct ti_fork_guard *m);

/* Returns whether the guard was made in a parent of this process. */
static inline bool ti_fork_guard_forked(const struct ti_fork_guard *m) {
  return m->page != NULL ? *m->page == 0 : m->pid != 0 && ti_fork_guard_other_pid(m);
}

TI_INTERNAL_END

#endif
