/*
** tidepool, floor 1: pool_threads, the life of a pool's threads.
**
**   reserved -> fresh -> idle <-> running        (take, serve)
**                 ^       |
**                 +-------+  its worker is worn: closed, and opened anew
**                 |       v
**                 +---- ending -> ended -> joined: the slot is free again
**       tasks came while it closed its worker
**
** Invariants and lock: pool_own.h. Never holds the lock in runner functions, deliveries, joins
** or starts.
**
** SPDX-License-Identifier: MIT
*/
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pool_own.h"

/* Not by a thread-local variable: those that need no allocation are few (sys_signal.c). This is asked only
** before waits that are long anyway. */
bool tide_pool_is_worker(struct pool *p) {
  bool is = false;
  tide_lock_take(&p->lock);
  for (struct slot *s = p->slots; s != NULL && !is; s = s->next)
    is = (s->started || s->running) && tide_thread_is_self(&s->thread);
  tide_lock_drop(&p->lock);
  return is;
}

/* ---------------------------------------------------------------- serve -- */

/* Idle threads that spin at the same time: more would only take processors from those that work. */
enum { MAX_SPINNERS = 1 };

/* Levels whose workers an idle thread keeps open, for the next tasks that wait for others. */
enum { KEPT_LEVELS = 2 };

/* Looks for a while whether something is queued; the lock is let go meanwhile. News that another
** thread was quicker to take do not count: where they are the rule, looking does not pay. */
static bool look_locked(struct pool *p, struct slot *self) {
  size_t rung = atomic_load_explicit(&p->rung, memory_order_relaxed);
  struct look k;
  bool found;
  if (p->spinners >= MAX_SPINNERS || !tide_spin_start(&self->spin, p->cfg.spin_time, &k))
    return false;
  p->spinners++;
  tide_lock_drop(&p->lock);
  do found = atomic_load_explicit(&p->rung, memory_order_relaxed) != rung;
  while (!found && tide_spin_again(&k));
  tide_lock_take(&p->lock);
  p->spinners--;
  found = p->queue.count > 0 || p->state != POOL_OPEN;
  tide_spin_stop(&self->spin, found);
  return found;
}

/* The next task of the queue, now running and no idle thread's any more; NULL if there is none. */
static struct task *pop_locked(struct pool *p, struct slot *self) {
  struct task *t;
  if (p->queue.count == 0 || tide_pool_surplus_locked(p) || tide_pool_held_locked(p)) return NULL;
  t = tide_queue_pop(&p->queue);
  p->idle--;
  tide_level_begin_locked(p, &self->base, t);
  return t;
}

/* The next task, now running; sleeps for it. NULL: this thread shall end. The caller is
** idle before, and is not any more afterwards. Whom to ring once the lock is free: *sleeper. */
static struct task *take_locked(struct pool *p, struct slot *self, struct slot **sleeper) {
  sys_time deadline = 0, began;
  bool rested = false, expired = false;
  for (;;) {
    struct task *t = pop_locked(p, self);
    if (t == NULL && (tide_pool_surplus_locked(p) ||
                      (p->queue.count == 0 && (p->state != POOL_OPEN || expired)))) {
      p->idle--;
      p->leaving++;
    } else if (t == NULL && p->queue.count > 0) {
      /* Held back. It stays awake, in slices: to others it is a thread that is slow to take one. */
      tide_cond_wait(&self->wake, &p->lock, tide_deadline(POOL_HELD_SLICE));
      continue;
    } else if (t == NULL) {
      if (self->base.above != NULL) { /* before it sleeps; tasks may have come meanwhile */
        tide_lock_drop(&p->lock);
        tide_level_closeabove(p, &self->base, KEPT_LEVELS);
        tide_lock_take(&p->lock);
      }
      if (look_locked(p, self) || p->queue.count > 0 || p->state != POOL_OPEN ||
          tide_pool_surplus_locked(p))
        continue;
      if (!rested) deadline = tide_deadline(p->cfg.idle_timeout);
      rested = true;
      self->woken = false;
      fifo_push(&p->asleep, &self->link);
      p->nasleep++;
      tide_pool_check_locked(p);
      began = tide_spin_sleep(&self->spin);
      while (!self->woken && !expired) expired = !tide_cond_wait(&self->wake, &p->lock, deadline);
      tide_spin_woke(&self->spin, began);
      if (!self->woken) {
        fifo_remove(&self->link);
        p->nasleep--;
      }
      continue;
    }
    *sleeper = tide_pool_pick_locked(p);
    tide_pool_check_locked(p);
    return t;
  }
}

