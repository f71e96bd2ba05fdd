/*
** task_queue_test.c: priorities against a plain array, and what is allocated for them.
** One thread: ThreadSanitizer's run leaves this test out.
**
** SPDX-License-Identifier: MIT
*/
#include <limits.h>

#include "sched/task_queue.h"
#include "support.h"

enum { N = 200 };

static struct ti_task tasks[N];
static int order[N]; /* the model: indices, in the order of their pushes */
static int count;

static int first(void) {
  int i, best = 0;
  for (i = 1; i < count; i++)
    if (tasks[order[i]].priority > tasks[order[best]].priority) best = i;
  return best;
}

static void forget(int at) {
  count--;
  for (; at < count; at++) order[at] = order[at + 1];
}

static void push(struct ti_task_queue *q, int k) {
  if (!ti_task_queue_ready(q, tasks[k].priority))
    ti_task_queue_add_list(q, ti_task_queue_new_list(&counted_mem));
  CHECK(ti_task_queue_ready(q, tasks[k].priority));
  ti_task_queue_push(q, &tasks[k]);
  order[count++] = k;
}

static void step(struct ti_task_queue *q, uint64_t *r, int spread, size_t weight) {
  int k = (int)check_random(r, N);
  if (check_random(r, weight) > 0) {
    if (tasks[k].place == TASK_QUEUED) {
      if (check_random(r, 3) > 0) return;
      CHECK(ti_task_queue_remove(q, &tasks[k]));
      for (int i = 0; i < count; i++)
        if (order[i] == k) forget(i);
    } else {
      static const int extremes[] = {INT_MIN, INT_MAX, -1, 1};
      CHECK(!ti_task_queue_remove(q, &tasks[k]));
      tasks[k].priority = check_random(r, 10) == 0
                              ? extremes[check_random(r, 4)]
                              : (int)check_random(r, (size_t)spread) - spread / 2;
      push(q, k);
    }
  } else {
    const struct ti_task *t = ti_task_queue_pop(q);
    CHECK((t == NULL) == (count == 0));
    if (t == NULL) return;
    CHECK(t == &tasks[order[first()]] && t->place == TASK_OUTSIDE);
    forget(first());
  }
  CHECK(q->count == (size_t)count);
}

static void test_model(uint64_t seed) {
  static const int spreads[] = {1, 3, 100};
  uint64_t r = seed;
  size_t s;
  int i;
  for (s = 0; s < 3; s++) {
    struct ti_task_queue q;
    ti_task_queue_init(&q);
    for (i = 0; i < 20000; i++) step(&q, &r, spreads[s], i / 5000 % 2 == 0 ? 4 : 2);
    while (count > 0) {
      CHECK(ti_task_queue_pop(&q) == &tasks[order[first()]]);
      forget(first());
    }
    CHECK(ti_task_queue_pop(&q) == NULL);
    ti_task_queue_fini(&q, &counted_mem);
    CHECK(memory_clean());
  }
}

static void test_one_priority_allocates_nothing(void) {
  struct ti_task_queue q;
  int i;
  ti_task_queue_init(&q);
  for (i = 0; i < N; i++) {
    tasks[i].priority = 0;
    CHECK(ti_task_queue_ready(&q, 0));
    ti_task_queue_push(&q, &tasks[i]);
  }
  for (i = 0; i < N; i++) CHECK(ti_task_queue_pop(&q) == &tasks[i]);
  CHECK(memory_clean());
  ti_task_queue_fini(&q, &counted_mem);
}

static void test_levels_are_used_again(void) {
  struct ti_task_queue q;
  int i;
  ti_task_queue_init(&q);
  for (i = 1; i <= 1000; i++) {
    tasks[0].priority = i;
    push(&q, 0);
    CHECK(ti_task_queue_pop(&q) == &tasks[0]);
    count = 0;
  }
  CHECK(atomic_load(&memory.blocks) == 1);
  ti_task_queue_fini(&q, &counted_mem);
  CHECK(memory_clean());
}

int main(void) {
  int i;
  for (i = 0; i < N; i++) ti_list_node_init(&tasks[i].queued);
  test_model(check_seed(4));
  test_one_priority_allocates_nothing();
  test_levels_are_used_again();
  return check_done();
}
