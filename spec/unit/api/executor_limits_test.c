/* link: tidepool */
/*
** executor_limits_test.c: stopping and bounding tasks, as tidepool.h describes it for a host
** without a lua_State of its own.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <signal.h>

#include "include/tidepool.h"
#include "platform/thread.h"
#include "support.h"

static struct gate begun;

/* A loop in C that checks whether it is to end. */
static int poll_stop(lua_State *L) {
  gate_open(&begun);
  while (tide_current_stop(L) == TIDE_OK) ti_thread_relax();
  lua_pushinteger(L, tide_current_stop(L));
  return 1;
}

/* A loop in Lua that does not check. */
static int loop(lua_State *L) {
  if (luaL_loadstring(L, "while true do pcall(error) end") != LUA_OK) return lua_error(L);
  gate_open(&begun);
  lua_call(L, 0, 0);
  return 0;
}

static int hoard(lua_State *L) {
  if (luaL_loadstring(L, "local t = {} while true do t[#t + 1] = {} end") != LUA_OK)
    return lua_error(L);
  lua_call(L, 0, 0);
  return 0;
}

static int count_up(lua_State *L) {
  lua_getglobal(L, "count");
  lua_pushinteger(L, lua_tointeger(L, -1) + 1);
  lua_pushvalue(L, -1);
  lua_setglobal(L, "count");
  return 1;
}

static tide_executor *executor(const tide_config *cfg) {
  tide_executor *ex;
  CHECK(tide_executor_new(&ex, cfg) == TIDE_OK);
  if (ex == NULL) exit(2);
  return ex;
}

static void end(tide_executor *ex) {
  CHECK(tide_executor_shutdown(ex, NULL, 0, TIDE_FOREVER) == TIDE_OK);
  tide_executor_rele(ex);
}

static tide_future *submit(tide_executor *ex, lua_CFunction fn, const tide_taskopts *o) {
  tide_future *f;
  CHECK(tide_submit_cfunction(&f, ex, fn, NULL, 0, o) == TIDE_OK);
  if (f == NULL) exit(2);
  return f;
}

/* Releases the future and returns its outcome. */
static int outcome_of(tide_future *f) {
  int outcome;
  CHECK(tide_future_wait(f, NULL, TIDE_FOREVER) == TIDE_OK);
  outcome = tide_future_outcome(f);
  tide_future_rele(f);
  return outcome;
}

static void test_interrupt(const tide_config *cfg) {
  tide_executor *ex = executor(cfg);
  static const char words[] = "the task was interrupted";
  const lua_CFunction functions[] = {loop, poll_stop};
  for (int i = 0; i < 2; i++) {
    tide_future *f;
    tide_value v;
    size_t n;
    gate_init(&begun);
    f = submit(ex, functions[i], NULL);
    gate_enter(&begun);
    CHECK(tide_future_interrupt(f) == 1);
    CHECK(tide_future_wait(f, NULL, TIDE_FOREVER) == TIDE_OK);
    CHECK(tide_future_values(f, &v, 1, &n) == TIDE_EINTERRUPTED);
    /* with a length, and no zero after it */
    CHECK(v.type == TIDE_TSTRING && v.u.string.len >= strlen(words) &&
          memcmp(v.u.string.data, words, strlen(words)) == 0);
    CHECK(tide_future_interrupt(f) == 1);
    tide_future_rele(f);
    gate_fini(&begun);
  }
  CHECK(outcome_of(submit(ex, count_up, NULL)) == TIDE_OK);
  end(ex);
}

static void test_limits(const tide_config *base) {
  tide_config cfg = *base;
  tide_taskopts o;
  tide_executor *ex = executor(&cfg);
  CHECK(!tide_executor_limited(ex));
  tide_taskopts_init(&o);
  CHECK(o.time_limit <= 0 && o.memory_limit == 0);
  gate_init(&begun);
  o.time_limit = 0.01;
  CHECK(outcome_of(submit(ex, loop, &o)) == TIDE_ETIMELIMIT);
  tide_taskopts_init(&o);
  o.memory_limit = 1 << 20;
  CHECK(outcome_of(submit(ex, hoard, &o)) == TIDE_EMEMORYLIMIT);
  CHECK(outcome_of(submit(ex, count_up, NULL)) == TIDE_OK);
  end(ex);
  cfg.time_limit = 0.01;
  cfg.memory_limit = 1 << 20;
  ex = executor(&cfg);
  CHECK(tide_executor_limited(ex));
  CHECK(outcome_of(submit(ex, loop, NULL)) == TIDE_ETIMELIMIT);
  CHECK(outcome_of(submit(ex, count_up, NULL)) == TIDE_OK);
  end(ex);
  gate_fini(&begun);
}

