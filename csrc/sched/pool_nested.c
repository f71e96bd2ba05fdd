/*
** sched/pool_nested: the workers of a thread, and running one task in one of them.
**
** If a task waits for a queued task of its pool, its thread runs that one in a nested worker, the
** one above. Tasks may therefore wait for tasks to any depth, with one thread. No other thread uses
** the state of a task that waits. Only the awaited task runs there: anything else could keep the
** waiting task from continuing.
**
** pool_state.h has the invariants and the lock, which is never held in runner functions or
** notifications.
**
** SPDX-License-Identifier: MIT
*/
#include "sched/pool_nested.h"

#include <assert.h>
#include <string.h>

#include "sched/pool_state.h"
#include "platform/clock.h"
#include "platform/cond.h"
#include "platform/mutex.h"
#include "platform/thread.h"

/* ------------------------------------------------------------ running a task -- */

void ti_pool_nested_begin_locked(struct ti_pool *p, struct ti_nested_worker *w, struct ti_task *t) {
  t->place = TASK_TAKEN;
  p->running++;
  w->task = t;
  w->interrupted = false;
}

static ti_time time_limit(const struct ti_pool *p, const struct ti_task *t) {
  return t->options != NULL && t->options->time_limit > 0 ? t->options->time_limit
                                                          : p->cfg.time_limit;
}

/* Calls the runner, with the time limit in force and the token open. */
static int run_guarded(struct ti_pool *p, void *worker, struct ti_task *t,
                       struct ti_stop_token *stop, struct ti_message *out) {
  ti_time limit = time_limit(p, t);
  int outcome, kind;
  if (limit > 0) ti_watchdog_limit(&p->watchdog, stop, ti_clock_now() + limit, TIDE_ETIMELIMIT);
  outcome = p->runner.run(worker, t, out);
  /* The task forked, and this is its child. No thread here waits for the outcome, and queued tasks
  ** are the parent's to run. The child ends with its only thread. */
  if (ti_fork_guard_forked(&p->fork_guard)) ti_fork_guard_leave();
  kind = ti_stop_token_close(stop);
  if (limit > 0 || kind != TIDE_OK) ti_watchdog_remove(&p->watchdog, stop);
  if (kind != TIDE_OK && outcome != kind) { /* the runner did not check its token */
    ti_message_fini(out);
    ti_message_init(out, ti_task_mem(t));
    outcome = kind;
  }
  return outcome;
}

/* The call is freed here: a thread that sees the task done finds it gone. */
bool ti_pool_nested_run(struct ti_pool *p, struct ti_nested_worker *w, struct ti_task *t,
                        int *outcome, struct ti_message *out) {
  *outcome = TIDE_OK;
  ti_message_init(out, ti_task_mem(t));
  ti_stop_token_refresh_signals(&w->thread->target);
  ti_stop_token_open(&w->stop);
  if (!ti_task_begin(t, &w->stop)) {
    /* no request can have come: requesters find the token through a running task */
    (void)ti_stop_token_close(&w->stop);
    return false;
  }
  *outcome = run_guarded(p, w->worker, t, &w->stop, out);
  if (out->bytes.failed) {
    ti_message_fini(out);
    ti_message_init(out, ti_task_mem(t));
    if (*outcome == TIDE_OK || *outcome == TIDE_EERROR) *outcome = TIDE_ENOMEM;
  }
  ti_message_fini(&t->msg);
  return true;
}

void ti_pool_nested_end_locked(struct ti_pool *p, struct ti_nested_worker *w, bool begun,
                               int outcome) {
  p->running--;
  w->task = NULL;
  if (!begun)
    p->cancelled++;
  else
    p->finished++;
  if (outcome != TIDE_OK) p->failed++;
  ti_pool_state_signal_not_full_locked(p);
}

void ti_pool_nested_deliver(struct ti_task *t, bool begun, int outcome, struct ti_message *out) {
  if (begun) {
    bool mine = ti_task_finish(t, outcome, out);
    /* no other thread finishes a running task of a pool */
    assert(mine);
    (void)mine;
  }
  ti_message_fini(out);
  ti_task_release(t);
}

bool ti_pool_nested_needs_replacing(const struct ti_pool *p, const struct ti_nested_worker *w) {
  return p->runner.needs_replacing != NULL && p->runner.needs_replacing(w->worker);
}

/* ---------------------------------------------------------------- break -- */

static void put_text(struct ti_buffer *b, const char *s, size_t len) {
  ti_buffer_put_varint(b, len);
  ti_buffer_put(b, s, len);
}

static void fail_broken(struct ti_task *t, const char *why, size_t len) {
  struct ti_message out;
  ti_message_init(&out, ti_task_mem(t));
  put_text(&out.bytes, why, len);
  put_text(&out.bytes, "", 0); /* no traceback */
  if (out.bytes.failed) {
    ti_message_fini(&out);
    ti_message_init(&out, ti_task_mem(t));
  }
  /* false if it was cancelled without the pool: it is done either way */
  ti_task_finish(t, TIDE_EBROKEN, &out);
  ti_message_fini(&out);
  ti_task_release(t);
}

