/*
** api/child_executor: executors whose owner, a worker's state, closed before they ended.
**
** SPDX-License-Identifier: MIT
*/
#include "api/child_executor.h"
#include "platform/clock.h"
#include "platform/mutex.h"

tide_executor *ti_child_executor_next(tide_executor *ex, size_t *last) {
  tide_executor *o;
  ti_mutex_lock(&ex->lock);
  for (o = ex->orphans; o != NULL && o->orphan_number <= *last;) o = o->orphan_next;
  if (o != NULL) {
    ti_pool_hold(o->pool);
    *last = o->orphan_number;
  }
  ti_mutex_unlock(&ex->lock);
  return o;
}

/* o has ended, and leaves the list unless somebody else saw to it. */
static void let_go(tide_executor *ex, tide_executor *o) {
  tide_executor **p;
  bool mine;
  ti_mutex_lock(&ex->lock);
  for (p = &ex->orphans; *p != NULL && *p != o;) p = &(*p)->orphan_next;
  mine = *p != NULL;
  if (mine) *p = o->orphan_next;
  ti_mutex_unlock(&ex->lock);
  if (mine) ti_pool_release(o->pool);
}

/* Whether the calling thread is a worker of one of ex's orphans, or of theirs. */
static bool works_for_orphan(tide_executor *ex) {
  tide_executor *o;
  size_t last = 0;
  bool works = false;
  while (!works && (o = ti_child_executor_next(ex, &last)) != NULL) {
    works = ti_pool_threads_is_worker(o->pool) || works_for_orphan(o);
    ti_pool_release(o->pool);
  }
  return works;
}

static int wait_for_orphans(tide_executor *ex, ti_time deadline) {
  tide_executor *o;
  int code = TIDE_OK;
  size_t last = 0;
  while ((o = ti_child_executor_next(ex, &last)) != NULL) {
    int one = ti_child_executor_wait(o, deadline);
    if (one == TIDE_OK)
      let_go(ex, o);
    else if (code != TIDE_EDEADLOCK)
      code = one;
    ti_pool_release(o->pool);
  }
  return code;
}

int ti_child_executor_wait(tide_executor *ex, ti_time deadline) {
  if (ti_pool_threads_is_worker(ex->pool) || works_for_orphan(ex)) return TIDE_EDEADLOCK;
  if (!ti_pool_wait(ex->pool, deadline)) return TIDE_ETIMEOUT;
  if (works_for_orphan(ex))
    return TIDE_EDEADLOCK; /* one that came meanwhile; now the list is final */
  return wait_for_orphans(ex, deadline);
}

void ti_child_executor_trim(tide_executor *ex) { (void)wait_for_orphans(ex, 0); }

void ti_child_executor_give(tide_executor *to, tide_executor *ex) {
  tide_executor **p;
  int flags;
  ti_child_executor_trim(to);
  ti_pool_hold(ex->pool); /* the caller's is the list's from now on, and may go with it */
  ti_mutex_lock(&to->lock);
  ex->orphan_number = ++to->norphans;
  ex->orphan_next = NULL;
  for (p = &to->orphans; *p != NULL;) p = &(*p)->orphan_next;
  *p = ex;
  flags = to->closed;
  ti_mutex_unlock(&to->lock);
  /* Who closed it with them before saw no orphan; who does so now finds this one. */
  if (flags != 0) ti_executor_close(ex, flags);
  ti_pool_release(ex->pool);
}

void ti_child_executor_close(tide_executor *ex, int flags) {
  tide_executor *o;
  size_t last = 0;
  while ((o = ti_child_executor_next(ex, &last)) != NULL) {
    ti_executor_close(o, flags);
    ti_pool_release(o->pool);
  }
}
