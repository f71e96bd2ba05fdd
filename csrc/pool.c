/*
** tidepool, floor 1: pool, a queue of tasks and the threads that serve it.
**
** This file is the rules, and what callers do: make, submit, cancel, close, wait. Invariants and lock:
** pool_own.h.
**
** SPDX-License-Identifier: MIT
*/
#include "pool.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "pool_own.h"

/* ------------------------------------------------------------ the rules -- */

#ifdef TIDE_CHECKS
void tide_pool_check_locked(const struct pool *p) {
  assert(p->failed <= p->finished);
  assert(p->alive >= 0 && p->starting >= 0 && p->fresh >= 0 && p->idle >= 0);
  assert(p->away >= 0 && p->resting >= 0);
  assert(p->running >= p->waiting + (size_t)(p->away + p->resting));
  assert(p->leaving >= 0 && p->alive + p->starting <= p->cfg.max_threads);
  assert((size_t)(p->idle + p->fresh + p->leaving) + p->running - p->waiting ==
         (size_t)(p->alive + p->starting));
  assert(p->nagreed <= p->alive);
  assert(p->nasleep >= 0 && p->nasleep <= p->idle);
  assert(!tide_pool_sleepy_locked(p));
  assert(p->queue.count == 0 || p->alive > 0 || (p->starting > 0 && p->queue.count == 1));
  assert(p->state != POOL_BROKEN || p->queue.count == 0);
  assert((size_t)(p->alive + p->starting) <= p->threads);
}
#endif

bool tide_pool_short_locked(const struct pool *p) {
  return p->queue.count > (size_t)(p->idle + p->fresh);
}

bool tide_pool_sleepy_locked(const struct pool *p) {
  return p->nasleep > 0 && p->queue.count > 0 && p->idle == p->nasleep;
}

/* Of `present` threads all rest, and what they rest for may be away. If nobody is, one of those has just
** ended, and who rests for it is about to wake up. */
static bool stuck_locked(const struct pool *p, int present) {
  return p->away > 0 && p->resting > 0 && present <= p->resting;
}

bool tide_pool_surplus_locked(const struct pool *p) {
  int present = p->alive - p->away - p->leaving;
  return present > p->cfg.max_workers && !stuck_locked(p, present - 1);
}

bool tide_pool_served_locked(const struct pool *p) {
  return p->queue.count == 0 || p->alive - p->away > p->resting || (p->away == 0 && p->alive > 0);
}

bool tide_pool_wanting_locked(const struct pool *p) {
  int all = p->alive + p->starting, present = all - p->away;
  return tide_pool_short_locked(p) && all < p->cfg.max_threads &&
         (present < p->cfg.max_workers || stuck_locked(p, present));
}

bool tide_pool_held_locked(const struct pool *p) {
  return p->runner.held != NULL && p->runner.held(p->ud);
}

bool tide_pool_stranded_locked(const struct pool *p) {
  return !tide_pool_served_locked(p) && p->alive + p->starting >= p->cfg.max_threads;
}

void tide_pool_turn_locked(struct pool *p) {
  p->turn++;
  p->nagreed = 0;
}

void tide_pool_recount_locked(struct pool *p) {
  bool crowded = p->alive + p->starting >= p->cfg.max_threads;
  if (atomic_load_explicit(&p->crowded, memory_order_relaxed) != crowded)
    atomic_store_explicit(&p->crowded, crowded, memory_order_relaxed);
}

bool tide_pool_crowded(const struct pool *p) {
  return atomic_load_explicit(&p->crowded, memory_order_relaxed);
}

/* Tasks that free or future threads will take at once do not count as waiting, so that the
** answer does not depend on how quick they are; nor do those that run, be they more than max_workers. */
bool tide_pool_full_locked(const struct pool *p) {
  size_t places = (size_t)p->cfg.max_workers, busy = p->running - p->waiting - (size_t)p->away;
  size_t unused = busy < places ? places - busy : 0;
  return p->cfg.max_queue > 0 && p->queue.count >= unused &&
         p->queue.count - unused >= p->cfg.max_queue;
}

