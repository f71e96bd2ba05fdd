/*
** sched/pool_threads: the life of a pool's threads.
**
**   reserved -> fresh -> idle <-> running        (take, serve)
**                 ^       |
**                 +-------+  its worker needs replacing: closed, then opened again
**                 |       v
**                 +---- leaving -> ended -> joined: the pool thread is free again
**       tasks came while it closed its worker
**
** pool_state.h has the invariants and the lock, which is never held in runner functions,
** notifications, joins or starts.
**
** SPDX-License-Identifier: MIT
*/
#include "sched/pool_threads.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sched/pool_nested.h"
#include "sched/pool_state.h"
#include "platform/child_mask.h"
#include "platform/clock.h"
#include "platform/cond.h"
#include "platform/mutex.h"
#include "platform/thread.h"

/* Not a thread-local variable: those that need no allocation are few (signal.c), and this is called
** only before waits that are long anyway. */
bool ti_pool_threads_is_worker(struct ti_pool *p) {
  bool is = false;
  ti_mutex_lock(&p->lock);
  for (struct ti_pool_thread *s = p->all_threads; s != NULL && !is; s = s->next)
    is = (s->started || s->running) && ti_thread_is_self(&s->thread);
  ti_mutex_unlock(&p->lock);
  return is;
}

/* ---------------------------------------------------------------- serve -- */

/* Idle threads that spin at the same time. More would only take processors from threads that
** work. */
enum { MAX_SPINNERS = 1 };

/* Nested workers that an idle thread keeps open for the next tasks that wait for others. */
enum { KEPT_NESTED = 2 };

/* Spins until something is queued or the spin time has passed, with the lock released meanwhile. A
** wake-up whose task another thread took counts as a failed spin: where that is the rule, spinning
** does not pay. */
static bool spin_locked(struct ti_pool *p, struct ti_pool_thread *self) {
  size_t seen = atomic_load_explicit(&p->wake_sequence, memory_order_relaxed);
  struct ti_spin_loop k;
  bool found;
  if (p->spinners >= MAX_SPINNERS || !ti_spin_wait_start(&self->spin, p->cfg.spin_time, &k))
    return false;
  p->spinners++;
  ti_mutex_unlock(&p->lock);
  do found = atomic_load_explicit(&p->wake_sequence, memory_order_relaxed) != seen;
  while (!found && ti_spin_wait_again(&k));
  ti_mutex_lock(&p->lock);
  p->spinners--;
  found = p->queue.count > 0 || p->state != POOL_OPEN;
  ti_spin_wait_stop(&self->spin, found);
  return found;
}

/* Takes the next task, which now runs on this thread, so it is no longer idle. Returns NULL if
** there is none. */
static struct ti_task *pop_locked(struct ti_pool *p, struct ti_pool_thread *self) {
  struct ti_task *t;
  if (p->queue.count == 0 || ti_pool_state_over_limit_locked(p) || ti_pool_state_held_locked(p))
    return NULL;
  t = ti_task_queue_pop(&p->queue);
  p->idle--;
  ti_pool_nested_begin_locked(p, &self->base, t);
  return t;
}

/* Takes the next task, and sleeps until there is one. Returns NULL if this thread is to end. The
** caller is idle before and not afterwards. *sleeper is a thread to notify once the lock is free,
** or NULL. */
static struct ti_task *take_locked(struct ti_pool *p, struct ti_pool_thread *self,
                                   struct ti_pool_thread **sleeper) {
  ti_time deadline = 0, began;
  bool slept = false, expired = false;
  for (;;) {
    struct ti_task *t = pop_locked(p, self);
    if (t == NULL && (ti_pool_state_over_limit_locked(p) ||
                      (p->queue.count == 0 && (p->state != POOL_OPEN || expired)))) {
      p->idle--;
      p->leaving++;
    } else if (t == NULL && p->queue.count > 0) {
      /* Tasks are held back. The thread stays awake, and waits in slices; others regard it as a
      ** thread that is slow to take a task. */
      ti_cond_wait(&self->wake, &p->lock, ti_clock_deadline(POOL_HELD_SLICE));
      continue;
    } else if (t == NULL) {
      if (self->base.above != NULL) { /* before it sleeps; tasks may have come meanwhile */
        ti_mutex_unlock(&p->lock);
        ti_pool_nested_close_above(p, &self->base, KEPT_NESTED);
        ti_mutex_lock(&p->lock);
      }
      if (spin_locked(p, self) || p->queue.count > 0 || p->state != POOL_OPEN ||
          ti_pool_state_over_limit_locked(p))
        continue;
      if (!slept) deadline = ti_clock_deadline(p->cfg.idle_timeout);
      slept = true;
      self->woken = false;
      ti_list_push(&p->asleep, &self->link);
      p->nasleep++;
      ti_pool_state_check_locked(p);
      began = ti_spin_wait_sleep(&self->spin);
      while (!self->woken && !expired) expired = !ti_cond_wait(&self->wake, &p->lock, deadline);
      ti_spin_wait_woke(&self->spin, began);
      if (!self->woken) {
        ti_list_remove(&self->link);
        p->nasleep--;
      }
      continue;
    }
    *sleeper = ti_pool_state_pick_locked(p);
    ti_pool_state_check_locked(p);
    return t;
  }
}

