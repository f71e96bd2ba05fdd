/* link: tidepool */
/*
** task_seed_test.c: what tidepool.h says of tasks' random numbers, for a host without a lua_State
** of its own.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>

#include "include/tidepool.h"
#include "support.h"

static struct gate hold;

static int draw(lua_State *L) {
  lua_getglobal(L, "math");
  lua_getfield(L, -1, "random");
  lua_pushinteger(L, 0);
  lua_call(L, 1, 1);
  return 1;
}

static int wait_here(lua_State *L) {
  (void)L;
  gate_enter(&hold);
  return 0;
}

/* A task's own submit, and what it draws before and after. */
static int submit_below(lua_State *L) {
  tide_future *f;
  int n;
  draw(L);
  lua_pushcfunction(L, draw);
  f = tide_submit(tide_current_executor(L), L, 0, NULL);
  CHECK(tide_future_wait(f, L, TIDE_FOREVER) == TIDE_OK);
  CHECK(tide_pushoutcome(L, f, &n) == TIDE_OK && n == 1);
  tide_future_rele(f);
  return 2;
}

/* All functions of this program may be sent. */
static int any(lua_CFunction fn, void *ud) {
  (void)fn, (void)ud;
  return 1;
}

static tide_executor *executor(int workers, int seeded, lua_Integer seed) {
  tide_config cfg;
  tide_executor *ex;
  tide_config_init(&cfg);
  cfg.max_workers = workers;
  cfg.max_queue = 1;
  cfg.seeded = seeded;
  cfg.seed = seed;
  cfg.cfunction = any; /* for submit_below */
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_OK);
  if (ex == NULL) exit(2);
  return ex;
}

static void end(tide_executor *ex) {
  CHECK(tide_executor_shutdown(ex, NULL, 0, TIDE_FOREVER) == TIDE_OK);
  tide_executor_rele(ex);
}

static void drawn(tide_executor *ex, lua_CFunction fn, const tide_taskopts *o, lua_Integer *out,
                  size_t count) {
  tide_value v[2];
  tide_future *f;
  size_t n;
  CHECK(tide_submit_cfunction(&f, ex, fn, NULL, 0, o) == TIDE_OK);
  CHECK(tide_future_wait(f, NULL, TIDE_FOREVER) == TIDE_OK);
  CHECK(tide_future_values(f, v, 2, &n) == TIDE_OK && n == count);
  for (size_t i = 0; i < count; i++) {
    CHECK(v[i].type == TIDE_TINTEGER);
    out[i] = v[i].u.integer;
  }
  tide_future_rele(f);
}

static lua_Integer one(tide_executor *ex, const tide_taskopts *o) {
  lua_Integer i = 0;
  drawn(ex, draw, o, &i, 1);
  return i;
}

static void test_seeds(void) {
  tide_executor *a = executor(1, 1, 42), *b = executor(4, 1, 42), *c = executor(1, 0, 42);
  lua_Integer first = one(a, NULL), second = one(a, NULL), pair[2], same[2];
  unsigned long long counter = 0;
  tide_taskopts o;
  CHECK(first != second && one(b, NULL) == first && one(b, NULL) == second);
  CHECK(one(c, NULL) != first && one(c, NULL) != one(c, NULL));

  tide_taskopts_init(&o);
  o.seeding = TIDE_SEED_TASK;
  o.seed = 42;
  o.number = 2;
  CHECK(one(c, &o) == second && one(a, &o) == second);
  o.counter = &counter;
  CHECK(one(c, &o) == first && one(c, &o) == second && counter == 2);
  o.seed = 43;
  o.number = 1;
  o.counter = NULL;
  CHECK(one(c, &o) != first);

  drawn(a, submit_below, NULL, pair, 2); /* task 3 of both */
  drawn(b, submit_below, NULL, same, 2);
  CHECK(pair[0] == same[0] && pair[1] == same[1] && pair[0] != pair[1] && pair[1] != first);
  end(a);
  end(b);
  end(c);
}

/* A submit that fails takes no number. */
static void test_refused(void) {
  tide_executor *a = executor(1, 1, 42), *b = executor(1, 1, 42);
  unsigned long long counter = 7;
  lua_Integer expected;
  tide_value bad = {.type = TIDE_TOTHER};
  tide_future *running, *queued, *f;
  tide_taskopts o;
  tide_taskopts_init(&o);
  o.nowait = 1;
  CHECK(tide_submit_cfunction(&running, a, wait_here, NULL, 0, &o) == TIDE_OK);
  gate_await(&hold, 1);
  CHECK(tide_submit_cfunction(&queued, a, draw, NULL, 0, &o) == TIDE_OK);
  for (int i = 0; i < 5; i++) {
    CHECK(tide_submit_cfunction(&f, a, draw, NULL, 0, &o) == TIDE_EFULL);
    CHECK(tide_submit_named(&f, a, "math.random", NULL, 0, &o) == TIDE_EFULL);
    CHECK(tide_submit_cfunction(&f, a, draw, &bad, 1, &o) == TIDE_EARG);
    o.seeding = TIDE_SEED_TASK;
    o.counter = &counter;
    CHECK(tide_submit_cfunction(&f, a, draw, NULL, 0, &o) == TIDE_EFULL && counter == 7);
    o.seeding = TIDE_SEED_DEFAULT;
  }
  gate_open(&hold);
  CHECK(tide_future_wait(queued, NULL, TIDE_FOREVER) == TIDE_OK);
  tide_future_rele(running);
  tide_future_rele(queued);
  one(b, NULL);
  one(b, NULL);
  expected = one(b, NULL);
  CHECK(one(a, NULL) == expected);
  end(a);
  end(b);
}

int main(void) {
  gate_init(&hold);
  test_seeds();
  test_refused();
  gate_fini(&hold);
  return check_done();
}