bool tide_pool_over_locked(const struct pool *p) {
  return p->state != POOL_OPEN && p->threads == 0 && p->errands == 0;
}

void tide_pool_room_locked(struct pool *p) {
  if (p->blocked > 0) tide_cond_signal(&p->room);
}

static struct slot *last_asleep_locked(struct pool *p) {
  struct slot *s = TIDE_CONTAINER(p->asleep.head.prev, struct slot, link);
  fifo_remove(&s->link);
  p->nasleep--;
  s->woken = true;
  return s;
}

struct slot *tide_pool_pick_locked(struct pool *p) {
  return tide_pool_sleepy_locked(p) ? last_asleep_locked(p) : NULL;
}

void tide_pool_ring(struct slot *s) {
  if (s != NULL) tide_cond_signal(&s->wake);
}

void tide_pool_wakeall_locked(struct pool *p) {
  while (!fifo_empty(&p->asleep)) tide_pool_ring(last_asleep_locked(p));
}

void tide_pool_news(struct pool *p) {
  /* relaxed: a hint; the lock orders what matters */
  atomic_fetch_add_explicit(&p->rung, 1, memory_order_relaxed);
}

/* ------------------------------------------------------------- lifetime -- */

static int init_sync(struct pool *p) {
  int err = tide_lock_init(&p->lock);
  if (err != 0) return err;
  if ((err = tide_cond_init(&p->room)) != 0) goto no_room;
  if ((err = tide_cond_init(&p->settled)) != 0) goto no_settled;
  if ((err = tide_cond_init(&p->quiet)) != 0) goto no_quiet;
  if ((err = tide_watchdog_init(&p->dog)) != 0) goto no_dog;
  return 0;
no_dog:
  tide_cond_fini(&p->quiet);
no_quiet:
  tide_cond_fini(&p->settled);
no_settled:
  tide_cond_fini(&p->room);
no_room:
  tide_lock_fini(&p->lock);
  return err;
}

#define BLOCK_SIZE (sizeof(struct pool) + POOL_LINE)

struct pool *tide_pool_new(const struct pool_config *cfg, const struct mem *mem,
                           const struct runner *runner, void *ud, int *err) {
  /* an allocator aligns for malloc's sake, not for that of lines */
  void *block = tide_mem_zero(mem, BLOCK_SIZE);
  struct pool *p =
      (struct pool *)(void *)(((uintptr_t)block + POOL_LINE - 1) & ~(uintptr_t)(POOL_LINE - 1));
  size_t size = strlen(cfg->name) + 1;
  char *name = (char *)tide_mem_new(mem, size);
  assert(cfg->max_workers >= 1 && cfg->max_threads >= cfg->max_workers);
  *err = block != NULL && name != NULL ? init_sync(p) : ENOMEM;
  if (*err != 0) {
    tide_mem_free(mem, name, size);
    tide_mem_free(mem, block, BLOCK_SIZE);
    return NULL;
  }
  p->block = block;
  tide_mark_init(&p->mark);
  memcpy(name, cfg->name, size);
  atomic_init(&p->refs, 1);
  atomic_init(&p->rung, 0);
  atomic_init(&p->crowded, false);
  p->turn = 1;
  p->mem = mem;
  p->runner = *runner;
  p->ud = ud;
  p->cfg = *cfg;
  p->cfg.name = name;
  tide_signals_init(&p->signals, cfg->signal);
  tide_programs_mask(&p->programs);
  tide_bytelock_init(&p->tasks_lock);
  tide_slab_init(&p->tasks, mem, sizeof(struct task));
  tide_queue_init(&p->queue);
  fifo_init(&p->free);
  fifo_init(&p->asleep);
  fifo_init(&p->ended);
  return p;
}

