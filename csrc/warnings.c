/*
** tidepool, floor 1: warnings, a queue of warnings for the state that shall give them out.
**
** SPDX-License-Identifier: MIT
*/
#include "warnings.h"

#include <string.h>

#include "mem.h"
#include "ref.h"

/* Bytes of warnings that nobody has taken yet: more than any script reads, less than hurts. */
#define LIMIT ((size_t)64 << 20)

struct warnings {
  struct ref ref;       /* A */
  struct sys_lock lock; /* a leaf */
  struct fifo queue;    /* L */
  size_t n, bytes;      /* L: in the queue */
  size_t left_out;      /* L: since somebody was told */
  bool closed;          /* L */
};

atomic_size_t tide_warnings_queued;

/* By n more, or fewer. */
static void count(size_t n) {
  atomic_fetch_add_explicit(&tide_warnings_queued, n, memory_order_relaxed);
}

struct warnings *tide_warnings_new(void) {
  struct warnings *w = (struct warnings *)tide_mem_zero(&tide_mem_default, sizeof *w);
  if (w == NULL) return NULL;
  if (tide_lock_init(&w->lock) != 0) {
    tide_mem_free(&tide_mem_default, w, sizeof *w);
    return NULL;
  }
  ref_init(&w->ref);
  fifo_init(&w->queue);
  return w;
}

struct warnings *tide_warnings_hold(struct warnings *w) {
  if (w != NULL) ref_hold(&w->ref);
  return w;
}

void tide_warnings_rele(struct warnings *w) {
  struct fifo_node *n;
  if (w == NULL || !ref_rele(&w->ref)) return;
  count((size_t)0 - w->n - (w->left_out > 0));
  while ((n = fifo_pop(&w->queue)) != NULL)
    tide_warning_free(TIDE_CONTAINER(n, struct warning, link));
  tide_lock_fini(&w->lock);
  tide_mem_free(&tide_mem_default, w, sizeof *w);
}

void tide_warning_free(struct warning *one) {
  if (one != NULL) tide_mem_free(&tide_mem_default, one, one->size);
}

bool tide_warnings_put(struct warnings *w, const char *text, size_t len) {
  size_t size = sizeof(struct warning) + len + 1;
  struct warning *one = (struct warning *)tide_mem_new(&tide_mem_default, size);
  bool closed, queued = false;
  if (one != NULL) {
    fifo_node_init(&one->link);
    one->size = size;
    memcpy(one->text, text, len);
    one->text[len] = '\0';
  }
  tide_lock_take(&w->lock);
  closed = w->closed;
  if (!closed && one != NULL && (w->n == 0 || w->bytes + size <= LIMIT)) {
    fifo_push(&w->queue, &one->link);
    w->n++;
    w->bytes += size;
    count(1);
    queued = true;
  } else if (!closed && w->left_out++ == 0) {
    count(1);
  }
  tide_lock_drop(&w->lock);
  if (!queued) tide_warning_free(one);
  return !closed;
}

void tide_warnings_close(struct warnings *w) {
  tide_lock_take(&w->lock);
  w->closed = true;
  tide_lock_drop(&w->lock);
}

struct warning *tide_warnings_take(struct warnings *w, size_t *queued, size_t *left_out) {
  struct warning *one = NULL;
  struct fifo_node *n;
  tide_lock_take(&w->lock);
  n = fifo_pop(&w->queue);
  if (n != NULL) {
    one = TIDE_CONTAINER(n, struct warning, link);
    w->n--;
    w->bytes -= one->size;
    count((size_t)-1);
  }
  *queued = w->n;
  *left_out = n == NULL ? w->left_out : 0; /* told behind those that came before them */
  if (*left_out > 0) {
    w->left_out = 0;
    count((size_t)-1);
  }
  tide_lock_drop(&w->lock);
  return one;
}
