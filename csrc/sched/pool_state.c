/*
** sched/pool_state: the fields of a pool, its invariants and its rules, for pool*.c alone.
**
** SPDX-License-Identifier: MIT
*/
#include "sched/pool_state.h"
#include "platform/cond.h"
#include "platform/mutex.h"

#include <assert.h>

#ifdef TI_CHECKS
void ti_pool_state_check_locked(const struct ti_pool *p) {
  assert(p->failed <= p->finished);
  assert(p->alive >= 0 && p->starting >= 0 && p->fresh >= 0 && p->idle >= 0);
  assert(p->blocked >= 0 && p->on_running >= 0);
  assert(p->running >= p->waiting + (size_t)(p->blocked + p->on_running));
  assert(p->leaving >= 0 && p->alive + p->starting <= p->cfg.max_threads);
  assert((size_t)(p->idle + p->fresh + p->leaving) + p->running - p->waiting ==
         (size_t)(p->alive + p->starting));
  assert(p->nagreed <= p->alive);
  assert(p->nasleep >= 0 && p->nasleep <= p->idle);
  assert(!ti_pool_state_needs_wake_locked(p));
  assert(p->queue.count == 0 || p->alive > 0 || (p->starting > 0 && p->queue.count == 1));
  assert(p->state != POOL_BROKEN || p->queue.count == 0);
  assert((size_t)(p->alive + p->starting) <= p->threads);
}
#endif

bool ti_pool_state_short_locked(const struct ti_pool *p) {
  return p->queue.count > (size_t)(p->idle + p->fresh);
}

bool ti_pool_state_needs_wake_locked(const struct ti_pool *p) {
  return p->nasleep > 0 && p->queue.count > 0 && p->idle == p->nasleep;
}

/* All of `present` threads wait for running tasks, which may be those of blocked threads. Without
** blocked threads one of these tasks has just ended, and its waiter is about to wake up. */
static bool all_on_running_locked(const struct ti_pool *p, int present) {
  return p->blocked > 0 && p->on_running > 0 && present <= p->on_running;
}

bool ti_pool_state_over_limit_locked(const struct ti_pool *p) {
  int present = p->alive - p->blocked - p->leaving;
  return present > p->cfg.max_workers && !all_on_running_locked(p, present - 1);
}

bool ti_pool_state_served_locked(const struct ti_pool *p) {
  return p->queue.count == 0 || p->alive - p->blocked > p->on_running ||
         (p->blocked == 0 && p->alive > 0);
}

bool ti_pool_state_needs_thread_locked(const struct ti_pool *p) {
  int all = p->alive + p->starting, present = all - p->blocked;
  return ti_pool_state_short_locked(p) && all < p->cfg.max_threads &&
         (present < p->cfg.max_workers || all_on_running_locked(p, present));
}

bool ti_pool_state_held_locked(const struct ti_pool *p) {
  return p->runner.held != NULL && p->runner.held(p->ud);
}

bool ti_pool_state_unservable_locked(const struct ti_pool *p) {
  return !ti_pool_state_served_locked(p) && p->alive + p->starting >= p->cfg.max_threads;
}

void ti_pool_state_turn_locked(struct ti_pool *p) {
  p->turn++;
  p->nagreed = 0;
}

void ti_pool_state_recount_locked(struct ti_pool *p) {
  bool at_max_threads = p->alive + p->starting >= p->cfg.max_threads;
  if (atomic_load_explicit(&p->at_max_threads, memory_order_relaxed) != at_max_threads)
    atomic_store_explicit(&p->at_max_threads, at_max_threads, memory_order_relaxed);
}

/* Tasks that free or future threads will take at once do not count as waiting: the result must not
** depend on how quick these are. Running tasks do not count either, even if there are more than
** max_workers. */
bool ti_pool_state_full_locked(const struct ti_pool *p) {
  size_t places = (size_t)p->cfg.max_workers, busy = p->running - p->waiting - (size_t)p->blocked;
  size_t unused = busy < places ? places - busy : 0;
  return p->cfg.max_queue > 0 && p->queue.count >= unused &&
         p->queue.count - unused >= p->cfg.max_queue;
}

bool ti_pool_state_ended_locked(const struct ti_pool *p) {
  return p->state != POOL_OPEN && p->threads == 0 && p->deliveries == 0;
}

void ti_pool_state_signal_not_full_locked(struct ti_pool *p) {
  if (p->waiting_submitters > 0) ti_cond_signal(&p->not_full);
}

struct ti_pool_thread *ti_pool_state_last_asleep_locked(struct ti_pool *p) {
  struct ti_pool_thread *s = TI_CONTAINER(p->asleep.head.prev, struct ti_pool_thread, link);
  ti_list_remove(&s->link);
  p->nasleep--;
  s->woken = true;
  return s;
}

struct ti_pool_thread *ti_pool_state_pick_locked(struct ti_pool *p) {
  return ti_pool_state_needs_wake_locked(p) ? ti_pool_state_last_asleep_locked(p) : NULL;
}

void ti_pool_state_notify(struct ti_pool_thread *s) {
  if (s != NULL) ti_cond_signal(&s->wake);
}

void ti_pool_state_wake_all_locked(struct ti_pool *p) {
  while (!ti_list_empty(&p->asleep)) ti_pool_state_notify(ti_pool_state_last_asleep_locked(p));
}

void ti_pool_state_advance_wake_sequence(struct ti_pool *p) {
  /* relaxed: a hint; the lock orders the rest */
  atomic_fetch_add_explicit(&p->wake_sequence, 1, memory_order_relaxed);
}

void ti_pool_state_count_locked(struct ti_pool *p, enum ti_pool_block how, int by) {
  if (how == BLOCK_OUTSIDE) p->blocked += by;
  if (how == BLOCK_ON_RUNNING) p->on_running += by;
  ti_pool_state_turn_locked(p);
}

void ti_pool_state_delivery_done(struct ti_pool *p) {
  ti_mutex_lock(&p->lock);
  p->deliveries--;
  ti_pool_state_turn_locked(p);
  if (ti_pool_state_ended_locked(p)) ti_cond_broadcast(&p->all_ended);
  ti_mutex_unlock(&p->lock);
}
