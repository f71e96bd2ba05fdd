/*
** tidepool, floor 1: warnings, a queue of warnings for the state that shall give them out.
**
** Only a state's own thread may call its warn function, and Lua does not tell which function that is, or whether
** warnings are on. So workers put theirs into the queue of the state that adopted their executor, which
** gives them out, in the order in which they came, whenever it waits or asks, and when it closes. Nobody waits
** for room in the queue: from a limit of bytes on, warnings are counted instead.
**
** One lock, a leaf: it is held for a few instructions, and nothing is called but the allocator.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_WARNINGS_H
#define TIDE_WARNINGS_H

#include "fifo.h"
#include "sys.h"

TIDE_INTERNAL_BEGIN

struct warning {
  struct fifo_node link; /* lock, while it is queued */
  size_t size;           /* of the block */
  char text[];           /* a line without its end */
};

struct warnings;

/* NULL: out of memory. The caller owns one reference. */
struct warnings *tide_warnings_new(void);
struct warnings *tide_warnings_hold(struct warnings *w);
void tide_warnings_rele(struct warnings *w); /* NULL is legal */

/* Queues a copy of `len` bytes; false: the queue is closed, and the caller is to tell otherwise. Any thread;
** never waits for the taker. */
bool tide_warnings_put(struct warnings *w, const char *text, size_t len);
/* From now on nothing is queued. */
void tide_warnings_close(struct warnings *w);
/* The oldest one, the caller's to free; NULL: there is none. How many are queued behind it, and how many had to be
** left out so far, counted once. */
struct warning *tide_warnings_take(struct warnings *w, size_t *queued, size_t *left_out);
void tide_warning_free(struct warning *one);

/* Whether any queue of the process may have something: one load. Who sees what a thread did after it put a warning also
** sees that. */
extern atomic_size_t tide_warnings_queued; /* A: relaxed; what orders it is said there */
static inline bool tide_warnings_any(void) {
  return atomic_load_explicit(&tide_warnings_queued, memory_order_relaxed) != 0;
}

TIDE_INTERNAL_END

#endif
