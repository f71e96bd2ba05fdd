/*
** task_test.c: a task's states, races between threads that end it, and its memory.
**
** SPDX-License-Identifier: MIT
*/
#include "sched/waiter.h"
#include "sched/task.h"
#include "platform/mutex.h"
#include "platform/thread.h"
#include "support.h"

static atomic_int parts;

static void part_rele(void *object) {
  (void)object;
  atomic_fetch_sub(&parts, 1);
}

static void add_part(struct ti_message *m) {
  size_t index;
  atomic_fetch_add(&parts, 1);
  ti_message_add_part(m, &parts, &parts, part_rele, &index);
}

static void test_states(void) {
  struct ti_message out;
  struct ti_task *t =
      ti_task_new(NULL, &counted_mem, &(struct ti_task_options){.name = "one", .priority = 7});
  if (t == NULL) exit(1);
  CHECK(strcmp(ti_task_name(t), "one") == 0 && t->priority == 7 && t->home == NULL);
  CHECK(ti_task_state(t) == TIDE_PENDING && !ti_task_done(t));
  add_part(&t->msg);
  CHECK(ti_task_begin(t, NULL) && ti_task_state(t) == TIDE_RUNNING && !ti_task_done(t));
  CHECK(!ti_task_begin(t, NULL) && !ti_task_cancel(t));
  CHECK(atomic_load(&parts) == 1);
  ti_message_init(&out, &counted_mem);
  ti_buffer_put_u8(&out.bytes, 42);
  add_part(&out);
  CHECK(ti_task_finish(t, TIDE_EERROR, &out));
  CHECK(out.bytes.len == 0 && out.nparts == 0 && atomic_load(&parts) == 1);
  CHECK(ti_task_state(t) == TIDE_FINISHED && ti_task_done(t) && t->outcome == TIDE_EERROR);
  CHECK(t->msg.bytes.len == 1 && t->msg.bytes.data[0] == 42 && t->msg.nparts == 1);
  ti_buffer_put_u8(&out.bytes, 43);
  CHECK(!ti_task_finish(t, TIDE_OK, &out));
  CHECK(out.bytes.len == 1 && t->outcome == TIDE_EERROR); /* untouched */
  CHECK(!ti_task_begin(t, NULL) && !ti_task_cancel(t));
  ti_message_fini(&out);
  CHECK(ti_task_hold(t) == t);
  ti_task_release(t);
  CHECK(atomic_load(&parts) == 1);
  ti_task_release(t);
  CHECK(atomic_load(&parts) == 0 && memory_clean());
  ti_task_release(NULL);
}

static void test_cancel(void) {
  struct ti_task *t = ti_task_new(NULL, &counted_mem, NULL);
  add_part(&t->msg);
  ti_buffer_put_u64(&t->msg.bytes, 1);
  CHECK(ti_task_name(t) == NULL && ti_task_cancel(t));
  CHECK(ti_task_state(t) == TIDE_CANCELLED && ti_task_done(t));
  CHECK(t->outcome == TIDE_ECANCELLED && t->msg.bytes.len == 0 && atomic_load(&parts) == 0);
  CHECK(!ti_task_cancel(t) && !ti_task_begin(t, NULL) && !ti_task_finish(t, TIDE_OK, NULL));
  ti_task_release(t);
  t = ti_task_new(NULL, &counted_mem, NULL);
  CHECK(ti_task_finish(t, TIDE_OK, NULL)); /* never begun, nothing to say */
  CHECK(ti_task_state(t) == TIDE_FINISHED && t->msg.bytes.len == 0);
  ti_task_release(t);
  CHECK(memory_clean());
}

static void test_out_of_memory(void) {
  long fail_at;
  struct ti_task *t = NULL;
  for (fail_at = 1; t == NULL; fail_at++) {
    atomic_store(&memory.fail_at, fail_at);
    t = ti_task_new(NULL, &counted_mem, &(struct ti_task_options){.name = "named"});
    if (t == NULL) CHECK(memory_clean());
  }
  CHECK(fail_at == 4); /* the task, its name, then none */
  atomic_store(&memory.fail_at, 0);
  ti_task_release(t);
  CHECK(memory_clean());
}

/* ----------------------------------------------------------------- races -- */

enum { ROUNDS = 3000, RIVALS = 4 };

static struct ti_task *contested;
static struct gate start[2]; /* used in turns: one is closed again while the other serves */
static atomic_int begun, cancelled, finished;

/* Each thread has its own way to end the task, and exactly one of them succeeds. Only a task that
** was begun can still be finished. */
static void *rival(void *arg) {
  int way = *(int *)arg, round;
  for (round = 0; round < ROUNDS; round++) {
    struct gate *g = &start[round % 2];
    struct ti_task *t;
    struct ti_message out;
    gate_enter(g);
    t = contested;
    ti_message_init(&out, &counted_mem);
    ti_buffer_put_u8(&out.bytes, (unsigned)way);
    add_part(&out);
    switch (way) {
      case 0:
        if (ti_task_begin(t, NULL)) atomic_fetch_add(&begun, 1);
        break;
      case 1:
      case 2:
        if (ti_task_cancel(t)) atomic_fetch_add(&cancelled, 1);
        break;
      default:
        if (ti_task_finish(t, TIDE_OK, &out)) atomic_fetch_add(&finished, 1);
        break;
    }
    ti_message_fini(&out);
    ti_task_release(t);
  }
  return NULL;
}

static void gate_close(struct gate *g) {
  ti_mutex_lock(&g->lock);
  CHECK(g->here == 0);
  g->open = false;
  g->came = 0;
  ti_mutex_unlock(&g->lock);
}

static void test_races(void) {
  struct ti_thread threads[RIVALS];
  int ways[RIVALS] = {0, 1, 2, 3}, i, round;
  gate_init(&start[0]);
  gate_init(&start[1]);
  for (i = 0; i < RIVALS; i++) spawn(&threads[i], rival, &ways[i]);
  for (round = 0; round < ROUNDS; round++) {
    struct gate *g = &start[round % 2];
    struct ti_task *t = ti_task_new(NULL, &counted_mem, NULL);
    gate_await(g, RIVALS);
    if (round > 0) { /* all are here: all have left the other one */
      gate_close(&start[(round - 1) % 2]);
    }
    atomic_store(&begun, 0);
    atomic_store(&cancelled, 0);
    atomic_store(&finished, 0);
    contested = t;
    for (i = 0; i < RIVALS; i++) ti_task_hold(t);
    gate_open(g);
    gate_await(&start[(round + 1) % 2], round + 1 < ROUNDS ? RIVALS : 0);
    if (round + 1 == ROUNDS)
      for (i = 0; i < RIVALS; i++) ti_thread_join(&threads[i]);
    i = atomic_load(&begun) + 10 * atomic_load(&cancelled) + 100 * atomic_load(&finished);
    /* begun and finished; finished without; or cancelled */
    CHECK(i == 101 || i == 100 || i == 10);
    CHECK(ti_task_state(t) == (i == 10 ? TIDE_CANCELLED : TIDE_FINISHED));
    ti_task_release(t);
  }
  gate_fini(&start[0]);
  gate_fini(&start[1]);
  CHECK(atomic_load(&parts) == 0 && memory_clean());
}

int main(void) {
  test_states();
  test_cancel();
  test_out_of_memory();
  test_races();
  return check_done();
}
