/*
** message_test.c: parts are released exactly once, whatever fails; and the kinds' names.
** One thread: ThreadSanitizer's run leaves this test out.
**
** SPDX-License-Identifier: MIT
*/
#include "util/errcode.h"
#include "util/message.h"
#include "support.h"

enum { N = 100 };

static const char type_a, type_b;
static int held[N];

static void give_back(void *object) { --*(int *)object; }

/* Adds parts, some without a reference. Returns how many were stored. */
static size_t fill(struct ti_message *m) {
  size_t i, index;
  for (i = 0; i < N; i++) {
    bool counted = i % 3 != 0;
    if (counted) held[i]++;
    if (!ti_message_add_part(m, i % 2 == 0 ? &type_a : &type_b, &held[i],
                             counted ? give_back : NULL, &index))
      break;
    CHECK(index == i && ti_message_part(m, i)->object == &held[i]);
    CHECK(ti_message_part(m, i)->type == (i % 2 == 0 ? &type_a : &type_b));
    ti_buffer_put_varint(&m->bytes, index);
  }
  return i;
}

static bool all_released(void) {
  size_t i;
  for (i = 0; i < N; i++)
    if (held[i] != 0) return false;
  return true;
}

static void test_parts(void) {
  struct ti_message m;
  size_t i;
  ti_message_init(&m, &counted_mem);
  CHECK(m.nparts == 0 && !m.bytes.failed);
  CHECK(fill(&m) == N && m.nparts == N);
  for (i = 0; i < N; i++) CHECK(held[i] == (i % 3 != 0));
  ti_message_fini(&m);
  CHECK(all_released() && memory_clean());
  ti_message_fini(&m);
  CHECK(all_released());
}

static void test_out_of_memory(void) {
  long fail_at;
  size_t stored = 0;
  for (fail_at = 1; stored < N; fail_at++) {
    struct ti_message m;
    size_t index;
    atomic_store(&memory.fail_at, fail_at);
    ti_message_init(&m, &counted_mem);
    stored = fill(&m);
    atomic_store(&memory.fail_at, 0);
    if (stored < N) {
      CHECK(m.bytes.failed);
      /* sticky, and the reference is given back each time */
      held[0]++;
      CHECK(!ti_message_add_part(&m, &type_a, &held[0], give_back, &index));
    }
    ti_message_fini(&m);
    CHECK(all_released() && memory_clean());
  }
  CHECK(fail_at > 5);
}

static void test_fault_names(void) {
  static const char *const names[] = {"timeout",       "cancelled", "shutdown",    "broken",
                                      "invalid_state", "transfer",  "interrupted", "time_limit",
                                      "memory_limit",  "full",      "deadlock"};
  int i;
  CHECK(ti_errcode_name(TIDE_OK) == NULL);
  for (i = TIDE_ETIMEOUT; i < TI_ERRCODE_NAMED; i++) {
    const char *name = ti_errcode_name(i);
    CHECK(name != NULL && strcmp(name, names[i - 1]) == 0);
  }
  CHECK(ti_errcode_name(TIDE_EERROR) == NULL && ti_errcode_name(TIDE_EARG) == NULL);
  CHECK(ti_errcode_name(-1) == NULL && ti_errcode_name(1000) == NULL);
}

int main(void) {
  test_parts();
  test_out_of_memory();
  test_fault_names();
  return check_done();
}
