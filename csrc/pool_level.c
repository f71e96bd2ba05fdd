/*
** tidepool, floor 1: pool_level, the workers of a thread, and running one task in one of them.
**
** A task that waits for another one of its pool that is still queued has its thread run it, in
** the level above: so tasks may wait for tasks, to any depth and with one thread, and a state whose
** task waits is touched by no other. Only what is waited for is run there: nothing else could keep
** the waiting task from going on.
**
** Invariants and lock: pool_own.h. Never holds the lock in runner functions or deliveries.
**
** SPDX-License-Identifier: MIT
*/
#include <assert.h>
#include <string.h>

#include "pool_own.h"

/* ------------------------------------------------------------ running a task -- */

/* t, out of the queue, runs in this level's worker from now on. */
void tide_level_begin_locked(struct pool *p, struct level *l, struct task *t) {
  t->place = TASK_TAKEN;
  p->running++;
  l->task = t;
  l->told = false;
}

static sys_time time_limit(const struct pool *p, const struct task *t) {
  return t->extras != NULL && t->extras->time_limit > 0 ? t->extras->time_limit : p->cfg.time_limit;
}

/* Calls the runner, with what stops the task in place around it. */
static int run_guarded(struct pool *p, void *worker, struct task *t, struct stop *stop,
                       struct message *out) {
  sys_time limit = time_limit(p, t);
  int outcome, kind;
  if (limit > 0) tide_watchdog_limit(&p->dog, stop, tide_now() + limit, FAULT_TIME_LIMIT);
  outcome = p->runner.run(worker, t, out);
  /* The task forked, and its child came back: nobody is here who waits for the outcome, and what is
  ** queued is the parent's to run. The end of its only thread is that of the child. */
  if (tide_mark_lost(&p->mark)) tide_mark_leave();
  kind = tide_stop_close(stop);
  if (limit > 0 || kind != FAULT_NONE) tide_watchdog_leave(&p->dog, stop);
  if (kind != FAULT_NONE && outcome != kind) { /* the runner did not look */
    tide_message_fini(out);
    tide_message_init(out, tide_task_mem(t));
    outcome = kind;
  }
  return outcome;
}

/* Runs t: true and its outcome, or false if it was cancelled behind the pool's back. The call is
** released here: who sees that a task is done finds it gone. */
bool tide_level_run(struct pool *p, struct level *l, struct task *t, int *outcome,
                    struct message *out) {
  *outcome = FAULT_NONE;
  tide_message_init(out, tide_task_mem(t));
  tide_bell_refresh(&l->slot->bell);
  tide_stop_open(&l->stop);
  if (!tide_task_begin(t, &l->stop)) {
    (void)tide_stop_close(&l->stop); /* nobody can have asked: it is found through a running task */
    return false;
  }
  *outcome = run_guarded(p, l->worker, t, &l->stop, out);
  if (out->bytes.failed) {
    tide_message_fini(out);
    tide_message_init(out, tide_task_mem(t));
    if (*outcome == FAULT_NONE || *outcome == FAULT_ERROR) *outcome = FAULT_NOMEM;
  }
  tide_message_fini(&t->msg);
  return true;
}

/* Its task has run: accounts for it. */
void tide_level_end_locked(struct pool *p, struct level *l, bool begun, int outcome) {
  p->running--;
  l->task = NULL;
  if (!begun)
    p->cancelled++;
  else
    p->finished++;
  if (outcome != FAULT_NONE) p->failed++;
  tide_pool_room_locked(p);
}

/* Lets all know that it has, and gives its reference back. */
void tide_level_deliver(struct task *t, bool begun, int outcome, struct message *out) {
  if (begun) {
    bool mine = tide_task_finish(t, outcome, out);
    assert(mine); /* nobody else finishes a running task of a pool */
    (void)mine;
  }
  tide_message_fini(out);
  tide_task_rele(t);
}

bool tide_level_worn(const struct pool *p, const struct level *l) {
  return p->runner.worn != NULL && p->runner.worn(l->worker);
}

/* ---------------------------------------------------------------- break -- */

static void put_text(struct bytes *b, const char *s, size_t len) {
  tide_bytes_put_varint(b, len);
  tide_bytes_put(b, s, len);
}

