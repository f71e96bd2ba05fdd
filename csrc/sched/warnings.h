/*
** sched/warnings: a queue of warnings for the state that shall give them out.
**
** Only a state's own thread may call its warn function, and Lua does not tell which function that
** is, or whether warnings are on. So workers put theirs into the queue of the state that adopted
** their executor, which gives them out, in the order in which they came, whenever it waits or asks,
** and when it closes. Nobody waits for room in the queue: from a limit of bytes on, warnings are
** counted instead.
**
** One lock, a leaf: it is held for a few instructions, and nothing is called but the allocator.
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
  char text[];              /* a line without its end */
};

struct ti_warnings;

/* NULL: out of memory. The caller owns one reference. */
struct ti_warnings *ti_warnings_new(void);
struct ti_warnings *ti_warnings_hold(struct ti_warnings *w);
void ti_warnings_release(struct ti_warnings *w); /* NULL is legal */

/* Queues a copy of `len` bytes; false: the queue is closed, and the caller is to tell otherwise.
** Any thread; never waits for the taker. */
bool ti_warnings_put(struct ti_warnings *w, const char *text, size_t len);
/* From now on nothing is queued. */
void ti_warnings_close(struct ti_warnings *w);
/* The oldest one, the caller's to free; NULL: there is none. How many are queued behind it, and how
** many had to be left out so far, counted once. */
struct ti_warning *ti_warnings_take(struct ti_warnings *w, size_t *queued, size_t *left_out);
void ti_warnings_free(struct ti_warning *one);

/* Whether any queue of the process may have something: one load. Who sees what a thread did after
** it put a warning also sees that. */
extern atomic_size_t ti_warnings_queued; /* A: relaxed; what orders it is said there */
static inline bool ti_warnings_any(void) {
  return atomic_load_explicit(&ti_warnings_queued, memory_order_relaxed) != 0;
}

TI_INTERNAL_END

#endif