static void free_pool(struct pool *p) {
  const struct mem *mem = p->mem;
  void (*dispose)(void *) = p->runner.dispose;
  void *ud = p->ud;
  struct fifo_node *n;
  assert(p->threads == 0 && p->errands == 0);
  while ((n = fifo_pop(&p->free)) != NULL) {
    struct slot *s = TIDE_CONTAINER(n, struct slot, link);
    tide_cond_fini(&s->wake);
    tide_mem_free(mem, s, sizeof *s);
  }
  tide_slab_fini(&p->tasks);
  tide_queue_fini(&p->queue, mem);
  if (p->whysize > 0) tide_mem_free(mem, (void *)(uintptr_t)p->why, p->whysize);
  tide_mem_free(mem, (void *)(uintptr_t)p->cfg.name, strlen(p->cfg.name) + 1);
  tide_cond_fini(&p->room);
  tide_cond_fini(&p->settled);
  tide_cond_fini(&p->quiet);
  tide_watchdog_end(&p->dog); /* a submit that came too late may have started it once more */
  tide_watchdog_fini(&p->dog);
  tide_lock_fini(&p->lock);
  tide_mark_fini(&p->mark);
  tide_mem_free(mem, p->block, BLOCK_SIZE);
  if (dispose != NULL) dispose(ud);
}

/* As in ref.h: relaxed up, since a new reference comes from one that exists; acq_rel down, paired
** with itself: who frees sees what all others did. */
static void hold(struct pool *p, uint64_t unit) {
  uint64_t before = atomic_fetch_add_explicit(&p->refs, unit, memory_order_relaxed);
  assert(before > 0);
  (void)before;
}

static void rele(struct pool *p, uint64_t unit) {
  if (atomic_fetch_sub_explicit(&p->refs, unit, memory_order_acq_rel) == unit) free_pool(p);
}

void tide_pool_hold(struct pool *p) { hold(p, 1); }
void tide_pool_rele(struct pool *p) { rele(p, 1); }
void tide_pool_holdtask(struct pool *p) { hold(p, POOL_TASK); }
void tide_pool_reletask(struct pool *p) { rele(p, POOL_TASK); }

struct task *tide_pool_alloctask(struct pool *p) {
  for (;;) {
    struct slab_piece *piece;
    void *block;
    size_t size;
    tide_bytelock_take(&p->tasks_lock);
    block = tide_slab_take(&p->tasks);
    size = p->tasks.piece;
    tide_bytelock_drop(&p->tasks_lock);
    if (block != NULL) return (struct task *)block;
    piece = tide_slab_newpiece(&p->tasks, size);
    if (piece == NULL) return NULL;
    tide_bytelock_take(&p->tasks_lock);
    tide_slab_addpiece(&p->tasks, piece);
    tide_bytelock_drop(&p->tasks_lock);
  }
}

void tide_pool_freetask(struct pool *p, struct task *t) {
  struct slab_piece *piece;
  tide_bytelock_take(&p->tasks_lock);
  piece = tide_slab_give(&p->tasks, t);
  tide_bytelock_drop(&p->tasks_lock);
  tide_slab_freepiece(&p->tasks, piece);
}

void tide_pool_freecontext(struct pool *p, void *context) {
  if (p->runner.free_context != NULL) p->runner.free_context(context);
}

bool tide_pool_lost(const struct pool *p) { return tide_mark_lost(&p->mark); }

const struct mem *tide_pool_mem(const struct pool *p) { return p->mem; }

sys_time tide_pool_spintime(const struct pool *p) { return p->cfg.spin_time; }

const char *tide_pool_name(struct pool *p) { return p->cfg.name; }

/* --------------------------------------------------------------- submit -- */

/* Waits until t may be queued: FAULT_NONE, or why it may not. The lock is let go meanwhile. */
static int admit_locked(struct pool *p, const struct task *t, sys_time deadline) {
  bool expired = false;
  for (;;) {
    if (p->state == POOL_BROKEN) return FAULT_BROKEN;
    if (p->state == POOL_CLOSING) return FAULT_SHUTDOWN;
    if (tide_pool_full_locked(p)) {
      if (p->cfg.full_is_error) return FAULT_FULL;
      if (expired) return FAULT_TIMEOUT;
      p->blocked++;
      expired = !tide_cond_wait(&p->room, &p->lock, deadline);
      p->blocked--;
    } else if (p->alive == 0 && p->starting > 0) {
      /* whether there will be a thread is not known yet (invariant 4) */
      tide_cond_wait(&p->settled, &p->lock, SYS_NEVER);
    } else if (!tide_queue_ready(&p->queue, t->priority)) {
      struct queue_level *level;
      tide_lock_drop(&p->lock);
      level = tide_queue_newlevel(p->mem);
      tide_lock_take(&p->lock);
      if (level == NULL) return FAULT_NOMEM;
      tide_queue_addlevel(&p->queue, level);
    } else {
      return FAULT_NONE;
    }
  }
}

