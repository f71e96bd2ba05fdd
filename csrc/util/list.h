/*
** util/list: an intrusive doubly linked list.
**
** A node is in one list at most; an idle node links to nothing. No locks: the owner of the list
** guards it.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_UTIL_LIST_H
#define TI_UTIL_LIST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

struct ti_list_node {
  struct ti_list_node *next, *prev; /* both NULL while in no list */
};

struct ti_list {
  struct ti_list_node head; /* a ring through the list itself */
};

static inline void ti_list_init(struct ti_list *f) { f->head.next = f->head.prev = &f->head; }
static inline bool ti_list_empty(const struct ti_list *f) { return f->head.next == &f->head; }
static inline void ti_list_node_init(struct ti_list_node *n) { n->next = n->prev = NULL; }
static inline bool ti_list_linked(const struct ti_list_node *n) { return n->next != NULL; }

static inline void ti_list_push(struct ti_list *f, struct ti_list_node *n) {
  assert(!ti_list_linked(n));
  n->next = &f->head;
  n->prev = f->head.prev;
  f->head.prev->next = n;
  f->head.prev = n;
}

static inline void ti_list_push_front(struct ti_list *f, struct ti_list_node *n) {
  assert(!ti_list_linked(n));
  n->prev = &f->head;
  n->next = f->head.next;
  f->head.next->prev = n;
  f->head.next = n;
}

static inline void ti_list_remove(struct ti_list_node *n) {
  assert(ti_list_linked(n));
  n->prev->next = n->next;
  n->next->prev = n->prev;
  n->next = n->prev = NULL;
}

/* Returns the oldest node, which stays in the list, or NULL. */
static inline struct ti_list_node *ti_list_peek(const struct ti_list *f) {
  return ti_list_empty(f) ? NULL : f->head.next;
}

static inline struct ti_list_node *ti_list_pop(struct ti_list *f) {
  struct ti_list_node *n = ti_list_peek(f);
  if (n != NULL) ti_list_remove(n);
  return n;
}

/* Moves all nodes of `from` to the end of `to`, in order. */
static inline void ti_list_splice(struct ti_list *to, struct ti_list *from) {
  if (ti_list_empty(from)) return;
  from->head.next->prev = to->head.prev;
  to->head.prev->next = from->head.next;
  from->head.prev->next = &to->head;
  to->head.prev = from->head.prev;
  ti_list_init(from);
}

TI_INTERNAL_END

#endif
