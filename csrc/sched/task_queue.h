/*
** sched/task_queue: tasks by priority, first come first served within one.
**
** One fifo per priority, a list, in a list from high to low. Level 0 is embedded and
** always there, so a pool whose tasks have no priority pushes and pops with no
** search and no allocation. Other levels are made by ti_task_queue_add_list before a push
** needs them, leave the list when they run empty, and are used again.
**
** No lock: the pool's guards it. Never allocates in push.
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
  struct ti_task_queue_list *next; /* lower priority; or the next spare */
};

struct ti_task_queue {
  struct ti_task_queue_list zero;   /* always in the list, even if empty */
  struct ti_task_queue_list *first; /* the highest; those other than `zero` are not empty */
  struct ti_task_queue_list *spare; /* levels not in use */
  size_t count;                     /* tasks in it */
};

void ti_task_queue_init(struct ti_task_queue *q);
/* Frees the levels; the queue must be empty. */
void ti_task_queue_fini(struct ti_task_queue *q, const struct ti_alloc *mem);

/* Whether a push with this priority has its list. If not: make one, look again. */
bool ti_task_queue_ready(const struct ti_task_queue *q, int priority);
struct ti_task_queue_list *
ti_task_queue_new_list(const struct ti_alloc *mem); /* NULL: out of memory */
void ti_task_queue_add_list(struct ti_task_queue *q,
                            struct ti_task_queue_list *list); /* takes it */

void ti_task_queue_push(struct ti_task_queue *q, struct ti_task *t);
struct ti_task *ti_task_queue_pop(struct ti_task_queue *q); /* NULL if it is empty */
/* Takes t out wherever it is; false if it is not in the queue. */
bool ti_task_queue_remove(struct ti_task_queue *q, struct ti_task *t);

TI_INTERNAL_END

#endif