/* Queues t and sees to a thread for it. */
static int enqueue_locked(struct pool *p, struct task *t, int *err) {
  int e;
  tide_queue_push(&p->queue, tide_task_hold(t));
  if (!tide_pool_wanting_locked(p)) return FAULT_NONE;
  e = tide_pool_start_locked(p);
  if (e == 0 || tide_pool_served_locked(p)) return FAULT_NONE; /* those that exist will serve it */
  /* This was to be the only thread, the first or beside others that are away. The task may be gone
  ** from the queue all the same: taken, or cancelled, so there is nothing left to fail. */
  if (!tide_queue_remove(&p->queue, t)) return FAULT_NONE;
  tide_task_rele(t); /* not the last: the caller has one */
  *err = e;
  return FAULT_THREAD;
}

int tide_pool_submit(struct pool *p, struct task *t, sys_time deadline, int *err) {
  struct slot *sleeper;
  int fault;
  assert(t->pool == p);
  tide_lock_take(&p->lock);
  fault = admit_locked(p, t, deadline);
  if (fault == FAULT_NONE) fault = enqueue_locked(p, t, err);
  /* If this call was woken for room, or if more of it was made, the next one is let in here:
  ** one signal per place would be lost with a submitter that gave up. */
  if (!tide_pool_full_locked(p)) tide_pool_room_locked(p);
  sleeper = tide_pool_pick_locked(p);
  tide_pool_check_locked(p);
  tide_lock_drop(&p->lock);
  tide_pool_news(p); /* after the lock: who spins can have it at once */
  tide_pool_ring(sleeper);
  return fault;
}

int tide_pool_runbegin(struct pool *p) {
  int fault = FAULT_NONE;
  tide_lock_take(&p->lock);
  if (p->state == POOL_BROKEN) fault = FAULT_BROKEN;
  if (p->state == POOL_CLOSING) fault = FAULT_SHUTDOWN;
  if (fault == FAULT_NONE) {
    p->running++;
    p->waiting++; /* it takes no thread of the pool */
    p->errands++;
  }
  tide_pool_check_locked(p);
  tide_lock_drop(&p->lock);
  return fault;
}

bool tide_pool_runend(struct pool *p, bool failed) {
  bool open;
  tide_lock_take(&p->lock);
  open = p->state == POOL_OPEN;
  p->running--;
  p->waiting--;
  p->finished++;
  p->failed += failed;
  tide_pool_check_locked(p);
  tide_lock_drop(&p->lock);
  tide_pool_errand_done(p);
  return open;
}

/* ----------------------------------------------------------------- away -- */

void tide_pool_count_locked(struct pool *p, enum absence how, int by) {
  if (how == ABSENCE_AWAY) p->away += by;
  if (how == ABSENCE_RESTING) p->resting += by;
  tide_pool_turn_locked(p);
}

int tide_pool_away(struct pool *p, const struct task *t, enum absence *how) {
  struct slot *sleeper;
  int err = 0;
  tide_lock_take(&p->lock);
  *how = t != NULL && t->pool == p && t->place == TASK_TAKEN ? ABSENCE_RESTING : ABSENCE_AWAY;
  tide_pool_count_locked(p, *how, 1);
  if (tide_pool_wanting_locked(p)) err = tide_pool_start_locked(p);
  if (tide_pool_served_locked(p)) err = 0; /* those that exist will serve it */
  if (err != 0) {
    tide_pool_count_locked(p, *how, -1);
    *how = ABSENCE_NONE;
  }
  tide_pool_room_locked(p);
  sleeper = tide_pool_pick_locked(p);
  tide_pool_check_locked(p);
  tide_lock_drop(&p->lock);
  tide_pool_ring(sleeper);
  return err == 0 ? FAULT_NONE : err == ENOMEM ? FAULT_NOMEM : FAULT_THREAD;
}

