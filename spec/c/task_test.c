/*
** task_test.c: a task's states, who wins when several threads want it, and its memory.
**
** SPDX-License-Identifier: MIT
*/
#include "../../csrc/mailbox.h"
#include "../../csrc/task.h"
#include "support.h"

static atomic_int parts;

static void part_rele(void *object) {
  (void)object;
  atomic_fetch_sub(&parts, 1);
}

static void add_part(struct message *m) {
  size_t index;
  atomic_fetch_add(&parts, 1);
  tide_message_addpart(m, &parts, &parts, part_rele, &index);
}

static void test_states(void) {
  struct message out;
  struct task *t =
      tide_task_new(NULL, &counted_mem, &(struct task_terms){.name = "one", .priority = 7});
  if (t == NULL) exit(1);
  CHECK(strcmp(tide_task_name(t), "one") == 0 && t->priority == 7 && t->pool == NULL);
  CHECK(tide_task_state(t) == TASK_PENDING && !tide_task_done(t));
  add_part(&t->msg);
  CHECK(tide_task_begin(t, NULL) && tide_task_state(t) == TASK_RUNNING && !tide_task_done(t));
  CHECK(!tide_task_begin(t, NULL) && !tide_task_cancel(t));
  CHECK(atomic_load(&parts) == 1);
  tide_message_init(&out, &counted_mem);
  tide_bytes_put_u8(&out.bytes, 42);
  add_part(&out);
  CHECK(tide_task_finish(t, FAULT_ERROR, &out));
  CHECK(out.bytes.len == 0 && out.nparts == 0 && atomic_load(&parts) == 1);
  CHECK(tide_task_state(t) == TASK_FINISHED && tide_task_done(t) && t->outcome == FAULT_ERROR);
  CHECK(t->msg.bytes.len == 1 && t->msg.bytes.data[0] == 42 && t->msg.nparts == 1);
  tide_bytes_put_u8(&out.bytes, 43);
  CHECK(!tide_task_finish(t, FAULT_NONE, &out));
  CHECK(out.bytes.len == 1 && t->outcome == FAULT_ERROR); /* untouched */
  CHECK(!tide_task_begin(t, NULL) && !tide_task_cancel(t));
  tide_message_fini(&out);
  CHECK(tide_task_hold(t) == t);
  tide_task_rele(t);
  CHECK(atomic_load(&parts) == 1);
  tide_task_rele(t);
  CHECK(atomic_load(&parts) == 0 && memory_clean());
  tide_task_rele(NULL);
}

static void test_cancel(void) {
  struct task *t = tide_task_new(NULL, &counted_mem, NULL);
  add_part(&t->msg);
  tide_bytes_put_u64(&t->msg.bytes, 1);
  CHECK(tide_task_name(t) == NULL && tide_task_cancel(t));
  CHECK(tide_task_state(t) == TASK_CANCELLED && tide_task_done(t));
  CHECK(t->outcome == FAULT_CANCELLED && t->msg.bytes.len == 0 && atomic_load(&parts) == 0);
  CHECK(!tide_task_cancel(t) && !tide_task_begin(t, NULL) &&
        !tide_task_finish(t, FAULT_NONE, NULL));
  tide_task_rele(t);
  t = tide_task_new(NULL, &counted_mem, NULL);
  CHECK(tide_task_finish(t, FAULT_NONE, NULL)); /* never begun, nothing to say */
  CHECK(tide_task_state(t) == TASK_FINISHED && t->msg.bytes.len == 0);
  tide_task_rele(t);
  CHECK(memory_clean());
}

static void test_out_of_memory(void) {
  long fail_at;
  struct task *t = NULL;
  for (fail_at = 1; t == NULL; fail_at++) {
    atomic_store(&memory.fail_at, fail_at);
    t = tide_task_new(NULL, &counted_mem, &(struct task_terms){.name = "named"});
    if (t == NULL) CHECK(memory_clean());
  }
  CHECK(fail_at == 4); /* the task, its name, then none */
  atomic_store(&memory.fail_at, 0);
  tide_task_rele(t);
  CHECK(memory_clean());
}

/* ----------------------------------------------------------------- races -- */

enum { ROUNDS = 3000, RIVALS = 4 };

static struct task *contested;
static struct gate start[2]; /* used in turns: one is closed again while the other serves */
static atomic_int begun, cancelled, finished;

/* Each rival has its own way to end the task; exactly one of them succeeds, unless it was
** begun, in which case it can still be finished. */
static void *rival(void *arg) {
  int way = *(int *)arg, round;
  for (round = 0; round < ROUNDS; round++) {
    struct gate *g = &start[round % 2];
    struct task *t;
    struct message out;
    gate_enter(g);
    t = contested;
    tide_message_init(&out, &counted_mem);
    tide_bytes_put_u8(&out.bytes, (unsigned)way);
    add_part(&out);
    switch (way) {
      case 0:
        if (tide_task_begin(t, NULL)) atomic_fetch_add(&begun, 1);
        break;
      case 1:
      case 2:
        if (tide_task_cancel(t)) atomic_fetch_add(&cancelled, 1);
        break;
      default:
        if (tide_task_finish(t, FAULT_NONE, &out)) atomic_fetch_add(&finished, 1);
        break;
    }
    tide_message_fini(&out);
    tide_task_rele(t);
  }
  return NULL;
}

static void gate_close(struct gate *g) {
  tide_lock_take(&g->lock);
  CHECK(g->here == 0);
  g->open = false;
  g->came = 0;
  tide_lock_drop(&g->lock);
}

static void test_races(void) {
  struct sys_thread threads[RIVALS];
  int ways[RIVALS] = {0, 1, 2, 3}, i, round;
  gate_init(&start[0]);
  gate_init(&start[1]);
  for (i = 0; i < RIVALS; i++) spawn(&threads[i], rival, &ways[i]);
  for (round = 0; round < ROUNDS; round++) {
    struct gate *g = &start[round % 2];
    struct task *t = tide_task_new(NULL, &counted_mem, NULL);
    gate_await(g, RIVALS);
    if (round > 0) { /* all are here: all have left the other one */
      gate_close(&start[(round - 1) % 2]);
    }
    atomic_store(&begun, 0);
    atomic_store(&cancelled, 0);
    atomic_store(&finished, 0);
    contested = t;
    for (i = 0; i < RIVALS; i++) tide_task_hold(t);
    gate_open(g);
    gate_await(&start[(round + 1) % 2], round + 1 < ROUNDS ? RIVALS : 0);
    if (round + 1 == ROUNDS)
      for (i = 0; i < RIVALS; i++) tide_thread_join(&threads[i]);
    i = atomic_load(&begun) + 10 * atomic_load(&cancelled) + 100 * atomic_load(&finished);
    /* begun and finished; finished without; or cancelled */
    CHECK(i == 101 || i == 100 || i == 10);
    CHECK(tide_task_state(t) == (i == 10 ? TASK_CANCELLED : TASK_FINISHED));
    tide_task_rele(t);
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