static void fail_broken(struct task *t, const char *why, size_t len) {
  struct message out;
  tide_message_init(&out, tide_task_mem(t));
  put_text(&out.bytes, why, len);
  put_text(&out.bytes, "", 0); /* no traceback */
  if (out.bytes.failed) {
    tide_message_fini(&out);
    tide_message_init(&out, tide_task_mem(t));
  }
  /* false if it was cancelled behind the pool's back: it is done either way */
  tide_task_finish(t, FAULT_BROKEN, &out);
  tide_message_fini(&out);
  tide_task_rele(t);
}

/* The caller still counts as alive, or as an errand, so no wait ends before the failures are delivered. */
void tide_pool_break(struct pool *p, char *why, size_t whysize) {
  struct fifo doomed;
  struct fifo_node *n;
  struct task *t;
  const char *message;
  size_t len;
  assert(whysize > 0 && why[whysize - 1] == '\0');
  fifo_init(&doomed);
  tide_lock_take(&p->lock);
  if (p->state != POOL_BROKEN) {
    p->state = POOL_BROKEN;
    p->why = why;
    p->whysize = whysize;
    why = NULL;
  }
  message = p->why;
  len = p->whysize - 1;
  while ((t = tide_queue_pop(&p->queue)) != NULL) {
    t->place = TASK_TAKEN;
    p->finished++;
    p->failed++;
    fifo_push(&doomed, &t->queued);
  }
  tide_pool_news(p);
  tide_pool_wakeall_locked(p);
  tide_cond_broadcast(&p->room);
  tide_cond_broadcast(&p->quiet);
  tide_pool_check_locked(p);
  tide_lock_drop(&p->lock);
  tide_mem_free(p->mem, why, whysize);
  while ((n = fifo_pop(&doomed)) != NULL)
    fail_broken(TIDE_CONTAINER(n, struct task, queued), message, len);
}

/* There was no memory to open a worker, which may pass: the pool is not broken. Other threads serve
** the queue, as when one cannot be started; the only one that could fails the next task, so that
** nobody waits for memory that never comes. That task, to be failed with the lock free; or NULL. */
struct task *tide_level_starve_locked(struct pool *p) {
  struct task *t = p->alive + p->starting - p->away == 1 ? tide_queue_pop(&p->queue) : NULL;
  if (t == NULL) return NULL;
  t->place = TASK_TAKEN;
  p->finished++;
  p->failed++;
  tide_pool_room_locked(p);
  return t;
}

/* -------------------------------------------------------- opening, closing -- */

/* Before and after a worker is opened or closed, which tide_pool_interruptall reaches too. */
static void upkeep(struct pool *p, struct level *l, bool ask) {
  bool told;
  tide_bell_refresh(&l->slot->bell);
  tide_lock_take(&p->lock);
  tide_stop_open(&l->stop);
  l->upkeep = true;
  told = (ask || p->haste) && tide_stop_visit(&l->stop, FAULT_INTERRUPTED) == STOP_TOLD;
  tide_lock_drop(&p->lock);
  if (told) tide_watchdog_chase(&p->dog, &l->stop);
}

static void upkeep_done(struct pool *p, struct level *l) {
  int kind;
  tide_lock_take(&p->lock);
  l->upkeep = false;
  kind = tide_stop_close(&l->stop);
  tide_lock_drop(&p->lock);
  if (kind != FAULT_NONE) tide_watchdog_leave(&p->dog, &l->stop);
}

/* Opens the level's worker. False: the pool is broken now, or (*starved) there was no memory. */
bool tide_level_open(struct pool *p, struct level *l, bool *starved) {
  char *why = NULL;
  size_t whysize = 0;
  upkeep(p, l, false);
  l->worker = p->runner.open(p->ud, l->slot->index, &l->stop, &why, &whysize);
  upkeep_done(p, l);
  *starved = l->worker == NULL && why == NULL;
  if (why != NULL) tide_pool_break(p, why, whysize);
  return l->worker != NULL;
}

void tide_level_close(struct pool *p, struct level *l) {
  if (l->worker == NULL) return;
  upkeep(p, l, p->runner.tainted != NULL && p->runner.tainted(l->worker));
  p->runner.close(l->worker);
  l->worker = NULL;
  upkeep_done(p, l);
}

void tide_level_closeabove(struct pool *p, struct level *l, int depth) {
  while (l->depth < depth && l->above != NULL) l = l->above;
  while (l->above != NULL) {
    struct level *below = l, *top = l->above;
    while (top->above != NULL) below = top, top = top->above;
    tide_level_close(p, top);
    tide_lock_take(&p->lock);
    below->above = NULL;
    tide_lock_drop(&p->lock);
    tide_stop_fini(&top->stop);
    tide_mem_free(p->mem, top, sizeof *top);
  }
}