/* Runs t, makes it done and releases the thread's reference. Before any thread can see it done, the
** worker is idle and the task counted. Under the same lock the worker takes its next task, unless
** it needs replacing (*replace). Returns that task, or NULL. */
static struct ti_task *serve(struct ti_pool *p, struct ti_pool_thread *self, struct ti_task *t,
                             bool *replace) {
  struct ti_message out;
  struct ti_pool_thread *sleeper;
  struct ti_task *next;
  int outcome;
  bool begun = ti_pool_nested_run(p, &self->base, t, &outcome, &out);
  *replace = ti_pool_nested_needs_replacing(p, &self->base);
  ti_mutex_lock(&p->lock);
  ti_pool_nested_end_locked(p, &self->base, begun, outcome);
  p->idle++;
  next = *replace ? NULL : pop_locked(p, self);
  sleeper = ti_pool_state_pick_locked(p);
  ti_pool_state_check_locked(p);
  ti_mutex_unlock(&p->lock);
  ti_pool_nested_deliver(t, begun, outcome, &out);
  ti_pool_state_notify(sleeper);
  return next;
}

/* ------------------------------------------------------------- a thread -- */

/* Opens a worker for this fresh thread, which is idle afterwards. Returns false, and the thread is
** leaving, if there is nothing to do, no memory (*no_memory), or if the pool is broken now. */
static bool open_worker(struct ti_pool *p, struct ti_pool_thread *self, bool *no_memory) {
  struct ti_task *failed = NULL;
  bool wanted;
  ti_mutex_lock(&p->lock);
  /* no worker is opened for nothing in a pool that was closed meanwhile */
  wanted = (p->state == POOL_OPEN && !ti_pool_state_over_limit_locked(p)) || p->queue.count > 0;
  if (!wanted) p->fresh--, p->leaving++;
  ti_mutex_unlock(&p->lock);
  if (!wanted) return false;
  wanted = ti_pool_nested_open(p, &self->base, no_memory);
  ti_mutex_lock(&p->lock);
  p->fresh--;
  if (wanted)
    p->idle++;
  else
    p->leaving++;
  if (*no_memory) failed = ti_pool_nested_out_of_memory_locked(p);
  ti_pool_state_check_locked(p);
  ti_mutex_unlock(&p->lock);
  if (failed != NULL) { /* this thread still counts as alive, so the pool cannot end before */
    ti_task_finish(failed, TIDE_ENOMEM, NULL);
    ti_task_release(failed);
  }
  return wanted;
}

/* Serves tasks with the worker of an idle thread. Returns true if the worker needs replacing; the
** thread is fresh again. Returns false if the thread is to end; it is leaving. */
static bool work(struct ti_pool *p, struct ti_pool_thread *self) {
  struct ti_pool_thread *sleeper = NULL;
  struct ti_task *t;
  bool replace = false;
  ti_mutex_lock(&p->lock);
  while (!replace && (t = take_locked(p, self, &sleeper)) != NULL) {
    ti_mutex_unlock(&p->lock);
    ti_pool_state_notify(sleeper);
    while (t != NULL) t = serve(p, self, t, &replace);
    ti_mutex_lock(&p->lock);
  }
  if (replace) {
    p->idle--;
    p->fresh++;
    sleeper = ti_pool_state_pick_locked(p); /* it was awake, and takes no task now (invariant 3) */
    ti_pool_state_check_locked(p);
  }
  ti_mutex_unlock(&p->lock);
  ti_pool_state_notify(sleeper);
  return replace;
}

/* Runs the thread from fresh until it is leaving. Returns whether it had no memory for its
** worker. */
static bool live(struct ti_pool *p, struct ti_pool_thread *self) {
  bool again = true, no_memory = false;
  if (p->runner.thread_start != NULL) p->runner.thread_start(p->ud, self->index);
  while (again && open_worker(p, self, &no_memory)) {
    again = work(p, self);
    ti_pool_nested_close_above(p, &self->base, 0);
    ti_pool_nested_close(p, &self->base);
  }
  if (p->runner.thread_stop != NULL) p->runner.thread_stop(p->ud, self->index);
  return no_memory;
}

/* Returns whether no thread is alive or being made. */
static bool none_left_locked(const struct ti_pool *p) { return p->alive == 0 && p->starting == 0; }

