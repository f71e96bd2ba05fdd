/*
** sched/task: one submitted call and its outcome.
**
** The thread that makes a task done takes its waiters off the list under the lock, releases the
** lock and notifies each of them. It then accesses nothing but the task, on which it holds a
** reference.
**
** SPDX-License-Identifier: MIT
*/
#include "sched/task.h"
#include "platform/byte_lock.h"

#include <assert.h>
#include <string.h>

static void dealloc(struct ti_task *t, struct ti_task_home *home, const struct ti_alloc *mem) {
  if (home != NULL)
    home->free(home, t);
  else
    ti_alloc_free(mem, t, sizeof *t);
}

/* Stores the options that few tasks have in *out, NULL if it has none. Returns false if out of
** memory. */
static bool store_options(const struct ti_task_options *options, const struct ti_alloc *mem,
                          struct ti_task_stored_options **out) {
  const char *name;
  size_t len;
  *out = NULL;
  if (options == NULL || (options->name == NULL && options->time_limit == 0 &&
                          options->memory_limit == 0 && options->seeding == NULL))
    return true;
  name = options->name != NULL ? options->name : "";
  len = strlen(name) + 1;
  *out = (struct ti_task_stored_options *)ti_alloc_new(mem, sizeof **out + len);
  if (*out == NULL) return false;
  (*out)->time_limit = options->time_limit;
  (*out)->memory_limit = options->memory_limit;
  (*out)->seeded = options->seeding != NULL;
  if (options->seeding != NULL) (*out)->seeding = *options->seeding;
  (*out)->size = sizeof **out + len;
  memcpy((*out)->name, name, len);
  return true;
}

struct ti_task *ti_task_new(struct ti_task_home *home, const struct ti_alloc *mem,
                            const struct ti_task_options *options) {
  struct ti_task *t =
      home != NULL ? home->alloc(home) : (struct ti_task *)ti_alloc_new(mem, sizeof *t);
  if (t == NULL) return NULL;
  if (!store_options(options, mem, &t->options)) {
    dealloc(t, home, mem);
    return NULL;
  }
  ti_refcount_init(&t->ref);
  t->home = home;
  if (home != NULL)
    t->context = NULL;
  else
    t->mem = mem;
  ti_list_node_init(&t->queued);
  t->waiters = NULL;
  t->priority = options != NULL ? options->priority : 0;
  atomic_init(&t->state, TIDE_PENDING);
  ti_byte_lock_init(&t->lock);
  t->place = TASK_OUTSIDE;
  t->outcome = TIDE_OK;
  ti_message_init(&t->msg, mem);
  if (home != NULL) home->hold(home);
  return t;
}

const struct ti_alloc *ti_task_mem(const struct ti_task *t) {
  return t->home != NULL ? t->home->mem : t->mem;
}

struct ti_task *ti_task_hold(struct ti_task *t) {
  ti_refcount_hold(&t->ref);
  return t;
}

void ti_task_release(struct ti_task *t) {
  const struct ti_alloc *mem;
  struct ti_task_home *home;
  if (t == NULL || !ti_refcount_release(&t->ref)) return;
  assert(t->waiters == NULL && t->place != TASK_QUEUED);
  home = t->home;
  mem = ti_task_mem(t);
  ti_message_fini(&t->msg);
  if (home != NULL && home->free_context != NULL && t->context != NULL)
    home->free_context(t->context);
  if (t->options != NULL) ti_alloc_free(mem, t->options, t->options->size);
  dealloc(t, home, mem);
  /* last: the memory may belong to the owner of the pool */
  if (home != NULL) home->release(home);
}

/* The only writer of `state`; task.h has the transitions. */
static void set_state_locked(struct ti_task *t, tide_status to) {
  tide_status from = ti_task_state(t);
  assert((from == TIDE_PENDING && to != TIDE_PENDING) ||
         (from == TIDE_RUNNING && to == TIDE_FINISHED));
  (void)from;
  /* release: pairs with the acquire in ti_task_state, so a reader of "done" sees the outcome */
  atomic_store_explicit(&t->state, (unsigned char)to, memory_order_release);
}

bool ti_task_begin(struct ti_task *t, struct ti_stop_token *stop) {
  bool mine;
  ti_byte_lock_lock(&t->lock);
  mine = ti_task_state(t) == TIDE_PENDING;
  if (mine) {
    t->stop = stop;
    t->awaited = NULL;
    set_state_locked(t, TIDE_RUNNING);
  }
  ti_byte_lock_unlock(&t->lock);
  return mine;
}

enum ti_stop_pin_result ti_task_stop(struct ti_task *t, int kind, struct ti_stop_token **stop) {
  enum ti_stop_pin_result result = STOP_TOO_LATE;
  ti_byte_lock_lock(&t->lock);
  *stop = ti_task_state(t) == TIDE_RUNNING ? t->stop : NULL;
  /* under the lock it has not finished, and the token is about this task */
  if (*stop != NULL) result = ti_stop_token_pin(*stop, kind);
  ti_byte_lock_unlock(&t->lock);
  return result;
}

