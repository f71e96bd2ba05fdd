/*
** sched/task_queue: tasks by priority, first come first served within one.
**
** SPDX-License-Identifier: MIT
*/
#include "sched/task_queue.h"

#include <assert.h>

void ti_task_queue_init(struct ti_task_queue *q) {
  ti_list_init(&q->zero.tasks);
  q->zero.priority = 0;
  q->zero.next = NULL;
  q->first = &q->zero;
  q->spare = NULL;
  q->count = 0;
}

void ti_task_queue_fini(struct ti_task_queue *q, const struct ti_alloc *mem) {
  assert(q->count == 0 && q->first == &q->zero && q->zero.next == NULL);
  while (q->spare != NULL) {
    struct ti_task_queue_level *level = q->spare;
    q->spare = level->next;
    ti_alloc_free(mem, level, sizeof *level);
  }
}

/* The link that leads to the level of that priority, or to where it would be. */
static struct ti_task_queue_level **find(struct ti_task_queue *q, int priority) {
  struct ti_task_queue_level **at = &q->first;
  while (*at != NULL && (*at)->priority > priority) at = &(*at)->next;
  return at;
}

/* Takes t, which is in this level, out. */
static void leave(struct ti_task_queue *q, struct ti_task_queue_level *level, struct ti_task *t) {
  assert(q->count > 0 && t->place == TASK_QUEUED);
  ti_list_remove(&t->queued);
  t->place = TASK_OUTSIDE;
  q->count--;
  if (level != &q->zero && ti_list_empty(&level->tasks)) {
    struct ti_task_queue_level **at = find(q, level->priority);
    assert(*at == level);
    *at = level->next;
    ti_task_queue_add_level(q, level);
  }
}

bool ti_task_queue_ready(const struct ti_task_queue *q, int priority) {
  const struct ti_task_queue_level *level = q->first;
  if (priority == 0 || q->spare != NULL) return true;
  while (level != NULL && level->priority > priority) level = level->next;
  return level != NULL && level->priority == priority;
}

struct ti_task_queue_level *ti_task_queue_new_level(const struct ti_alloc *mem) {
  struct ti_task_queue_level *level =
      (struct ti_task_queue_level *)ti_alloc_new(mem, sizeof *level);
  if (level != NULL) ti_list_init(&level->tasks);
  return level;
}

void ti_task_queue_add_level(struct ti_task_queue *q, struct ti_task_queue_level *level) {
  assert(ti_list_empty(&level->tasks));
  level->next = q->spare;
  q->spare = level;
}

void ti_task_queue_push(struct ti_task_queue *q, struct ti_task *t) {
  struct ti_task_queue_level *level = &q->zero;
  assert(t->place == TASK_OUTSIDE);
  if (t->priority != 0) {
    struct ti_task_queue_level **at = find(q, t->priority);
    level = *at;
    if (level == NULL || level->priority != t->priority) {
      level = q->spare;
      assert(level != NULL); /* the caller asked ti_task_queue_ready */
      q->spare = level->next;
      level->priority = t->priority;
      level->next = *at;
      *at = level;
    }
  }
  ti_list_push(&level->tasks, &t->queued);
  t->place = TASK_QUEUED;
  q->count++;
}

bool ti_task_queue_remove(struct ti_task_queue *q, struct ti_task *t) {
  struct ti_task_queue_level *level = &q->zero;
  if (t->place != TASK_QUEUED) return false;
  if (t->priority != 0) level = *find(q, t->priority);
  assert(level != NULL); /* it is in the queue, so its level is there */
  leave(q, level, t);
  return true;
}

struct ti_task *ti_task_queue_pop(struct ti_task_queue *q) {
  struct ti_task_queue_level *level = q->first;
  struct ti_task *t;
  if (q->count == 0) return NULL;
  if (ti_list_empty(&level->tasks)) level = level->next; /* only `zero` may be empty */
  t = TI_CONTAINER(ti_list_peek(&level->tasks), struct ti_task, queued);
  leave(q, level, t);
  return t;
}