/* The caller still counts as alive, or in `deliveries`, so no wait for the pool's end returns
** before the failures are delivered. */
void ti_pool_nested_break(struct ti_pool *p, char *why, size_t whysize) {
  struct ti_list removed;
  struct ti_list_node *n;
  struct ti_task *t;
  const char *message;
  size_t len;
  assert(whysize > 0 && why[whysize - 1] == '\0');
  ti_list_init(&removed);
  ti_mutex_lock(&p->lock);
  if (p->state != POOL_BROKEN) {
    p->state = POOL_BROKEN;
    p->why = why;
    p->whysize = whysize;
    why = NULL;
  }
  message = p->why;
  len = p->whysize - 1;
  while ((t = ti_task_queue_pop(&p->queue)) != NULL) {
    t->place = TASK_TAKEN;
    p->finished++;
    p->failed++;
    ti_list_push(&removed, &t->queued);
  }
  ti_pool_state_advance_wake_sequence(p);
  ti_pool_state_wake_all_locked(p);
  ti_cond_broadcast(&p->not_full);
  ti_cond_broadcast(&p->all_ended);
  ti_pool_state_check_locked(p);
  ti_mutex_unlock(&p->lock);
  ti_alloc_free(p->mem, why, whysize);
  while ((n = ti_list_pop(&removed)) != NULL)
    fail_broken(TI_CONTAINER(n, struct ti_task, queued), message, len);
}

/* Lack of memory may pass, so it does not break the pool. Other threads serve the queue, as when
** one cannot be started. If this is the only one that could, the next task fails: its waiters must
** not wait for memory that never comes. */
struct ti_task *ti_pool_nested_out_of_memory_locked(struct ti_pool *p) {
  struct ti_task *t =
      p->alive + p->starting - p->blocked == 1 ? ti_task_queue_pop(&p->queue) : NULL;
  if (t == NULL) return NULL;
  t->place = TASK_TAKEN;
  p->finished++;
  p->failed++;
  ti_pool_state_signal_not_full_locked(p);
  return t;
}

/* -------------------------------------------------------- opening, closing -- */

/* Opens the token around the opening or closing of a worker, which ti_pool_cancel_interrupt_all may
** interrupt too. With `stop_now` it is requested to end at once. */
static void begin_opening_or_closing(struct ti_pool *p, struct ti_nested_worker *w, bool stop_now) {
  bool requested;
  ti_stop_token_refresh_signals(&w->thread->target);
  ti_mutex_lock(&p->lock);
  ti_stop_token_open(&w->stop);
  w->opening_or_closing = true;
  requested = (stop_now || p->interrupt_all) &&
              ti_stop_token_pin(&w->stop, TIDE_EINTERRUPTED) == STOP_REQUESTED;
  ti_mutex_unlock(&p->lock);
  if (requested) ti_watchdog_keep_signalling(&p->watchdog, &w->stop);
}

static void end_opening_or_closing(struct ti_pool *p, struct ti_nested_worker *w) {
  int kind;
  ti_mutex_lock(&p->lock);
  w->opening_or_closing = false;
  kind = ti_stop_token_close(&w->stop);
  ti_mutex_unlock(&p->lock);
  if (kind != TIDE_OK) ti_watchdog_remove(&p->watchdog, &w->stop);
}

bool ti_pool_nested_open(struct ti_pool *p, struct ti_nested_worker *w, bool *no_memory) {
  char *why = NULL;
  size_t whysize = 0;
  begin_opening_or_closing(p, w, false);
  w->worker = p->runner.open(p->ud, w->thread->index, &w->stop, &why, &whysize);
  end_opening_or_closing(p, w);
  *no_memory = w->worker == NULL && why == NULL;
  if (why != NULL) ti_pool_nested_break(p, why, whysize);
  return w->worker != NULL;
}

void ti_pool_nested_close(struct ti_pool *p, struct ti_nested_worker *w) {
  if (w->worker == NULL) return;
  begin_opening_or_closing(
      p, w, p->runner.stopped_in_finalizer != NULL && p->runner.stopped_in_finalizer(w->worker));
  p->runner.close(w->worker);
  w->worker = NULL;
  end_opening_or_closing(p, w);
}

void ti_pool_nested_close_above(struct ti_pool *p, struct ti_nested_worker *w, int depth) {
  while (w->depth < depth && w->above != NULL) w = w->above;
  while (w->above != NULL) {
    struct ti_nested_worker *below = w, *top = w->above;
    while (top->above != NULL) below = top, top = top->above;
    ti_pool_nested_close(p, top);
    ti_mutex_lock(&p->lock);
    below->above = NULL;
    ti_mutex_unlock(&p->lock);
    ti_stop_token_fini(&top->stop);
    ti_alloc_free(p->mem, top, sizeof *top);
  }
}

