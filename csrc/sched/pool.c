/*
** sched/pool: a queue of tasks and the threads that serve it.
**
** This file has what callers do: make, submit, close, wait. pool_state.h has the invariants, the
** rules and the lock.
**
** SPDX-License-Identifier: MIT
*/
#include "sched/pool.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "sched/pool_state.h"
#include "sched/pool_threads.h"
#include "platform/byte_lock.h"
#include "platform/child_mask.h"
#include "platform/clock.h"
#include "platform/cond.h"
#include "platform/mutex.h"
#include "platform/signal.h"

/* ------------------------------------------------------------- lifetime -- */

static int init_sync(struct ti_pool *p) {
  int err = ti_mutex_init(&p->lock);
  if (err != 0) return err;
  if ((err = ti_cond_init(&p->not_full)) != 0) goto no_not_full;
  if ((err = ti_cond_init(&p->settled)) != 0) goto no_settled;
  if ((err = ti_cond_init(&p->all_ended)) != 0) goto no_all_ended;
  if ((err = ti_watchdog_init(&p->watchdog)) != 0) goto no_watchdog;
  return 0;
no_watchdog:
  ti_cond_fini(&p->all_ended);
no_all_ended:
  ti_cond_fini(&p->settled);
no_settled:
  ti_cond_fini(&p->not_full);
no_not_full:
  ti_mutex_fini(&p->lock);
  return err;
}

#define BLOCK_SIZE (sizeof(struct ti_pool) + POOL_LINE)

static void free_pool(struct ti_pool *p) {
  const struct ti_alloc *mem = p->mem;
  void (*dispose)(void *) = p->runner.dispose;
  void *ud = p->ud;
  struct ti_list_node *n;
  assert(p->threads == 0 && p->deliveries == 0);
  while ((n = ti_list_pop(&p->free)) != NULL) {
    struct ti_pool_thread *s = TI_CONTAINER(n, struct ti_pool_thread, link);
    ti_cond_fini(&s->wake);
    ti_alloc_free(mem, s, sizeof *s);
  }
  ti_slab_fini(&p->tasks);
  ti_task_queue_fini(&p->queue, mem);
  if (p->whysize > 0) ti_alloc_free(mem, (void *)(uintptr_t)p->why, p->whysize);
  ti_alloc_free(mem, (void *)(uintptr_t)p->cfg.name, strlen(p->cfg.name) + 1);
  ti_cond_fini(&p->not_full);
  ti_cond_fini(&p->settled);
  ti_cond_fini(&p->all_ended);
  ti_watchdog_end(&p->watchdog); /* a submit that came too late may have started it again */
  ti_watchdog_fini(&p->watchdog);
  ti_mutex_fini(&p->lock);
  ti_fork_guard_fini(&p->fork_guard);
  ti_alloc_free(mem, p->block, BLOCK_SIZE);
  if (dispose != NULL) dispose(ud);
}

/* The orders are those of refcount.h: relaxed to add, since a new reference comes from one that
** exists; acq_rel to release, paired with itself, so the thread that frees sees what all others
** did. */
static void hold(struct ti_pool *p, uint64_t unit) {
  uint64_t before = atomic_fetch_add_explicit(&p->refs, unit, memory_order_relaxed);
  assert(before > 0);
  (void)before;
}

static void release(struct ti_pool *p, uint64_t unit) {
  if (atomic_fetch_sub_explicit(&p->refs, unit, memory_order_acq_rel) == unit) free_pool(p);
}

void ti_pool_hold(struct ti_pool *p) { hold(p, 1); }
void ti_pool_release(struct ti_pool *p) { release(p, 1); }

/* References of tasks are counted apart, for ti_pool_stats. */
static void hold_for_task(struct ti_task_home *home) { hold(home->pool, POOL_TASK); }
static void release_for_task(struct ti_task_home *home) { release(home->pool, POOL_TASK); }

static struct ti_task *alloc_task(struct ti_task_home *home) {
  struct ti_pool *p = home->pool;
  for (;;) {
    struct ti_slab_piece *piece;
    void *block;
    size_t size;
    ti_byte_lock_lock(&p->tasks_lock);
    block = ti_slab_take(&p->tasks);
    size = p->tasks.piece;
    ti_byte_lock_unlock(&p->tasks_lock);
    if (block != NULL) return (struct ti_task *)block;
    piece = ti_slab_new_piece(&p->tasks, size);
    if (piece == NULL) return NULL;
    ti_byte_lock_lock(&p->tasks_lock);
    ti_slab_add_piece(&p->tasks, piece);
    ti_byte_lock_unlock(&p->tasks_lock);
  }
}