static void *thread_main(void *arg) {
  struct ti_pool_thread *self = (struct ti_pool_thread *)arg;
  struct ti_pool *p = self->pool;
  bool again, no_memory;
  char name[64];
  snprintf(name, sizeof name, "%s_%d", p->cfg.name, self->index);
  ti_thread_set_name(name);
  ti_child_mask_set(&p->child_mask);
  ti_stop_token_attach(&self->target);
  ti_mutex_lock(&p->lock);
  self->thread = ti_thread_self(); /* its starter may not have written it yet */
  self->running = true;
  ti_mutex_unlock(&p->lock);
  do {
    no_memory = live(p, self);
    ti_mutex_lock(&p->lock);
    /* predicate: started. The starter is waited for only here, where it finished long ago. From now
    ** on the pool thread may be joined and used again. */
    while (!self->started) ti_cond_wait(&p->settled, &p->lock, TI_CLOCK_NEVER);
    p->leaving--;
    /* Tasks may have come after it decided to end, when there was no place for another thread. Or
    ** one is being made for them, which may fail: then the last thread that can take them must not
    ** end. A thread without memory leaves them to others, if there are any, instead of trying again
    ** and again. */
    again = (!no_memory && ti_pool_state_short_locked(p) && !ti_pool_state_over_limit_locked(p)) ||
            (p->queue.count > 0 && p->alive - p->blocked == 1);
    if (again) {
      p->fresh++;
    } else {
      p->alive--;
      ti_pool_state_recount_locked(p);
      self->running = false;
      ti_list_push(&p->ended, &self->link);
      if (none_left_locked(p)) ti_cond_broadcast(&p->all_ended); /* its waiter joins them all */
    }
    ti_pool_state_check_locked(p);
    ti_mutex_unlock(&p->lock);
  } while (again);
  return NULL; /* the joiner has the pool thread now; the pool may be gone after the join */
}

/* -------------------------------------------------------- start and join -- */

bool ti_pool_threads_reap_locked(struct ti_pool *p) {
  struct ti_list ended;
  struct ti_list_node *n;
  size_t joined = 0;
  if (ti_list_empty(&p->ended)) return false;
  ti_list_init(&ended);
  ti_list_splice(&ended, &p->ended); /* this call's alone now: each is joined once */
  for (n = ended.head.next; n != &ended.head; n = n->next) /* its handle ends with the join */
    TI_CONTAINER(n, struct ti_pool_thread, link)->started = false;
  ti_mutex_unlock(&p->lock);
  for (n = ended.head.next; n != &ended.head; n = n->next, joined++)
    ti_thread_join(&TI_CONTAINER(n, struct ti_pool_thread, link)->thread);
  ti_mutex_lock(&p->lock);
  ti_list_splice(&p->free, &ended);
  p->threads -= joined;
  ti_cond_broadcast(&p->settled);
  if (ti_pool_state_ended_locked(p)) ti_cond_broadcast(&p->all_ended);
  return true;
}

static struct ti_pool_thread *new_pool_thread(struct ti_pool *p) {
  struct ti_pool_thread *s = (struct ti_pool_thread *)ti_alloc_zero(p->mem, sizeof *s);
  if (s == NULL) return NULL;
  if (ti_cond_init(&s->wake) != 0) {
    ti_alloc_free(p->mem, s, sizeof *s);
    return NULL;
  }
  ti_list_node_init(&s->link);
  ti_spin_wait_init(&s->spin);
  s->base.thread = s;
  ti_stop_token_init_target(&s->target, &p->signals);
  s->target.watchdog = &p->watchdog;
  ti_stop_token_init(&s->base.stop, &s->target);
  s->pool = p;
  return s;
}

/* Takes a pool thread for a thread that is counted in `starting` already. Returns NULL if out of
** memory. Releases the lock meanwhile. */
static struct ti_pool_thread *take_pool_thread_locked(struct ti_pool *p) {
  struct ti_pool_thread *s;
  for (;;) {
    struct ti_list_node *n;
    ti_pool_threads_reap_locked(p);
    n = ti_list_pop(&p->free);
    if (n != NULL) return TI_CONTAINER(n, struct ti_pool_thread, link);
    if (p->nall + p->making < p->alive + p->starting) break;
    /* predicate: see pool_state.h. There are as many pool threads as threads, and this one has none
    ** yet. So another caller is joining a thread, which only has to return. */
    ti_cond_wait(&p->settled, &p->lock, TI_CLOCK_NEVER);
  }
  p->making++;
  ti_mutex_unlock(&p->lock);
  s = new_pool_thread(p);
  ti_mutex_lock(&p->lock);
  p->making--;
  if (s != NULL) {
    s->index = p->nall++;
    s->next = p->all_threads;
    p->all_threads = s;
  }
  return s;
}

int ti_pool_threads_start_locked(struct ti_pool *p) {
  struct ti_thread thread;
  struct ti_pool_thread *s;
  int err = ENOMEM;
  p->starting++;
  p->fresh++;
  p->threads++;
  ti_pool_state_recount_locked(p);
  ti_pool_state_check_locked(p);
  s = take_pool_thread_locked(p);
  if (s != NULL) {
    ti_mutex_unlock(&p->lock);
    err = ti_thread_start(&thread, p->cfg.stack_size, thread_main, s);
    ti_mutex_lock(&p->lock);
  }
  p->starting--;
  if (err == 0) {
    p->alive++;
    s->thread = thread;
    s->started = true;
  } else {
    p->fresh--;
    p->threads--;
    ti_pool_state_recount_locked(p);
    if (s != NULL) ti_list_push(&p->free, &s->link);
    if (none_left_locked(p) || ti_pool_state_ended_locked(p)) ti_cond_broadcast(&p->all_ended);
  }
  ti_cond_broadcast(&p->settled);
  return err;
}
