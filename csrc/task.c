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

static struct task *alloc(struct pool *pool, const struct mem *mem) {
  if (pool != NULL) return tide_pool_alloctask(pool);
  return (struct task *)tide_mem_new(mem, sizeof(struct task));
}

static void dealloc(struct task *t, struct pool *pool, const struct mem *mem) {
  if (pool != NULL)
    tide_pool_freetask(pool, t);
  else
    tide_mem_free(mem, t, sizeof *t);
}

/* NULL and true: it needs none; false: out of memory. */
static bool new_extras(const struct task_terms *terms, const struct mem *mem,
                       struct task_extras **out) {
  const char *name;
  size_t len;
  *out = NULL;
  if (terms == NULL || (terms->name == NULL && terms->time_limit == 0 && terms->memory_limit == 0 &&
                        terms->seeding == NULL))
    return true;
  name = terms->name != NULL ? terms->name : "";
  len = strlen(name) + 1;
  *out = (struct task_extras *)tide_mem_new(mem, sizeof **out + len);
  if (*out == NULL) return false;
  (*out)->time_limit = terms->time_limit;
  (*out)->memory_limit = terms->memory_limit;
  (*out)->seeded = terms->seeding != NULL;
  if (terms->seeding != NULL) (*out)->seeding = *terms->seeding;
  (*out)->size = sizeof **out + len;
  memcpy((*out)->name, name, len);
  return true;
}

struct task *tide_task_new(struct pool *pool, const struct mem *mem,
                           const struct task_terms *terms) {
  struct task *t = alloc(pool, mem);
  if (t == NULL) return NULL;
  if (!new_extras(terms, mem, &t->extras)) {
    dealloc(t, pool, mem);
    return NULL;
  }
  ref_init(&t->ref);
  t->pool = pool;
  if (pool != NULL)
    t->context = NULL;
  else
    t->mem = mem;
  fifo_node_init(&t->queued);
  t->watches = NULL;
  t->priority = terms != NULL ? terms->priority : 0;
  atomic_init(&t->state, TASK_PENDING);
  tide_bytelock_init(&t->lock);
  t->place = TASK_OUTSIDE;
  t->outcome = FAULT_NONE;
  tide_message_init(&t->msg, mem);
  if (pool != NULL) tide_pool_holdtask(pool);
  return t;
}

const struct mem *tide_task_mem(const struct task *t) {
  return t->pool != NULL ? tide_pool_mem(t->pool) : t->mem;
}

struct task *tide_task_hold(struct task *t) {
  ref_hold(&t->ref);
  return t;
}