static void test_isolation(const tide_config *base) {
  tide_config cfg = *base;
  tide_executor *ex;
  cfg.isolation = TIDE_ISOLATION_TASK;
  ex = executor(&cfg);
  for (int i = 0; i < 3; i++) {
    tide_future *f = submit(ex, count_up, NULL);
    tide_value v;
    size_t n;
    CHECK(tide_future_wait(f, NULL, TIDE_FOREVER) == TIDE_OK);
    CHECK(tide_future_values(f, &v, 1, &n) == TIDE_OK && v.u.integer == 1);
    tide_future_rele(f);
  }
  end(ex);
}

/* A host's finalizer in Lua: some hundred instructions. */
static atomic_int tidied;
static void tidy(lua_State *L, void *ud) {
  (void)ud;
  if (luaL_dostring(L, "local s = 0 for i = 1, 100 do s = s + i end return s") == LUA_OK &&
      lua_tointeger(L, -1) == 5050)
    atomic_fetch_add(&tidied, 1);
}

static void test_shutdown_interrupts(const tide_config *base) {
  tide_config cfg = *base;
  tide_executor *ex;
  tide_future *running, *queued;
  cfg.close_state = tidy;
  ex = executor(&cfg);
  atomic_store(&tidied, 0);
  gate_init(&begun);
  running = submit(ex, loop, NULL);
  queued = submit(ex, loop, NULL);
  gate_enter(&begun);
  CHECK(tide_executor_shutdown(ex, NULL, TIDE_SHUTDOWN_INTERRUPT, TIDE_FOREVER) == TIDE_OK);
  CHECK(outcome_of(running) == TIDE_EINTERRUPTED && outcome_of(queued) == TIDE_ECANCELLED);
  CHECK(atomic_load(&tidied) == 1); /* although the closing state was requested to end */
  end(ex);
  gate_fini(&begun);
}

static void handler(int sig) { (void)sig; }

static void test_signals(const tide_config *base) {
  tide_config cfg = *base;
  tide_executor *ex;
  tide_taskopts o;
  tide_future *f;
  struct sigaction host, now;
  memset(&host, 0, sizeof host);
  host.sa_handler = handler;
  sigemptyset(&host.sa_mask);
  CHECK(sigaction(SIGUSR1, &host, NULL) == 0);
  cfg.interrupt_signal = SIGUSR1;
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_EARG && ex == NULL);
  CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == handler);
  cfg.interrupt_signal = 9999;
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_EARG && ex == NULL);
  cfg.interrupt_signal = TIDE_NOSIGNAL;
  ex = executor(&cfg);
  tide_taskopts_init(&o);
  o.time_limit = 1;
  CHECK(tide_submit_cfunction(&f, ex, count_up, NULL, 0, &o) != TIDE_OK && f == NULL);
  gate_init(&begun);
  f = submit(ex, poll_stop, NULL); /* no signal reaches it, but it checks by itself */
  gate_enter(&begun);
  CHECK(tide_future_interrupt(f) == 0 && outcome_of(f) == TIDE_EINTERRUPTED);
  gate_fini(&begun);
  end(ex);
  cfg.interrupt_signal = SIGUSR2;
  test_interrupt(&cfg);
}

int main(void) {
  for (int own = 0; own < 2; own++) { /* with an allocator of the host's, too */
    tide_config cfg;
    tide_config_init(&cfg);
    cfg.max_workers = 1;
    if (own) {
      cfg.alloc = counted_alloc;
      cfg.alloc_ud = &memory;
    }
    test_interrupt(&cfg);
    test_limits(&cfg);
    test_isolation(&cfg);
    test_shutdown_interrupts(&cfg);
    test_signals(&cfg);
  }
  CHECK(memory_clean());
  return check_done();
}
