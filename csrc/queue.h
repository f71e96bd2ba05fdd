/*
** tidepool, floor 1: queue, tasks by priority, first come first served within one.
**
** One fifo per priority, a level, in a list from high to low. Level 0 is embedded and
** always there, so a pool whose tasks have no priority pushes and pops with no
** search and no allocation. Other levels are made by tide_queue_addlevel before a push
** needs them, leave the list when they run empty, and are used again.
**
** No lock: the pool's guards it. Never allocates in push.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_QUEUE_H
#define TIDE_QUEUE_H

#include "task.h"

TIDE_INTERNAL_BEGIN

struct queue_level {
  struct fifo tasks;
  int priority;
  struct queue_level *next; /* lower priority; or the next spare */
};

struct queue {
  struct queue_level zero;   /* always in the list, even if empty */
  struct queue_level *first; /* the highest; those other than `zero` are not empty */
  struct queue_level *spare; /* levels not in use */
  size_t count;              /* tasks in it */
};

void tide_queue_init(struct queue *q);
/* Frees the levels; the queue must be empty. */
void tide_queue_fini(struct queue *q, const struct mem *mem);

/* Whether a push with this priority has its level. If not: make one, look again. */
bool tide_queue_ready(const struct queue *q, int priority);
struct queue_level *tide_queue_newlevel(const struct mem *mem);       /* NULL: out of memory */
void tide_queue_addlevel(struct queue *q, struct queue_level *level); /* takes it */

void tide_queue_push(struct queue *q, struct task *t);
struct task *tide_queue_pop(struct queue *q); /* NULL if it is empty */
/* Takes t out wherever it is; false if it is not in the queue. */
bool tide_queue_remove(struct queue *q, struct task *t);

TIDE_INTERNAL_END

#endif
