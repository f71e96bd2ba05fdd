/*
** api/executor_tree: closing and awaiting an executor together with its child executors.
**
** SPDX-License-Identifier: MIT
*/
#include "api/executor_tree.h"

#include "sched/pool_cancel.h"
#include "sched/pool_threads.h"

tide_executor *ti_executor_tree_next(tide_executor *ex, size_t *last) {
  tide_executor *child;
  ti_mutex_lock(&ex->lock);
  for (child = ex->children; child != NULL && child->number <= *last;) child = child->next_child;
  if (child != NULL) {
    ti_pool_hold(child->pool);
    *last = child->number;
  }
  ti_mutex_unlock(&ex->lock);
  return child;
}

/* The child has ended: takes it off the list, unless another thread did so before. */
static void release_child(tide_executor *ex, tide_executor *child) {
  tide_executor **p;
  bool found;
  ti_mutex_lock(&ex->lock);
  for (p = &ex->children; *p != NULL && *p != child;) p = &(*p)->next_child;
  found = *p != NULL;
  if (found) *p = child->next_child;
  ti_mutex_unlock(&ex->lock);
  if (found) ti_pool_release(child->pool);
}

/* Returns whether the calling thread is a worker of a child of ex, or of a child's child. */
static bool is_worker_of_child(tide_executor *ex) {
  tide_executor *child;
  size_t last = 0;
  bool found = false;
  while (!found && (child = ti_executor_tree_next(ex, &last)) != NULL) {
    found = ti_pool_threads_is_worker(child->pool) || is_worker_of_child(child);
    ti_pool_release(child->pool);
  }
  return found;
}

static int wait_for_children(tide_executor *ex, ti_time deadline) {
  tide_executor *child;
  int code = TIDE_OK;
  size_t last = 0;
  while ((child = ti_executor_tree_next(ex, &last)) != NULL) {
    int one = ti_executor_tree_wait(child, deadline);
    if (one == TIDE_OK)
      release_child(ex, child);
    else if (code != TIDE_EDEADLOCK)
      code = one;
    ti_pool_release(child->pool);
  }
  return code;
}

int ti_executor_tree_wait(tide_executor *ex, ti_time deadline) {
  if (ti_pool_threads_is_worker(ex->pool) || is_worker_of_child(ex)) return TIDE_EDEADLOCK;
  if (!ti_pool_wait(ex->pool, deadline)) return TIDE_ETIMEOUT;
  /* Children may have come meanwhile. Without workers of ex none comes any more. */
  if (is_worker_of_child(ex)) return TIDE_EDEADLOCK;
  return wait_for_children(ex, deadline);
}

void ti_executor_tree_trim(tide_executor *ex) { (void)wait_for_children(ex, 0); }

void ti_executor_tree_close(tide_executor *ex, int flags) {
  tide_executor *child;
  size_t last = 0;
  bool interrupt = (flags & TIDE_SHUTDOWN_INTERRUPT) != 0;
  ti_mutex_lock(&ex->lock);
  ex->close_flags |= flags;
  ti_mutex_unlock(&ex->lock);
  ti_pool_close(ex->pool, interrupt || (flags & TIDE_SHUTDOWN_CANCEL) != 0);
  if (interrupt) ti_pool_cancel_interrupt_all(ex->pool);
  while ((child = ti_executor_tree_next(ex, &last)) != NULL) {
    ti_executor_tree_close(child, flags);
    ti_pool_release(child->pool);
  }
}

void ti_executor_tree_add(tide_executor *parent, tide_executor *child) {
  tide_executor **p;
  int flags;
  ti_executor_tree_trim(parent);
  /* The caller's reference becomes the list's, and another thread may release it from there. */
  ti_pool_hold(child->pool);
  ti_mutex_lock(&parent->lock);
  child->number = ++parent->numbered;
  child->next_child = NULL;
  for (p = &parent->children; *p != NULL;) p = &(*p)->next_child;
  *p = child;
  flags = parent->close_flags;
  ti_mutex_unlock(&parent->lock);
  /* A thread that set these flags before did not find this child; one that does so later will. */
  if (flags != 0) ti_executor_tree_close(child, flags);
  ti_pool_release(child->pool);
}
