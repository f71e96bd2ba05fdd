/*
** tidepool, floor 1: queue, tasks by priority, first come first served within one.
**
** SPDX-License-Identifier: MIT
*/
#include "queue.h"

#include <assert.h>

void tide_queue_init(struct queue *q) {
  fifo_init(&q->zero.tasks);
  q->zero.priority = 0;
  q->zero.next = NULL;
  q->first = &q->zero;
  q->spare = NULL;
  q->count = 0;
}

void tide_queue_fini(struct queue *q, const struct mem *mem) {
  assert(q->count == 0 && q->first == &q->zero && q->zero.next == NULL);
  while (q->spare != NULL) {
    struct queue_level *level = q->spare;
    q->spare = level->next;
    tide_mem_free(mem, level, sizeof *level);
  }
}

/* The link that leads to the level of that priority, or to where it would be. */
static struct queue_level **find(struct queue *q, int priority) {
  struct queue_level **at = &q->first;
  while (*at != NULL && (*at)->priority > priority) at = &(*at)->next;
  return at;
}

/* Takes t, which is in this level, out. */
static void leave(struct queue *q, struct queue_level *level, struct task *t) {
  assert(q->count > 0 && t->place == TASK_QUEUED);
  fifo_remove(&t->queued);
  t->place = TASK_OUTSIDE;
  q->count--;
  if (level != &q->zero && fifo_empty(&level->tasks)) {
    struct queue_level **at = find(q, level->priority);
    assert(*at == level);
    *at = level->next;
    tide_queue_addlevel(q, level);
  }
}

bool tide_queue_ready(const struct queue *q, int priority) {
  const struct queue_level *level = q->first;
  if (priority == 0 || q->spare != NULL) return true;
  while (level != NULL && level->priority > priority) level = level->next;
  return level != NULL && level->priority == priority;
}

struct queue_level *tide_queue_newlevel(const struct mem *mem) {
  struct queue_level *level = (struct queue_level *)tide_mem_new(mem, sizeof *level);
  if (level != NULL) fifo_init(&level->tasks);
  return level;
}

void tide_queue_addlevel(struct queue *q, struct queue_level *level) {
  assert(fifo_empty(&level->tasks));
  level->next = q->spare;
  q->spare = level;
}

void tide_queue_push(struct queue *q, struct task *t) {
  struct queue_level *level = &q->zero;
  assert(t->place == TASK_OUTSIDE);
  if (t->priority != 0) {
    struct queue_level **at = find(q, t->priority);
    level = *at;
    if (level == NULL || level->priority != t->priority) {
      level = q->spare;
      assert(level != NULL); /* the caller asked tide_queue_ready */
      q->spare = level->next;
      level->priority = t->priority;
      level->next = *at;
      *at = level;
    }
  }
  fifo_push(&level->tasks, &t->queued);
  t->place = TASK_QUEUED;
  q->count++;
}

bool tide_queue_remove(struct queue *q, struct task *t) {
  struct queue_level *level = &q->zero;
  if (t->place != TASK_QUEUED) return false;
  if (t->priority != 0) level = *find(q, t->priority);
  assert(level != NULL); /* it is in the queue, so its level is there */
  leave(q, level, t);
  return true;
}

struct task *tide_queue_pop(struct queue *q) {
  struct queue_level *level = q->first;
  struct task *t;
  if (q->count == 0) return NULL;
  if (fifo_empty(&level->tasks)) level = level->next; /* only `zero` may be empty */
  t = TIDE_CONTAINER(fifo_peek(&level->tasks), struct task, queued);
  leave(q, level, t);
  return t;
}
