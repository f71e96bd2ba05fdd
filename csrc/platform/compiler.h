/*
** platform/compiler: what every internal header starts with.
**
** Symbols that cross files but are no API stay inside the library, whatever
** flags it is compiled with.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_PLATFORM_COMPILER_H
#define TI_PLATFORM_COMPILER_H

/* Around the declarations of each internal header, after its includes. */
#if defined(__GNUC__)
#define TI_INTERNAL_BEGIN _Pragma("GCC visibility push(hidden)")
#define TI_INTERNAL_END _Pragma("GCC visibility pop")
#else
#define TI_INTERNAL_BEGIN
#define TI_INTERNAL_END
#endif

/* The struct of type T whose member m is at p. */
#define TI_CONTAINER(p, T, m) ((T *)(void *)(((char *)(p)) - offsetof(T, m)))

/* A variable of each thread's own, which is there from the thread's beginning: no allocation at its
** first use, so that also a signal handler may read it. In glibc that takes this model, and a few
** bytes of what it sets apart for libraries that are loaded at run time. */
#ifdef __GLIBC__
#define TI_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define TI_THREAD_LOCAL _Thread_local
#endif

/* For what runs in a signal handler: ThreadSanitizer's own code may be what was interrupted. */
#ifdef __SANITIZE_THREAD__
#define TI_IN_HANDLER __attribute__((no_sanitize("thread")))
#else
#define TI_IN_HANDLER
#endif

#endif
