/*
** tidepool, floor 1: task, one submitted call and its outcome.
**
** Who makes a task done takes its watches off the list under the lock, lets the lock
** go, and delivers each of them. From then on it touches nothing but the task itself,
** on which it holds a reference.
**
** SPDX-License-Identifier: MIT
*/
#include "task.h"

#include <assert.h>
#include <string.h>

#include "mailbox.h"
#include "pool.h"

struct task *tide_task_new(struct pool *pool, const struct mem *mem, const char *name,
                           int priority) {
  struct task *t = (struct task *)tide_mem_zero(mem, sizeof *t);
  if (t == NULL) return NULL;
  ref_init(&t->ref);
  t->mem = mem;
  t->priority = priority;
  fifo_node_init(&t->queued);
  atomic_init(&t->state, TASK_PENDING);
  fifo_init(&t->watches);
  tide_message_init(&t->msg, mem);
  if (name != NULL) {
    size_t size = strlen(name) + 1;
    t->name = (char *)tide_mem_new(mem, size);
    if (t->name == NULL) goto fail;
    memcpy(t->name, name, size);
  }
  if (tide_lock_init(&t->lock) != 0) goto fail;
  t->pool = pool;
  if (pool != NULL) tide_pool_holdtask(pool);
  return t;
fail:
  if (t->name != NULL) tide_mem_free(mem, t->name, strlen(t->name) + 1);
  tide_mem_free(mem, t, sizeof *t);
  return NULL;
}

struct task *tide_task_hold(struct task *t) {
  ref_hold(&t->ref);
  return t;
}

void tide_task_rele(struct task *t) {
  struct pool *pool;
  if (t == NULL || !ref_rele(&t->ref)) return;
  assert(fifo_empty(&t->watches) && t->level == NULL);
  pool = t->pool;
  tide_message_fini(&t->msg);
  if (t->free_context != NULL) t->free_context(t->context);
  if (t->name != NULL) tide_mem_free(t->mem, t->name, strlen(t->name) + 1);
  tide_lock_fini(&t->lock);
  tide_mem_free(t->mem, t, sizeof *t);
  /* last: the memory may belong to who owns the pool */
  if (pool != NULL) tide_pool_reletask(pool);
}

/* The only writer of `state`; see the picture in task.h. */
static void set_state_locked(struct task *t, enum task_state to) {
  enum task_state from = tide_task_state(t);
  assert((from == TASK_PENDING && to != TASK_PENDING) ||
         (from == TASK_RUNNING && to == TASK_FINISHED));
  (void)from;
  /* release: pairs with the acquire in tide_task_state, so who sees it done sees the outcome */
  atomic_store_explicit(&t->state, (unsigned char)to, memory_order_release);
}

bool tide_task_begin(struct task *t) {
  bool mine;
  tide_lock_take(&t->lock);
  mine = tide_task_state(t) == TASK_PENDING;
  if (mine) set_state_locked(t, TASK_RUNNING);
  tide_lock_drop(&t->lock);
  return mine;
}

static bool failed(const struct task *t) {
  return tide_task_state(t) == TASK_FINISHED && t->outcome != FAULT_NONE;
}

/* Makes it done if its state is at most `latest`, with what *out holds as its message;
** the call that was there is in *out then. */
static bool settle(struct task *t, enum task_state latest, enum task_state to, int outcome,
                   struct message *out) {
  struct fifo flying;
  struct fifo_node *n;
  struct message call;
  bool failure;
  fifo_init(&flying);
  tide_lock_take(&t->lock);
  if (tide_task_state(t) > latest) {
    tide_lock_drop(&t->lock);
    return false;
  }
  call = t->msg;
  t->msg = *out;
  t->outcome = outcome;
  set_state_locked(t, to);
  for (n = t->watches.head.next; n != &t->watches.head; n = n->next)
    TIDE_CONTAINER(n, struct watch, link)->on_task = false;
  fifo_splice(&flying, &t->watches);
  tide_lock_drop(&t->lock);
  /* before the news: who hears that it is done finds the call's parts released; and with
  ** no lock held, as that may release other tasks */
  tide_message_fini(&call);
  *out = call;
  failure = failed(t);
  while ((n = fifo_pop(&flying)) != NULL)
    tide_watch_deliver(TIDE_CONTAINER(n, struct watch, link), failure);
  return true;
}

bool tide_task_cancel(struct task *t) {
  struct message none;
  tide_message_init(&none, t->mem);
  return settle(t, TASK_PENDING, TASK_CANCELLED, FAULT_CANCELLED, &none);
}

bool tide_task_finish(struct task *t, int outcome, struct message *out) {
  struct message none;
  tide_message_init(&none, t->mem);
  return settle(t, TASK_RUNNING, TASK_FINISHED, outcome, out != NULL ? out : &none);
}

bool tide_task_addwatch(struct task *t, struct watch *w) {
  bool pending;
  tide_lock_take(&t->lock);
  pending = !tide_task_done(t);
  if (pending) {
    fifo_push(&t->watches, &w->link);
    w->on_task = true;
  }
  tide_lock_drop(&t->lock);
  return pending;
}

bool tide_task_dropwatch(struct task *t, struct watch *w) {
  bool on;
  tide_lock_take(&t->lock);
  on = w->on_task;
  if (on) {
    fifo_remove(&w->link);
    w->on_task = false;
  }
  tide_lock_drop(&t->lock);
  return on;
}
