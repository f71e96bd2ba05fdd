/*
** sched/task_queue: tasks by priority, first come, first served within one.
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
    struct ti_task_queue_list *list = q->spare;
    q->spare = list->next;
    ti_alloc_free(mem, list, sizeof *list);
  }
}

/* Returns the link to the list of that priority, or to where it would be. */
static struct ti_task_queue_list **find(struct ti_task_queue *q, int priority) {
  struct ti_task_queue_list **at = &q->first;
  while (*at != NULL && (*at)->priority > priority) at = &(*at)->next;
  return at;
}

/* Takes t out of its list. */
static void leave(struct ti_task_queue *q, struct ti_task_queue_list *list, struct ti_task *t) {
  assert(q->count > 0 && t->place == TASK_QUEUED);
  ti_list_remove(&t->queued);
  t->place = TASK_OUTSIDE;
  q->count--;
  if (list != &q->zero && ti_list_empty(&list->tasks)) {
    struct ti_task_queue_list **at = find(q, list->priority);
    assert(*at == list);
    *at = list->next;
    ti_task_queue_add_list(q, list);
  }
}

bool ti_task_queue_ready(const struct ti_task_queue *q, int priority) {
  const struct ti_task_queue_list *list = q->first;
  if (priority == 0 || q->spare != NULL) return true;
  while (list != NULL && list->priority > priority) list = list->next;
  return list != NULL && list->priority == priority;
}

struct ti_task_queue_list *ti_task_queue_new_list(const struct ti_alloc *mem) {
  struct ti_task_queue_list *list = (struct ti_task_queue_list *)ti_alloc_new(mem, sizeof *list);
  if (list != NULL) ti_list_init(&list->tasks);
  return list;
}

void ti_task_queue_add_list(struct ti_task_queue *q, struct ti_task_queue_list *list) {
  assert(ti_list_empty(&list->tasks));
  list->next = q->spare;
  q->spare = list;
}

void ti_task_queue_push(struct ti_task_queue *q, struct ti_task *t) {
  struct ti_task_queue_list *list = &q->zero;
  assert(t->place == TASK_OUTSIDE);
  if (t->priority != 0) {
    struct ti_task_queue_list **at = find(q, t->priority);
    list = *at;
    if (list == NULL || list->priority != t->priority) {
      list = q->spare;
      assert(list != NULL); /* the caller called ti_task_queue_ready */
      q->spare = list->next;
      list->priority = t->priority;
      list->next = *at;
      *at = list;
    }
  }
  ti_list_push(&list->tasks, &t->queued);
  t->place = TASK_QUEUED;
  q->count++;
}

bool ti_task_queue_remove(struct ti_task_queue *q, struct ti_task *t) {
  struct ti_task_queue_list *list = &q->zero;
  if (t->place != TASK_QUEUED) return false;
  if (t->priority != 0) list = *find(q, t->priority);
  assert(list != NULL); /* t is in the queue, so its list is too */
  leave(q, list, t);
  return true;
}

struct ti_task *ti_task_queue_pop(struct ti_task_queue *q) {
  struct ti_task_queue_list *list = q->first;
  struct ti_task *t;
  if (q->count == 0) return NULL;
  if (ti_list_empty(&list->tasks)) list = list->next; /* only `zero` may be empty */
  t = TI_CONTAINER(ti_list_peek(&list->tasks), struct ti_task, queued);
  leave(q, list, t);
  return t;
}