static void free_task(struct ti_task_home *home, struct ti_task *t) {
  struct ti_pool *p = home->pool;
  struct ti_slab_piece *piece;
  ti_byte_lock_lock(&p->tasks_lock);
  piece = ti_slab_give(&p->tasks, t);
  ti_byte_lock_unlock(&p->tasks_lock);
  ti_slab_free_piece(&p->tasks, piece);
}

struct ti_pool *ti_pool_new(const struct ti_pool_config *cfg, const struct ti_alloc *mem,
                            const struct ti_pool_runner *runner, void *ud, int *err) {
  /* allocators align to 16 bytes, not to a cache line */
  void *block = ti_alloc_zero(mem, BLOCK_SIZE);
  struct ti_pool *p =
      (struct ti_pool *)(void *)(((uintptr_t)block + POOL_LINE - 1) & ~(uintptr_t)(POOL_LINE - 1));
  size_t size = strlen(cfg->name) + 1;
  char *name = (char *)ti_alloc_new(mem, size);
  assert(cfg->max_workers >= 1 && cfg->max_threads >= cfg->max_workers);
  *err = block != NULL && name != NULL ? init_sync(p) : ENOMEM;
  if (*err != 0) {
    ti_alloc_free(mem, name, size);
    ti_alloc_free(mem, block, BLOCK_SIZE);
    return NULL;
  }
  p->block = block;
  ti_fork_guard_init(&p->fork_guard);
  memcpy(name, cfg->name, size);
  atomic_init(&p->refs, 1);
  atomic_init(&p->wake_sequence, 0);
  atomic_init(&p->at_max_threads, false);
  p->turn = 1;
  p->mem = mem;
  p->home = (struct ti_task_home){
      p, mem, alloc_task, free_task, hold_for_task, release_for_task, runner->free_context};
  p->runner = *runner;
  p->ud = ud;
  p->cfg = *cfg;
  p->cfg.name = name;
  ti_signal_set_init(&p->signals, cfg->signal);
  ti_child_mask_get(&p->child_mask);
  ti_byte_lock_init(&p->tasks_lock);
  ti_slab_init(&p->tasks, mem, sizeof(struct ti_task));
  ti_task_queue_init(&p->queue);
  ti_list_init(&p->free);
  ti_list_init(&p->asleep);
  ti_list_init(&p->ended);
  return p;
}

struct ti_task_home *ti_pool_home(struct ti_pool *p) {
  return &p->home;
}

bool ti_pool_forked(const struct ti_pool *p) { return ti_fork_guard_forked(&p->fork_guard); }

const struct ti_alloc *ti_pool_mem(const struct ti_pool *p) { return p->mem; }

ti_time ti_pool_spin_time(const struct ti_pool *p) { return p->cfg.spin_time; }

const char *ti_pool_name(struct ti_pool *p) { return p->cfg.name; }

/* --------------------------------------------------------------- submit -- */

/* Waits until t may be queued. Returns TIDE_OK, or why it may not. Releases the lock meanwhile. */
static int admit_locked(struct ti_pool *p, const struct ti_task *t, ti_time deadline) {
  bool expired = false;
  for (;;) {
    if (p->state == POOL_BROKEN) return TIDE_EBROKEN;
    if (p->state == POOL_CLOSING) return TIDE_ESHUTDOWN;
    if (ti_pool_state_full_locked(p)) {
      if (p->cfg.full_is_error) return TIDE_EFULL;
      if (expired) return TIDE_ETIMEOUT;
      p->waiting_submitters++;
      expired = !ti_cond_wait(&p->not_full, &p->lock, deadline);
      p->waiting_submitters--;
    } else if (p->alive == 0 && p->starting > 0) {
      /* not known yet whether there will be a thread (invariant 4) */
      ti_cond_wait(&p->settled, &p->lock, TI_CLOCK_NEVER);
    } else if (!ti_task_queue_ready(&p->queue, t->priority)) {
      struct ti_task_queue_list *list;
      ti_mutex_unlock(&p->lock);
      list = ti_task_queue_new_list(p->mem);
      ti_mutex_lock(&p->lock);
      if (list == NULL) return TIDE_ENOMEM;
      ti_task_queue_add_list(&p->queue, list);
    } else {
      return TIDE_OK;
    }
  }
}

/* Queues t, and starts a thread for it if one is needed. */
static int enqueue_locked(struct ti_pool *p, struct ti_task *t, int *err) {
  int e;
  ti_task_queue_push(&p->queue, ti_task_hold(t));
  if (!ti_pool_state_needs_thread_locked(p)) return TIDE_OK;
  e = ti_pool_threads_start_locked(p);
  if (e == 0 || ti_pool_state_served_locked(p)) return TIDE_OK; /* existing threads will serve it */
  /* This was to be the only thread, or the only one that is not blocked. The task may have left the
  ** queue all the same: taken or cancelled, and then nothing is left to fail. */
  if (!ti_task_queue_remove(&p->queue, t)) return TIDE_OK;
  ti_task_release(t); /* not the last one: the caller has one */
  *err = e;
  return TIDE_ETHREAD;
}

