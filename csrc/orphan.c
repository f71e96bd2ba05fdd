/*
** tidepool, floor 3: orphan, executors whose owner, a worker's state, closed before they ended.
**
** SPDX-License-Identifier: MIT
*/
#include "orphan.h"

tide_executor *tide_orphan_next(tide_executor *ex, size_t *last) {
  tide_executor *o;
  tide_lock_take(&ex->lock);
  for (o = ex->orphans; o != NULL && o->orphan_number <= *last;) o = o->orphan_next;
  if (o != NULL) {
    tide_pool_hold(o->pool);
    *last = o->orphan_number;
  }
  tide_lock_drop(&ex->lock);
  return o;
}

/* o has ended, and leaves the list unless somebody else saw to it. */
static void let_go(tide_executor *ex, tide_executor *o) {
  tide_executor **p;
  bool mine;
  tide_lock_take(&ex->lock);
  for (p = &ex->orphans; *p != NULL && *p != o;) p = &(*p)->orphan_next;
  mine = *p != NULL;
  if (mine) *p = o->orphan_next;
  tide_lock_drop(&ex->lock);
  if (mine) tide_pool_rele(o->pool);
}

/* Whether the calling thread is a worker of one of ex's orphans, or of theirs. */
static bool works_for_orphan(tide_executor *ex) {
  tide_executor *o;
  size_t last = 0;
  bool works = false;
  while (!works && (o = tide_orphan_next(ex, &last)) != NULL) {
    works = tide_pool_is_worker(o->pool) || works_for_orphan(o);
    tide_pool_rele(o->pool);
  }
  return works;
}

static int wait_for_orphans(tide_executor *ex, sys_time deadline) {
  tide_executor *o;
  int fault = FAULT_NONE;
  size_t last = 0;
  while ((o = tide_orphan_next(ex, &last)) != NULL) {
    int one = tide_orphan_wait(o, deadline);
    if (one == FAULT_NONE)
      let_go(ex, o);
    else if (fault != FAULT_DEADLOCK)
      fault = one;
    tide_pool_rele(o->pool);
  }
  return fault;
}

int tide_orphan_wait(tide_executor *ex, sys_time deadline) {
  if (tide_pool_is_worker(ex->pool) || works_for_orphan(ex)) return FAULT_DEADLOCK;
  if (!tide_pool_wait(ex->pool, deadline)) return FAULT_TIMEOUT;
  if (works_for_orphan(ex))
    return FAULT_DEADLOCK; /* one that came meanwhile; now the list is final */
  return wait_for_orphans(ex, deadline);
}

void tide_orphan_trim(tide_executor *ex) { (void)wait_for_orphans(ex, 0); }

void tide_orphan_give(tide_executor *to, tide_executor *ex) {
  tide_executor **p;
  int flags;
  tide_orphan_trim(to);
  tide_pool_hold(ex->pool); /* the caller's is the list's from now on, and may go with it */
  tide_lock_take(&to->lock);
  ex->orphan_number = ++to->norphans;
  ex->orphan_next = NULL;
  for (p = &to->orphans; *p != NULL;) p = &(*p)->orphan_next;
  *p = ex;
  flags = to->closed;
  tide_lock_drop(&to->lock);
  /* Who closed it with them before saw no orphan; who does so now finds this one. */
  if (flags != 0) tide_executor_close(ex, flags);
  tide_pool_rele(ex->pool);
}

void tide_orphan_close(tide_executor *ex, int flags) {
  tide_executor *o;
  size_t last = 0;
  while ((o = tide_orphan_next(ex, &last)) != NULL) {
    tide_executor_close(o, flags);
    tide_pool_rele(o->pool);
  }
}
