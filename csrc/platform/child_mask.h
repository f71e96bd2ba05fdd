/*
** platform/child_mask: the signal mask that child programs begin with.
**
** Threads of the library block most signals. A program that such a thread starts begins with the
** mask of the thread that made the executor instead.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_PLATFORM_CHILD_MASK_H
#define TI_PLATFORM_CHILD_MASK_H

#include <signal.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

/* Stores the mask that a program begins with which the calling thread starts. On a thread that is
** not the library's, that is the thread's own mask. */
void ti_child_mask_get(sigset_t *mask);

/* Sets that mask for the calling thread, a new one of the library. A child that any library forks
** on this thread begins with it, too. Blocks SIGPIPE on this thread if `mask` does. `mask` lives as
** long as the thread. */
void ti_child_mask_set(const sigset_t *mask);

TI_INTERNAL_END

#endif