static void set_awaited(struct ti_task *self, struct ti_task *t) {
  ti_byte_lock_lock(&self->lock);
  self->awaited = t;
  ti_byte_lock_unlock(&self->lock);
}

/* Returns what t waits for, with a reference, or NULL. */
static struct ti_task *awaited_by(struct ti_task *t) {
  struct ti_task *next = NULL;
  ti_byte_lock_lock(&t->lock);
  /* its waiter holds a reference until it has removed the entry under this lock */
  if (ti_task_state(t) == TIDE_RUNNING && t->awaited != NULL) next = ti_task_hold(t->awaited);
  ti_byte_lock_unlock(&t->lock);
  return next;
}

/* The entry is made before the search for a ring. Of the tasks that close a ring, the last one to
** make its entry sees all others. An entry stays until the awaited task is done or its waiter is
** stopped, so entries that are seen one after the other existed together. */
bool ti_task_await(struct ti_task *self, struct ti_task *t) {
  enum { FAR = 1000000 }; /* bounds the search in a ring without self */
  struct ti_task *at;
  bool ring = false;
  set_awaited(self, t);
  if (t == NULL) return true;
  at = ti_task_hold(t);
  for (int i = 0; at != NULL && i < FAR; i++) {
    struct ti_task *next = NULL;
    ring = at == self;
    if (!ring) next = awaited_by(at);
    ti_task_release(at);
    at = next;
  }
  ti_task_release(at);
  if (ring) set_awaited(self, NULL);
  return !ring;
}

/* -------------------------------------------------------------- waiters -- */

/* The waiters form a ring through their links; the oldest comes before the newest. */
static struct ti_task_waiter *next_of(const struct ti_task_waiter *w) {
  return TI_CONTAINER(w->link.next, struct ti_task_waiter, link);
}

static void ring_push(struct ti_task_waiter **oldest, struct ti_task_waiter *w) {
  assert(!ti_list_linked(&w->link));
  if (*oldest == NULL) {
    w->link.next = w->link.prev = &w->link;
    *oldest = w;
  } else {
    w->link.next = &(*oldest)->link;
    w->link.prev = (*oldest)->link.prev;
    w->link.prev->next = w->link.next->prev = &w->link;
  }
}

static void ring_remove(struct ti_task_waiter **oldest, struct ti_task_waiter *w) {
  if (*oldest == w) *oldest = next_of(w) != w ? next_of(w) : NULL;
  ti_list_remove(&w->link);
}

static bool failed(const struct ti_task *t) {
  return ti_task_state(t) == TIDE_FINISHED && t->outcome != TIDE_OK;
}

/* Makes the task done if its state is at most `latest`. The outcome in *out becomes its message,
** and the call is freed. Returns whether it did. */
static bool settle(struct ti_task *t, tide_status latest, tide_status to, int outcome,
                   struct ti_message *out) {
  struct ti_task_waiter *in_flight, *w;
  struct ti_message call;
  bool failure;
  ti_byte_lock_lock(&t->lock);
  if (ti_task_state(t) > latest) {
    ti_byte_lock_unlock(&t->lock);
    return false;
  }
  ti_message_move(&call, &t->msg);
  ti_message_move(&t->msg, out);
  t->outcome = (unsigned char)outcome;
  set_state_locked(t, to);
  in_flight = t->waiters;
  t->waiters = NULL;
  if ((w = in_flight) != NULL) do
      w->on_task = false;
    while ((w = next_of(w)) != in_flight);
  ti_byte_lock_unlock(&t->lock);
  /* before the notifications: a thread that sees the task done finds the call's parts released.
  ** Without a lock, since that may release other tasks. */
  ti_message_fini(&call);
  failure = failed(t);
  while ((w = in_flight) != NULL) {
    ring_remove(&in_flight, w);
    w->notify(w, failure);
  }
  return true;
}

bool ti_task_cancel(struct ti_task *t) {
  struct ti_message none;
  ti_message_init(&none, ti_task_mem(t));
  return settle(t, TIDE_PENDING, TIDE_CANCELLED, TIDE_ECANCELLED, &none);
}

bool ti_task_finish(struct ti_task *t, int outcome, struct ti_message *out) {
  struct ti_message none;
  ti_message_init(&none, ti_task_mem(t));
  return settle(t, TIDE_RUNNING, TIDE_FINISHED, outcome, out != NULL ? out : &none);
}

bool ti_task_add_waiter(struct ti_task *t, struct ti_task_waiter *w) {
  bool pending;
  ti_byte_lock_lock(&t->lock);
  pending = !ti_task_done(t);
  if (pending) {
    ring_push(&t->waiters, w);
    w->on_task = true;
  }
  ti_byte_lock_unlock(&t->lock);
  return pending;
}

bool ti_task_remove_waiter(struct ti_task *t, struct ti_task_waiter *w) {
  bool on;
  ti_byte_lock_lock(&t->lock);
  on = w->on_task;
  if (on) {
    ring_remove(&t->waiters, w);
    w->on_task = false;
  }
  ti_byte_lock_unlock(&t->lock);
  return on;
}