/* ------------------------------------------------------------ the level above -- */

/* That of l, with an open worker; NULL: not here. */
static struct level *level_above(struct pool *p, struct level *l) {
  struct level *up = l->above;
  bool starved;
  /* Lua code there has as much as on the least stack, also when what it calls packs a deep value. */
  if (tide_thread_room(NULL) < SYS_STACK_LEAST) return NULL;
  if (up == NULL) {
    up = (struct level *)tide_mem_zero(p->mem, sizeof *up);
    if (up == NULL) return NULL;
    tide_stop_init(&up->stop, &l->slot->bell);
    up->slot = l->slot;
    up->depth = l->depth + 1;
    tide_lock_take(&p->lock);
    l->above = up;
    tide_lock_drop(&p->lock);
  }
  return up->worker != NULL || tide_level_open(p, up, &starved) ? up : NULL;
}

struct task *tide_pool_taskof(struct stop *self) {
  return TIDE_CONTAINER(self, struct level, stop)->task; /* only this thread writes it */
}

/* t, out of the queue, begins in the level `up` of the calling thread. */
static void begin_above_locked(struct pool *p, struct level *up, struct task *t) {
  tide_level_begin_locked(p, up, t);
  p->waiting++;
  tide_pool_room_locked(p);
}

/* Runs it, and gives its reference back. */
static void run_above(struct pool *p, struct level *up, struct task *t) {
  struct message out;
  int outcome;
  bool begun = tide_level_run(p, up, t, &outcome, &out);
  if (tide_level_worn(p, up)) tide_level_close(p, up);
  tide_lock_take(&p->lock);
  tide_level_end_locked(p, up, begun, outcome);
  p->waiting--;
  tide_pool_check_locked(p);
  tide_lock_drop(&p->lock);
  tide_level_deliver(t, begun, outcome, &out);
}

bool tide_pool_runhere(struct pool *p, struct stop *self, struct task *t) {
  struct level *l = TIDE_CONTAINER(self, struct level, stop), *up;
  bool taken;
  if (t->pool != p || tide_task_state(t) != TASK_PENDING) return false;
  up = level_above(p, l);
  if (up == NULL) return false;
  tide_lock_take(&p->lock);
  while (t->place == TASK_QUEUED && tide_stop_asked(self) == FAULT_NONE && tide_pool_held_locked(p))
    tide_cond_wait(&l->slot->wake, &p->lock, tide_deadline(POOL_HELD_SLICE));
  taken = tide_queue_remove(&p->queue, t);
  if (taken) begin_above_locked(p, up, t);
  tide_pool_check_locked(p);
  tide_lock_drop(&p->lock);
  if (taken) run_above(p, up, t);
  return taken;
}

/* The pool is stranded, and t (NULL: anything) is queued. */
static bool helpful_locked(const struct pool *p, const struct task *t) {
  return tide_pool_stranded_locked(p) && !tide_pool_held_locked(p) &&
         (t == NULL || t->place == TASK_QUEUED);
}

bool tide_pool_help(struct pool *p, struct stop *self, struct task *t, enum absence *how) {
  struct level *l = TIDE_CONTAINER(self, struct level, stop), *up;
  bool helps;
  if (t != NULL && t->pool != p) return false;
  tide_lock_take(&p->lock);
  helps = helpful_locked(p, t);
  tide_lock_drop(&p->lock);
  up = helps ? level_above(p, l) : NULL;
  if (up == NULL) return false;
  tide_lock_take(&p->lock);
  helps = helpful_locked(p, t);
  if (helps) {
    if (t == NULL)
      t = tide_queue_pop(&p->queue);
    else
      (void)tide_queue_remove(&p->queue, t);
    tide_pool_count_locked(p, *how, -1);
    begin_above_locked(p, up, t);
  }
  tide_pool_check_locked(p);
  tide_lock_drop(&p->lock);
  if (!helps) return false;
  *how = ABSENCE_NONE;
  tide_task_hold(t);                 /* as long as it is awaited */
  (void)tide_task_await(l->task, t); /* no ring: t has not begun, and waits for nothing yet */
  run_above(p, up, t);
  (void)tide_task_await(l->task, NULL);
  tide_task_rele(t);
  return true;
}
