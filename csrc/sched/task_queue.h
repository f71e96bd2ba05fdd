/*
** sched/task_queue: tasks by priority, first come, first served within one.
**
** The queue has one list of tasks for each priority, ordered from high to low. The list of priority
** 0 is embedded and always there, so a pool without priorities neither searches nor allocates.
** Other lists are made by ti_task_queue_add_list before a push needs them. They leave the queue
** when they are empty, and are used again.
**
** Locks: none of its own; the pool's lock guards it. A push never allocates.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_SCHED_TASK_QUEUE_H
#define TI_SCHED_TASK_QUEUE_H

#include "sched/task.h"

TI_INTERNAL_BEGIN

struct ti_task_queue_list {
  struct ti_list tasks;
  int priority;
  struct ti_task_queue_list *next; /* the next lower priority; or the next spare */
};

struct ti_task_queue {
  struct ti_task_queue_list zero;   /* priority 0; linked even if empty */
  struct ti_task_queue_list *first; /* the highest priority; all but `zero` have tasks */
  struct ti_task_queue_list *spare; /* lists not in use */
  size_t count;                     /* tasks in the queue */
};

void ti_task_queue_init(struct ti_task_queue *q);
/* Frees the lists. The queue must be empty. */
void ti_task_queue_fini(struct ti_task_queue *q, const struct ti_alloc *mem);

/* Returns whether a push with this priority has a list. If not, the caller adds one and checks
** again. */
bool ti_task_queue_ready(const struct ti_task_queue *q, int priority);
/* Returns a new list, or NULL if out of memory. */
struct ti_task_queue_list *ti_task_queue_new_list(const struct ti_alloc *mem);
/* Adds a list from ti_task_queue_new_list, which the queue owns from now on. */
void ti_task_queue_add_list(struct ti_task_queue *q, struct ti_task_queue_list *list);

void ti_task_queue_push(struct ti_task_queue *q, struct ti_task *t);
/* Returns the oldest task of the highest priority, or NULL if the queue is empty. */
struct ti_task *ti_task_queue_pop(struct ti_task_queue *q);
/* Takes t out. Returns false if it is not in the queue. */
bool ti_task_queue_remove(struct ti_task_queue *q, struct ti_task *t);

TI_INTERNAL_END

#endif