/* Runs t, delivers its outcome and gives its reference back. The worker is idle, and the task
** counted, before anyone can see that it is done; under the same lock the worker takes its next
** task, if there is one and it is not worn: that is what it answers. */
static struct task *serve(struct pool *p, struct slot *self, struct task *t, bool *worn) {
  struct message out;
  struct slot *sleeper;
  struct task *next;
  int outcome;
  bool begun = tide_level_run(p, &self->base, t, &outcome, &out);
  *worn = tide_level_worn(p, &self->base);
  tide_lock_take(&p->lock);
  tide_level_end_locked(p, &self->base, begun, outcome);
  p->idle++;
  next = *worn ? NULL : pop_locked(p, self);
  sleeper = tide_pool_pick_locked(p);
  tide_pool_check_locked(p);
  tide_lock_drop(&p->lock);
  tide_level_deliver(t, begun, outcome, &out);
  tide_pool_ring(sleeper);
  return next;
}

/* ------------------------------------------------------------- a thread -- */

/* A worker for this fresh thread, which is idle then. False: there is nothing to do, no memory
** (*starved), or the pool is broken now; then it is neither. */
static bool open_worker(struct pool *p, struct slot *self, bool *starved) {
  struct task *failed = NULL;
  bool wanted;
  tide_lock_take(&p->lock);
  /* a pool that was closed meanwhile: no worker is opened for nothing */
  wanted = (p->state == POOL_OPEN && !tide_pool_surplus_locked(p)) || p->queue.count > 0;
  if (!wanted) p->fresh--, p->leaving++;
  tide_lock_drop(&p->lock);
  if (!wanted) return false;
  wanted = tide_level_open(p, &self->base, starved);
  tide_lock_take(&p->lock);
  p->fresh--;
  if (wanted)
    p->idle++;
  else
    p->leaving++;
  if (*starved) failed = tide_level_starve_locked(p);
  tide_pool_check_locked(p);
  tide_lock_drop(&p->lock);
  if (failed != NULL) { /* this thread counts as alive: no wait ends before */
    tide_task_finish(failed, FAULT_NOMEM, NULL);
    tide_task_rele(failed);
  }
  return wanted;
}

/* Serves tasks with an idle thread's worker. True: the worker is worn, and the thread is fresh
** again. False: the thread shall end, and is neither idle nor fresh. */
static bool work(struct pool *p, struct slot *self) {
  struct slot *sleeper = NULL;
  struct task *t;
  bool worn = false;
  tide_lock_take(&p->lock);
  while (!worn && (t = take_locked(p, self, &sleeper)) != NULL) {
    tide_lock_drop(&p->lock);
    tide_pool_ring(sleeper);
    while (t != NULL) t = serve(p, self, t, &worn);
    tide_lock_take(&p->lock);
  }
  if (worn) {
    p->idle--;
    p->fresh++;
    sleeper = tide_pool_pick_locked(p); /* it was awake, and takes no task now (invariant 3) */
    tide_pool_check_locked(p);
  }
  tide_lock_drop(&p->lock);
  tide_pool_ring(sleeper);
  return worn;
}

/* One life of a thread: from fresh until it is neither fresh nor idle. True: it starved. */
static bool live(struct pool *p, struct slot *self) {
  bool again = true, starved = false;
  if (p->runner.thread_start != NULL) p->runner.thread_start(p->ud, self->index);
  while (again && open_worker(p, self, &starved)) {
    again = work(p, self);
    tide_level_closeabove(p, &self->base, 0);
    tide_level_close(p, &self->base);
  }
  if (p->runner.thread_stop != NULL) p->runner.thread_stop(p->ud, self->index);
  return starved;
}

/* No thread is there, or being made, that will still end. */
static bool none_left_locked(const struct pool *p) { return p->alive == 0 && p->starting == 0; }