void tide_task_rele(struct task *t) {
  const struct mem *mem;
  struct pool *pool;
  if (t == NULL || !ref_rele(&t->ref)) return;
  assert(t->watches == NULL && t->place != TASK_QUEUED);
  pool = t->pool;
  mem = tide_task_mem(t);
  tide_message_fini(&t->msg);
  if (pool != NULL && t->context != NULL) tide_pool_freecontext(pool, t->context);
  if (t->extras != NULL) tide_mem_free(mem, t->extras, t->extras->size);
  dealloc(t, pool, mem);
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

bool tide_task_begin(struct task *t, struct stop *stop) {
  bool mine;
  tide_bytelock_take(&t->lock);
  mine = tide_task_state(t) == TASK_PENDING;
  if (mine) {
    t->stop = stop;
    t->awaited = NULL;
    set_state_locked(t, TASK_RUNNING);
  }
  tide_bytelock_drop(&t->lock);
  return mine;
}

enum stop_answer tide_task_stop(struct task *t, int kind, struct stop **stop) {
  enum stop_answer answer = STOP_NOT;
  tide_bytelock_take(&t->lock);
  *stop = tide_task_state(t) == TASK_RUNNING ? t->stop : NULL;
  /* under the lock it has not finished, and its worker's stop is about it */
  if (*stop != NULL) answer = tide_stop_visit(*stop, kind);
  tide_bytelock_drop(&t->lock);
  return answer;
}

static void set_awaited(struct task *self, struct task *t) {
  tide_bytelock_take(&self->lock);
  self->awaited = t;
  tide_bytelock_drop(&self->lock);
}

/* What t waits for, with a reference, or NULL. */
static struct task *awaited_by(struct task *t) {
  struct task *next = NULL;
  tide_bytelock_take(&t->lock);
  /* the waiter has a reference until it has said under this lock that it waits no more */
  if (tide_task_state(t) == TASK_RUNNING && t->awaited != NULL) next = tide_task_hold(t->awaited);
  tide_bytelock_drop(&t->lock);
  return next;
}

/* The entry is made first, then the ring looked for: of those who close one, the last to make its entry sees
** all others. An entry stays until what is awaited is done, or the waiter is stopped; so links that
** are seen one after the other were there together. */
bool tide_task_await(struct task *self, struct task *t) {
  enum { FAR = 1000000 }; /* a ring that self is not in has no end */
  struct task *at;
  bool ring = false;
  set_awaited(self, t);
  if (t == NULL) return true;
  at = tide_task_hold(t);
  for (int i = 0; at != NULL && i < FAR; i++) {
    struct task *next = NULL;
    ring = at == self;
    if (!ring) next = awaited_by(at);
    tide_task_rele(at);
    at = next;
  }
  tide_task_rele(at);
  if (ring) set_awaited(self, NULL);
  return !ring;
}

/* --------------------------------------------------------------- watches -- */

/* The ring goes through the watches' links; the oldest is before the newest. */
static struct watch *next_of(const struct watch *w) {
  return TIDE_CONTAINER(w->link.next, struct watch, link);
}

static void ring_push(struct watch **oldest, struct watch *w) {
  assert(!fifo_linked(&w->link));
  if (*oldest == NULL) {
    w->link.next = w->link.prev = &w->link;
    *oldest = w;
  } else {
    w->link.next = &(*oldest)->link;
    w->link.prev = (*oldest)->link.prev;
    w->link.prev->next = w->link.next->prev = &w->link;
  }
}

static void ring_remove(struct watch **oldest, struct watch *w) {
  if (*oldest == w) *oldest = next_of(w) != w ? next_of(w) : NULL;
  fifo_remove(&w->link);
}

static bool failed(const struct task *t) {
  return tide_task_state(t) == TASK_FINISHED && t->outcome != FAULT_NONE;
}

/* Makes it done if its state is at most `latest`, with what *out holds as its message;
** the call that was there is in *out then. */
static bool settle(struct task *t, enum task_state latest, enum task_state to, int outcome,
                   struct message *out) {
  struct watch *flying, *w;
  struct message call;
  bool failure;
  tide_bytelock_take(&t->lock);
  if (tide_task_state(t) > latest) {
    tide_bytelock_drop(&t->lock);
    return false;
  }
  tide_message_move(&call, &t->msg);
  tide_message_move(&t->msg, out);
  t->outcome = (unsigned char)outcome;
  set_state_locked(t, to);
  flying = t->watches;
  t->watches = NULL;
  if ((w = flying) != NULL) do
      w->on_task = false;
    while ((w = next_of(w)) != flying);
  tide_bytelock_drop(&t->lock);
  /* before the news: who hears that it is done finds the call's parts released; and with
  ** no lock held, as that may release other tasks */
  tide_message_fini(&call);
  failure = failed(t);
  while ((w = flying) != NULL) {
    ring_remove(&flying, w);
    tide_watch_deliver(w, failure);
  }
  return true;
}

bool tide_task_cancel(struct task *t) {
  struct message none;
  tide_message_init(&none, tide_task_mem(t));
  return settle(t, TASK_PENDING, TASK_CANCELLED, FAULT_CANCELLED, &none);
}

bool tide_task_finish(struct task *t, int outcome, struct message *out) {
  struct message none;
  tide_message_init(&none, tide_task_mem(t));
  return settle(t, TASK_RUNNING, TASK_FINISHED, outcome, out != NULL ? out : &none);
}

bool tide_task_addwatch(struct task *t, struct watch *w) {
  bool pending;
  tide_bytelock_take(&t->lock);
  pending = !tide_task_done(t);
  if (pending) {
    ring_push(&t->watches, w);
    w->on_task = true;
  }
  tide_bytelock_drop(&t->lock);
  return pending;
}

bool tide_task_dropwatch(struct task *t, struct watch *w) {
  bool on;
  tide_bytelock_take(&t->lock);
  on = w->on_task;
  if (on) {
    ring_remove(&t->watches, w);
    w->on_task = false;
  }
  tide_bytelock_drop(&t->lock);
  return on;
}
