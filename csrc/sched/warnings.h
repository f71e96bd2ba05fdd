/*
** sched/warnings: a queue of warnings for the state that gives them out.
**
** Only a state's own thread may call its warn function, and Lua does not tell which function that
** is or whether warnings are on. Workers therefore queue their warnings for the state that adopted
** their executor. It gives them out in the order in which they came, whenever it waits or checks,
** and when it closes. A full queue never blocks a worker: beyond a limit of bytes, warnings are
** counted instead.
**
** Locks: one, a leaf, held for a few instructions; only the allocator is called under it.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_SCHED_WARNINGS_H
#define TI_SCHED_WARNINGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/list.h"
#include "platform/compiler.h"

TI_INTERNAL_BEGIN

struct ti_warning {
  struct ti_list_node link; /* lock, while it is queued */
  size_t size;              /* of the block */
  char text[];              /* a line, without its end */
};

struct ti_warnings;

/* Makes a queue. Returns NULL if out of memory. The caller owns one reference. */
struct ti_warnings *ti_warnings_new(void);
struct ti_warnings *ti_warnings_hold(struct ti_warnings *w);
/* Releases a reference; NULL is legal. */
void ti_warnings_release(struct ti_warnings *w);

/* Queues a copy of `len` bytes. Returns false if the queue is closed: the caller then reports the
** warning otherwise. Any thread; never waits for the taker. */
bool ti_warnings_put(struct ti_warnings *w, const char *text, size_t len);
/* Closes the queue: nothing is queued from now on. */
void ti_warnings_close(struct ti_warnings *w);
/* Takes the oldest warning, which the caller frees; NULL if there is none. Stores how many are
** queued behind it, and how many were left out and not reported yet. */
struct ti_warning *ti_warnings_take(struct ti_warnings *w, size_t *queued, size_t *left_out);
void ti_warnings_free(struct ti_warning *one);

/* Returns whether any queue of the process may have something, by one load. A thread that sees what
** another one did after it put a warning also sees that. */
extern atomic_size_t ti_warnings_queued; /* A, relaxed: see ti_warnings_any */
static inline bool ti_warnings_any(void) {
  return atomic_load_explicit(&ti_warnings_queued, memory_order_relaxed) != 0;
}

TI_INTERNAL_END

#endif