static void *thread_main(void *arg) {
  struct slot *self = (struct slot *)arg;
  struct pool *p = self->pool;
  bool again, starved;
  char name[64];
  snprintf(name, sizeof name, "%s_%d", p->cfg.name, self->index);
  tide_thread_setname(name);
  tide_programs_inherit(&p->programs);
  tide_bell_hang(&self->bell);
  tide_lock_take(&p->lock);
  self->thread = tide_thread_self(); /* its starter may not have come to it yet */
  self->running = true;
  tide_lock_drop(&p->lock);
  do {
    starved = live(p, self);
    tide_lock_take(&p->lock);
    /* predicate: started. Who starts a thread is not waited for but here, where it has long been
    ** done: from now on the slot may be joined and used again. */
    while (!self->started) tide_cond_wait(&p->settled, &p->lock, SYS_NEVER);
    p->leaving--;
    /* Tasks came after it decided to go, and there was no place for another thread; or one is
    ** being made for them, which may fail: then the last one that can take them must not go. One
    ** that starved leaves them to others, if there are any, and does not try again and again. */
    again = (!starved && tide_pool_short_locked(p) && !tide_pool_surplus_locked(p)) ||
            (p->queue.count > 0 && p->alive - p->away == 1);
    if (again) {
      p->fresh++;
    } else {
      p->alive--;
      tide_pool_recount_locked(p);
      self->running = false;
      fifo_push(&p->ended, &self->link);
      if (none_left_locked(p)) tide_cond_broadcast(&p->quiet); /* one joins them all */
    }
    tide_pool_check_locked(p);
    tide_lock_drop(&p->lock);
  } while (again);
  return NULL; /* the slot is the joiner's now, and after the join the pool may be gone */
}

/* -------------------------------------------------------- start and join -- */

bool tide_pool_reap_locked(struct pool *p) {
  struct fifo ended;
  struct fifo_node *n;
  size_t joined = 0;
  if (fifo_empty(&p->ended)) return false;
  fifo_init(&ended);
  fifo_splice(&ended, &p->ended); /* ours now: each is joined once */
  for (n = ended.head.next; n != &ended.head; n = n->next)
    TIDE_CONTAINER(n, struct slot, link)->started = false; /* its handle ends with the join */
  tide_lock_drop(&p->lock);
  for (n = ended.head.next; n != &ended.head; n = n->next, joined++)
    tide_thread_join(&TIDE_CONTAINER(n, struct slot, link)->thread);
  tide_lock_take(&p->lock);
  fifo_splice(&p->free, &ended);
  p->threads -= joined;
  tide_cond_broadcast(&p->settled);
  if (tide_pool_over_locked(p)) tide_cond_broadcast(&p->quiet);
  return true;
}

static struct slot *new_slot(struct pool *p) {
  struct slot *s = (struct slot *)tide_mem_zero(p->mem, sizeof *s);
  if (s == NULL) return NULL;
  if (tide_cond_init(&s->wake) != 0) {
    tide_mem_free(p->mem, s, sizeof *s);
    return NULL;
  }
  fifo_node_init(&s->link);
  tide_spin_init(&s->spin);
  s->base.slot = s;
  tide_bell_init(&s->bell, &p->signals);
  s->bell.dog = &p->dog;
  tide_stop_init(&s->base.stop, &s->bell);
  s->pool = p;
  return s;
}

/* The slot for a thread that is counted in `starting` already. NULL: out of memory. */
static struct slot *take_slot_locked(struct pool *p) {
  struct slot *s;
  for (;;) {
    struct fifo_node *n;
    tide_pool_reap_locked(p);
    n = fifo_pop(&p->free);
    if (n != NULL) return TIDE_CONTAINER(n, struct slot, link);
    if (p->nslots + p->making < p->alive + p->starting) break;
    /* predicate: see pool_own.h. There are as many slots as threads, and this one has none yet: so
    ** another caller is joining the thread of one, which has nothing left to do. */
    tide_cond_wait(&p->settled, &p->lock, SYS_NEVER);
  }
  p->making++;
  tide_lock_drop(&p->lock);
  s = new_slot(p);
  tide_lock_take(&p->lock);
  p->making--;
  if (s != NULL) {
    s->index = p->nslots++;
    s->next = p->slots;
    p->slots = s;
  }
  return s;
}

int tide_pool_start_locked(struct pool *p) {
  struct sys_thread thread;
  struct slot *s;
  int err = ENOMEM;
  p->starting++;
  p->fresh++;
  p->threads++;
  tide_pool_recount_locked(p);
  tide_pool_check_locked(p);
  s = take_slot_locked(p);
  if (s != NULL) {
    tide_lock_drop(&p->lock);
    err = tide_thread_start(&thread, p->cfg.stack_size, thread_main, s);
    tide_lock_take(&p->lock);
  }
  p->starting--;
  if (err == 0) {
    p->alive++;
    s->thread = thread;
    s->started = true;
  } else {
    p->fresh--;
    p->threads--;
    tide_pool_recount_locked(p);
    if (s != NULL) fifo_push(&p->free, &s->link);
    if (none_left_locked(p) || tide_pool_over_locked(p)) tide_cond_broadcast(&p->quiet);
  }
  tide_cond_broadcast(&p->settled);
  return err;
}