int ti_pool_submit(struct ti_pool *p, struct ti_task *t, ti_time deadline, int *err) {
  struct ti_pool_thread *sleeper;
  int code;
  assert(t->home == &p->home);
  ti_mutex_lock(&p->lock);
  code = admit_locked(p, t, deadline);
  if (code == TIDE_OK) code = enqueue_locked(p, t, err);
  /* A call that was woken for a free place, or that freed one, passes the wake-up on: one signal
  ** for each place would be lost with a submitter that gave up. */
  if (!ti_pool_state_full_locked(p)) ti_pool_state_signal_not_full_locked(p);
  sleeper = ti_pool_state_pick_locked(p);
  ti_pool_state_check_locked(p);
  ti_mutex_unlock(&p->lock);
  /* after the lock is free, so a spinning thread can take it at once */
  ti_pool_state_advance_wake_sequence(p);
  ti_pool_state_notify(sleeper);
  return code;
}

int ti_pool_run_begin(struct ti_pool *p) {
  int code = TIDE_OK;
  ti_mutex_lock(&p->lock);
  if (p->state == POOL_BROKEN) code = TIDE_EBROKEN;
  if (p->state == POOL_CLOSING) code = TIDE_ESHUTDOWN;
  if (code == TIDE_OK) {
    p->running++;
    p->waiting++; /* it uses no thread of the pool */
    p->deliveries++;
  }
  ti_pool_state_check_locked(p);
  ti_mutex_unlock(&p->lock);
  return code;
}

bool ti_pool_run_end(struct ti_pool *p, bool failed) {
  bool open;
  ti_mutex_lock(&p->lock);
  open = p->state == POOL_OPEN;
  p->running--;
  p->waiting--;
  p->finished++;
  p->failed += failed;
  ti_pool_state_check_locked(p);
  ti_mutex_unlock(&p->lock);
  ti_pool_state_delivery_done(p);
  return open;
}

/* ------------------------------------------------------- close and wait -- */

void ti_pool_close(struct ti_pool *p, bool cancel) {
  struct ti_list removed;
  struct ti_list_node *n;
  struct ti_task *t;
  ti_list_init(&removed);
  ti_mutex_lock(&p->lock);
  if (p->state == POOL_OPEN) p->state = POOL_CLOSING;
  while (cancel && (t = ti_task_queue_pop(&p->queue)) != NULL) {
    p->cancelled++;
    ti_list_push(&removed, &t->queued);
  }
  p->deliveries++;
  ti_pool_state_advance_wake_sequence(p);
  ti_pool_state_wake_all_locked(p); /* so that they end; an empty queue alone would wake none */
  ti_cond_broadcast(&p->not_full);
  ti_pool_state_check_locked(p);
  ti_mutex_unlock(&p->lock);
  while ((n = ti_list_pop(&removed)) != NULL) {
    t = TI_CONTAINER(n, struct ti_task, queued);
    ti_task_cancel(t);
    ti_task_release(t);
  }
  ti_pool_state_delivery_done(p);
}

bool ti_pool_wait(struct ti_pool *p, ti_time deadline) {
  bool over, expired = false;
  assert(!ti_pool_threads_is_worker(p));
  ti_mutex_lock(&p->lock);
  while (!(over = ti_pool_state_ended_locked(p))) {
    /* a thread in `ended` only has to return, so joining it does not block */
    if (ti_pool_threads_reap_locked(p)) continue;
    if (expired) break;
    expired = !ti_cond_wait(&p->all_ended, &p->lock, deadline);
  }
  ti_mutex_unlock(&p->lock);
  if (over) ti_watchdog_end(&p->watchdog);
  return over;
}

/* ---------------------------------------------------------------- state -- */

const char *ti_pool_broken_reason(struct ti_pool *p) {
  const char *why;
  ti_mutex_lock(&p->lock);
  why = p->why;
  ti_mutex_unlock(&p->lock);
  return why;
}

void ti_pool_stats(struct ti_pool *p, struct ti_pool_stats *out) {
  ti_mutex_lock(&p->lock);
  ti_pool_state_check_locked(p);
  out->workers = (size_t)(p->alive + p->starting);
  out->idle = (size_t)p->idle;
  out->queued = p->queue.count;
  out->running = p->running;
  out->submitted = p->queue.count + p->running + p->finished + p->cancelled;
  out->finished = p->finished;
  out->failed = p->failed;
  out->cancelled = p->cancelled;
  out->threads = p->threads;
  out->tasks = (size_t)(atomic_load_explicit(&p->refs, memory_order_relaxed) / POOL_TASK);
  ti_mutex_unlock(&p->lock);
}
