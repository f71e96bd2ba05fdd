/*
** sched/pool_block: a pool's threads whose tasks wait.
**
** pool_state.h has the invariants, the rules and the lock.
**
** SPDX-License-Identifier: MIT
*/
#include "sched/pool_block.h"

#include <errno.h>

#include "sched/pool_state.h"
#include "sched/pool_threads.h"
#include "platform/mutex.h"

int ti_pool_block_begin(struct ti_pool *p, const struct ti_task *t, enum ti_pool_block *how) {
  struct ti_pool_thread *sleeper;
  int err = 0;
  ti_mutex_lock(&p->lock);
  *how =
      t != NULL && t->home == &p->home && t->place == TASK_TAKEN ? BLOCK_ON_RUNNING : BLOCK_OUTSIDE;
  ti_pool_state_count_locked(p, *how, 1);
  if (ti_pool_state_needs_thread_locked(p)) err = ti_pool_threads_start_locked(p);
  if (ti_pool_state_served_locked(p)) err = 0; /* existing threads will serve it */
  if (err != 0) {
    ti_pool_state_count_locked(p, *how, -1);
    *how = BLOCK_NONE;
  }
  ti_pool_state_signal_not_full_locked(p);
  sleeper = ti_pool_state_pick_locked(p);
  ti_pool_state_check_locked(p);
  ti_mutex_unlock(&p->lock);
  ti_pool_state_notify(sleeper);
  return err == 0 ? TIDE_OK : err == ENOMEM ? TIDE_ENOMEM : TIDE_ETHREAD;
}

void ti_pool_block_end(struct ti_pool *p, enum ti_pool_block how) {
  struct ti_pool_thread *over_limit = NULL;
  if (how == BLOCK_NONE) return;
  ti_mutex_lock(&p->lock);
  ti_pool_state_count_locked(p, how, -1);
  /* One thread is over the limit now. If an idle one sleeps, it is woken to end; awake ones check
  ** this themselves. */
  if (ti_pool_state_over_limit_locked(p) && !ti_list_empty(&p->asleep))
    over_limit = ti_pool_state_last_asleep_locked(p);
  ti_pool_state_check_locked(p);
  ti_mutex_unlock(&p->lock);
  ti_pool_state_notify(over_limit);
}

bool ti_pool_block_at_max_threads(const struct ti_pool *p) {
  return atomic_load_explicit(&p->at_max_threads, memory_order_relaxed);
}

/* That one thread's wait is not over says nothing about the others, and may be out of date. Each
** thread therefore reads the turn, checks its wait, and agrees only if the turn is still the same.
** Any task that begins or ends to wait begins another turn. So if all threads agree on one turn,
** none has done anything since it began, and each has seen what ended before. Notifications by
** other threads are counted in `deliveries`. */
bool ti_pool_block_agree(struct ti_pool *p, struct ti_stop_token *self) {
  struct ti_pool_thread *s = TI_CONTAINER(self, struct ti_nested_worker, stop)->thread;
  bool all;
  ti_mutex_lock(&p->lock);
  all = ti_pool_state_unservable_locked(p) && p->deliveries == 0;
  if (all) {
    if (s->seen == p->turn && s->agreed != p->turn) {
      s->agreed = p->turn;
      p->nagreed++;
    }
    s->seen = p->turn;
    all = p->nagreed == p->alive && p->starting == 0;
  }
  ti_mutex_unlock(&p->lock);
  return all;
}
