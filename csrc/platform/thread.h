/*
** platform/thread: threads and their C stacks.
**
** Functions that can fail return 0 or an errno code.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_PLATFORM_THREAD_H
#define TI_PLATFORM_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

/* Bytes of C stack: what a thread gets if its size is 0, the least that may be asked for, and what
** Lua code may take that recurses through C functions as far as Lua lets it
** (spec/unit/luautil/c_stack_test.c has the deepest cases). A sanitizer's frames are larger. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TI_THREAD_STACK_UNIT ((size_t)4 << 20)
#else
#define TI_THREAD_STACK_UNIT ((size_t)1 << 20)
#endif
#define TI_THREAD_STACK (2 * TI_THREAD_STACK_UNIT)
#define TI_THREAD_STACK_LEAST TI_THREAD_STACK_UNIT
#define TI_THREAD_STACK_LUA (TI_THREAD_STACK_UNIT / 2)

struct ti_thread {
  pthread_t t;
};

/* Starts a thread. It blocks all signals except those that running code raises itself, by a fault
** or by writing to a closed pipe (SIGPIPE): the host's handlers run on the host's threads.
** stack_size 0 is TI_THREAD_STACK, whatever the system's default. A size that the system refuses is
** rounded up. Returns 0 or an errno code. */
int ti_thread_start(struct ti_thread *t, size_t stack_size, void *(*fn)(void *), void *arg);

/* Blocks until the thread has ended. */
void ti_thread_join(struct ti_thread *t);

/* Returns the calling thread. */
struct ti_thread ti_thread_self(void);

/* Whether `t`, which has not been joined, is the calling thread. */
bool ti_thread_is_self(const struct ti_thread *t);

/* Returns how many bytes of the calling thread's stack are free, and stores its whole size in
** *size, which may be NULL. Both are SIZE_MAX where this is not known, or on a stack of the
** program's own (a fibre's). */
size_t ti_thread_stack_room(size_t *size);

/* Lets other threads run first. */
void ti_thread_yield(void);

/* Names the calling thread for the system, which may cut the name. */
void ti_thread_set_name(const char *name);

/* Tells the processor that the calling loop waits. */
static inline void ti_thread_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

TI_INTERNAL_END

#endif
