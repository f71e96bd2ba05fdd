/*
** sched/warnings: a queue of warnings for the state that gives them out.
**
** SPDX-License-Identifier: MIT
*/
#include "sched/warnings.h"

#include <string.h>

#include "util/alloc.h"
#include "util/refcount.h"
#include "platform/mutex.h"

/* Bytes of warnings that a queue holds: more than any script reads. */
#define LIMIT ((size_t)64 << 20)

struct ti_warnings {
  struct ti_refcount ref; /* A */
  struct ti_mutex lock;   /* a leaf */
  struct ti_list queue;   /* L */
  size_t n, bytes;        /* L: in the queue */
  size_t left_out;        /* L: not reported yet */
  bool closed;            /* L */
};

atomic_size_t ti_warnings_queued;

/* Adds n, which may be negative as an unsigned number. */
static void count(size_t n) {
  atomic_fetch_add_explicit(&ti_warnings_queued, n, memory_order_relaxed);
}

struct ti_warnings *ti_warnings_new(void) {
  struct ti_warnings *w = (struct ti_warnings *)ti_alloc_zero(&ti_alloc_default, sizeof *w);
  if (w == NULL) return NULL;
  if (ti_mutex_init(&w->lock) != 0) {
    ti_alloc_free(&ti_alloc_default, w, sizeof *w);
    return NULL;
  }
  ti_refcount_init(&w->ref);
  ti_list_init(&w->queue);
  return w;
}

struct ti_warnings *ti_warnings_hold(struct ti_warnings *w) {
  if (w != NULL) ti_refcount_hold(&w->ref);
  return w;
}

void ti_warnings_release(struct ti_warnings *w) {
  struct ti_list_node *n;
  if (w == NULL || !ti_refcount_release(&w->ref)) return;
  count((size_t)0 - w->n - (w->left_out > 0));
  while ((n = ti_list_pop(&w->queue)) != NULL)
    ti_warnings_free(TI_CONTAINER(n, struct ti_warning, link));
  ti_mutex_fini(&w->lock);
  ti_alloc_free(&ti_alloc_default, w, sizeof *w);
}

void ti_warnings_free(struct ti_warning *one) {
  if (one != NULL) ti_alloc_free(&ti_alloc_default, one, one->size);
}

bool ti_warnings_put(struct ti_warnings *w, const char *text, size_t len) {
  size_t size = sizeof(struct ti_warning) + len + 1;
  struct ti_warning *one = (struct ti_warning *)ti_alloc_new(&ti_alloc_default, size);
  bool closed, queued = false;
  if (one != NULL) {
    ti_list_node_init(&one->link);
    one->size = size;
    memcpy(one->text, text, len);
    one->text[len] = '\0';
  }
  ti_mutex_lock(&w->lock);
  closed = w->closed;
  if (!closed && one != NULL && (w->n == 0 || w->bytes + size <= LIMIT)) {
    ti_list_push(&w->queue, &one->link);
    w->n++;
    w->bytes += size;
    count(1);
    queued = true;
  } else if (!closed && w->left_out++ == 0) {
    count(1);
  }
  ti_mutex_unlock(&w->lock);
  if (!queued) ti_warnings_free(one);
  return !closed;
}

void ti_warnings_close(struct ti_warnings *w) {
  ti_mutex_lock(&w->lock);
  w->closed = true;
  ti_mutex_unlock(&w->lock);
}

struct ti_warning *ti_warnings_take(struct ti_warnings *w, size_t *queued, size_t *left_out) {
  struct ti_warning *one = NULL;
  struct ti_list_node *n;
  ti_mutex_lock(&w->lock);
  n = ti_list_pop(&w->queue);
  if (n != NULL) {
    one = TI_CONTAINER(n, struct ti_warning, link);
    w->n--;
    w->bytes -= one->size;
    count((size_t)-1);
  }
  *queued = w->n;
  *left_out = n == NULL ? w->left_out : 0; /* reported behind the warnings that came before */
  if (*left_out > 0) {
    w->left_out = 0;
    count((size_t)-1);
  }
  ti_mutex_unlock(&w->lock);
  return one;
}