/* -------------------------------------------------------- the nested worker -- */

/* Returns the worker above w, which is open; NULL if it cannot be had: no memory, or too little C
** stack. */
static struct ti_nested_worker *nested_above(struct ti_pool *p, struct ti_nested_worker *w) {
  struct ti_nested_worker *up = w->above;
  bool no_memory;
  /* Lua code there needs as much as on the smallest stack, also when a function that it calls packs
  ** a deep value. */
  if (ti_thread_stack_room(NULL) < TI_THREAD_STACK_LEAST) return NULL;
  if (up == NULL) {
    up = (struct ti_nested_worker *)ti_alloc_zero(p->mem, sizeof *up);
    if (up == NULL) return NULL;
    ti_stop_token_init(&up->stop, &w->thread->target);
    up->thread = w->thread;
    up->depth = w->depth + 1;
    ti_mutex_lock(&p->lock);
    w->above = up;
    ti_mutex_unlock(&p->lock);
  }
  return up->worker != NULL || ti_pool_nested_open(p, up, &no_memory) ? up : NULL;
}

struct ti_task *ti_pool_nested_task_of(struct ti_stop_token *self) {
  return TI_CONTAINER(self, struct ti_nested_worker, stop)->task; /* only this thread writes it */
}

/* Enters that t, taken from the queue, runs in `up`, a worker of the calling thread. */
static void begin_above_locked(struct ti_pool *p, struct ti_nested_worker *up, struct ti_task *t) {
  ti_pool_nested_begin_locked(p, up, t);
  p->waiting++;
  ti_pool_state_signal_not_full_locked(p);
}

/* Runs t there, and releases the thread's reference. */
static void run_above(struct ti_pool *p, struct ti_nested_worker *up, struct ti_task *t) {
  struct ti_message out;
  int outcome;
  bool begun = ti_pool_nested_run(p, up, t, &outcome, &out);
  if (ti_pool_nested_needs_replacing(p, up)) ti_pool_nested_close(p, up);
  ti_mutex_lock(&p->lock);
  ti_pool_nested_end_locked(p, up, begun, outcome);
  p->waiting--;
  ti_pool_state_check_locked(p);
  ti_mutex_unlock(&p->lock);
  ti_pool_nested_deliver(t, begun, outcome, &out);
}

bool ti_pool_nested_run_inline(struct ti_pool *p, struct ti_stop_token *self, struct ti_task *t) {
  struct ti_nested_worker *w = TI_CONTAINER(self, struct ti_nested_worker, stop), *up;
  bool taken;
  if (t->home != &p->home || ti_task_state(t) != TIDE_PENDING) return false;
  up = nested_above(p, w);
  if (up == NULL) return false;
  ti_mutex_lock(&p->lock);
  while (t->place == TASK_QUEUED && ti_stop_token_requested(self) == TIDE_OK &&
         ti_pool_state_held_locked(p))
    ti_cond_wait(&w->thread->wake, &p->lock, ti_clock_deadline(POOL_HELD_SLICE));
  taken = ti_task_queue_remove(&p->queue, t);
  if (taken) begin_above_locked(p, up, t);
  ti_pool_state_check_locked(p);
  ti_mutex_unlock(&p->lock);
  if (taken) run_above(p, up, t);
  return taken;
}

/* Returns whether the pool cannot be served and t (NULL: anything) is queued. */
static bool can_help_locked(const struct ti_pool *p, const struct ti_task *t) {
  return ti_pool_state_unservable_locked(p) && !ti_pool_state_held_locked(p) &&
         (t == NULL || t->place == TASK_QUEUED);
}

bool ti_pool_nested_help(struct ti_pool *p, struct ti_stop_token *self, struct ti_task *t,
                         enum ti_pool_block *how) {
  struct ti_nested_worker *w = TI_CONTAINER(self, struct ti_nested_worker, stop), *up;
  bool helps;
  if (t != NULL && t->home != &p->home) return false;
  ti_mutex_lock(&p->lock);
  helps = can_help_locked(p, t);
  ti_mutex_unlock(&p->lock);
  up = helps ? nested_above(p, w) : NULL;
  if (up == NULL) return false;
  ti_mutex_lock(&p->lock);
  helps = can_help_locked(p, t);
  if (helps) {
    if (t == NULL)
      t = ti_task_queue_pop(&p->queue);
    else
      (void)ti_task_queue_remove(&p->queue, t);
    ti_pool_state_count_locked(p, *how, -1);
    begin_above_locked(p, up, t);
  }
  ti_pool_state_check_locked(p);
  ti_mutex_unlock(&p->lock);
  if (!helps) return false;
  *how = BLOCK_NONE;
  ti_task_hold(t);                 /* as long as it is awaited */
  (void)ti_task_await(w->task, t); /* no ring: t has not begun and waits for nothing */
  run_above(p, up, t);
  (void)ti_task_await(w->task, NULL);
  ti_task_release(t);
  return true;
}