void tide_pool_back(struct pool *p, enum absence how) {
  struct slot *surplus = NULL;
  if (how == ABSENCE_NONE) return;
  tide_lock_take(&p->lock);
  tide_pool_count_locked(p, how, -1);
  /* one too many now, and nothing to do: it ends. Those that are awake look for themselves. */
  if (tide_pool_surplus_locked(p) && !fifo_empty(&p->asleep)) surplus = last_asleep_locked(p);
  tide_pool_check_locked(p);
  tide_lock_drop(&p->lock);
  tide_pool_ring(surplus);
}

/* That a wait of a thread is not over says nothing about the others, and may be old news. So each thread
** notes the turn, looks at its wait, and agrees only if the turn is still the same; any task that begins to wait, or
** goes on, makes another turn. If all threads agree on one turn, none has done anything since it began: what
** ended before that, each has seen. Deliveries by others than these threads are errands. */
bool tide_pool_agree(struct pool *p, struct stop *self) {
  struct slot *s = TIDE_CONTAINER(self, struct level, stop)->slot;
  bool all;
  tide_lock_take(&p->lock);
  all = tide_pool_stranded_locked(p) && p->errands == 0;
  if (all) {
    if (s->seen == p->turn && s->agreed != p->turn) {
      s->agreed = p->turn;
      p->nagreed++;
    }
    s->seen = p->turn;
    all = p->nagreed == p->alive && p->starting == 0;
  }
  tide_lock_drop(&p->lock);
  return all;
}

/* ------------------------------------------------------- close and wait -- */

void tide_pool_errand_done(struct pool *p) {
  tide_lock_take(&p->lock);
  p->errands--;
  tide_pool_turn_locked(p);
  if (tide_pool_over_locked(p)) tide_cond_broadcast(&p->quiet);
  tide_lock_drop(&p->lock);
}

void tide_pool_close(struct pool *p, bool cancel) {
  struct fifo doomed;
  struct fifo_node *n;
  struct task *t;
  fifo_init(&doomed);
  tide_lock_take(&p->lock);
  if (p->state == POOL_OPEN) p->state = POOL_CLOSING;
  while (cancel && (t = tide_queue_pop(&p->queue)) != NULL) {
    p->cancelled++;
    fifo_push(&doomed, &t->queued);
  }
  p->errands++;
  tide_pool_news(p);
  tide_pool_wakeall_locked(p); /* to end; on an empty queue nobody would */
  tide_cond_broadcast(&p->room);
  tide_pool_check_locked(p);
  tide_lock_drop(&p->lock);
  while ((n = fifo_pop(&doomed)) != NULL) {
    t = TIDE_CONTAINER(n, struct task, queued);
    tide_task_cancel(t);
    tide_task_rele(t);
  }
  tide_pool_errand_done(p);
}

bool tide_pool_wait(struct pool *p, sys_time deadline) {
  bool over, expired = false;
  assert(!tide_pool_is_worker(p));
  tide_lock_take(&p->lock);
  while (!(over = tide_pool_over_locked(p))) {
    /* a thread in `ended` has nothing left to do but to return: joining it does not wait */
    if (tide_pool_reap_locked(p)) continue;
    if (expired) break;
    expired = !tide_cond_wait(&p->quiet, &p->lock, deadline);
  }
  tide_lock_drop(&p->lock);
  if (over) tide_watchdog_end(&p->dog);
  return over;
}

/* ---------------------------------------------------------------- looks -- */

const char *tide_pool_why(struct pool *p) {
  const char *why;
  tide_lock_take(&p->lock);
  why = p->why;
  tide_lock_drop(&p->lock);
  return why;
}

void tide_pool_stats(struct pool *p, struct pool_stats *out) {
  tide_lock_take(&p->lock);
  tide_pool_check_locked(p);
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
  tide_lock_drop(&p->lock);
}
