/*
** tidepool, floor 0: fifo, an intrusive doubly linked list.
**
** A node is in one list at most; an idle node links to nothing. No locks: the
** owner of the list guards it.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_FIFO_H
#define TIDE_FIFO_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "internal.h"

TIDE_INTERNAL_BEGIN

struct fifo_node {
  struct fifo_node *next, *prev; /* both NULL while in no list */
};

struct fifo {
  struct fifo_node head; /* a ring through the list itself */
};

static inline void fifo_init(struct fifo *f) { f->head.next = f->head.prev = &f->head; }
static inline bool fifo_empty(const struct fifo *f) { return f->head.next == &f->head; }
static inline void fifo_node_init(struct fifo_node *n) { n->next = n->prev = NULL; }
static inline bool fifo_linked(const struct fifo_node *n) { return n->next != NULL; }

static inline void fifo_push(struct fifo *f, struct fifo_node *n) {
  assert(!fifo_linked(n));
  n->next = &f->head;
  n->prev = f->head.prev;
  f->head.prev->next = n;
  f->head.prev = n;
}

static inline void fifo_pushfront(struct fifo *f, struct fifo_node *n) {
  assert(!fifo_linked(n));
  n->prev = &f->head;
  n->next = f->head.next;
  f->head.next->prev = n;
  f->head.next = n;
}

static inline void fifo_remove(struct fifo_node *n) {
  assert(fifo_linked(n));
  n->prev->next = n->next;
  n->next->prev = n->prev;
  n->next = n->prev = NULL;
}

/* The oldest node, or NULL; it stays in the list. */
static inline struct fifo_node *fifo_peek(const struct fifo *f) {
  return fifo_empty(f) ? NULL : f->head.next;
}

static inline struct fifo_node *fifo_pop(struct fifo *f) {
  struct fifo_node *n = fifo_peek(f);
  if (n != NULL) fifo_remove(n);
  return n;
}

/* Moves all of `from` to the end of `to`, in order. */
static inline void fifo_splice(struct fifo *to, struct fifo *from) {
  if (fifo_empty(from)) return;
  from->head.next->prev = to->head.prev;
  to->head.prev->next = from->head.next;
  from->head.prev->next = &to->head;
  to->head.prev = from->head.prev;
  fifo_init(from);
}

TIDE_INTERNAL_END

#endif
