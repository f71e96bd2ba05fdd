/*
** asan_fork.c: lets programs with AddressSanitizer fork while threads run; linked into each of
** them.
**
** The C library takes its allocator's locks before a fork, so that they are free in the child. This
** sanitizer's allocator does not: a thread that was in it holds its lock in the child for ever, and
** the child's next malloc never returns. Here fork waits until no thread is in the allocator.
**
** SPDX-License-Identifier: MIT
*/
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

/* The names are the sanitizer's. NOLINTBEGIN(bugprone-reserved-identifier) */
void *__interceptor_malloc(size_t size);
void *__interceptor_calloc(size_t count, size_t size);
void *__interceptor_realloc(void *block, size_t size);
void __interceptor_free(void *block);
/* NOLINTEND(bugprone-reserved-identifier) */

/* Held by each thread while it is in the allocator, by one that forks against all of them. */
static pthread_rwlock_t allocator = PTHREAD_RWLOCK_INITIALIZER;

static void before_fork(void) { pthread_rwlock_wrlock(&allocator); }
static void in_parent(void) { pthread_rwlock_unlock(&allocator); }
/* Anew, since the lock knows its owner by a thread's number, which is another one here. */
static void in_child(void) { pthread_rwlock_init(&allocator, NULL); }

/* Before whatever else is registered, thus taken last and given back first: the others may
** allocate. */
__attribute__((constructor)) static void watch_forks(void) {
  if (pthread_atfork(before_fork, in_parent, in_child) != 0) abort();
}

void *malloc(size_t size) {
  void *made;
  pthread_rwlock_rdlock(&allocator);
  made = __interceptor_malloc(size);
  pthread_rwlock_unlock(&allocator);
  return made;
}

void *calloc(size_t count, size_t size) {
  void *made;
  pthread_rwlock_rdlock(&allocator);
  made = __interceptor_calloc(count, size);
  pthread_rwlock_unlock(&allocator);
  return made;
}

void *realloc(void *block, size_t size) {
  void *made;
  pthread_rwlock_rdlock(&allocator);
  made = __interceptor_realloc(block, size);
  pthread_rwlock_unlock(&allocator);
  return made;
}

void free(void *block) {
  pthread_rwlock_rdlock(&allocator);
  __interceptor_free(block);
  pthread_rwlock_unlock(&allocator);
}
