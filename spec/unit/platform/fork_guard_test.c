/* link: tidepool */
/*
** fork_guard_test.c: a host that forks while tasks run. The child may start a program, or use the
** API, which returns TIDE_EBROKEN and never waits for threads that do not exist.
**
** TIDE_ROUNDS (30): how often, each at another moment.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/fork_guard.h"
#include "include/tidepool.h"
#include "check.h"

enum { TASKS = 200, LIMIT = 60 };

struct host {
  tide_executor *ex;
  lua_State *L;
  tide_group *group, *stateless; /* of L, and of no state */
  tide_future *f[TASKS], *done, *promise;
};

/* Checks in a child. Returns 0, or the number of the check that failed. */
static int look_around(struct host *h) {
  tide_future *f = NULL;
  tide_group *g = NULL;
  tide_executor *own = NULL;
  tide_config cfg;
  tide_stats st;
  tide_value v;
  size_t n;
  if (tide_submit_named(&f, h->ex, "os.time", NULL, 0, NULL) != TIDE_EBROKEN || f != NULL) return 1;
  if (tide_submit_cfunction(&f, h->ex, luaopen_base, NULL, 0, NULL) != TIDE_EBROKEN) return 2;
  for (int i = 0; i < TASKS; i++) {
    int status = tide_future_wait(h->f[i], i % 2 == 0 ? h->L : NULL, TIDE_FOREVER);
    if (status != (tide_future_status(h->f[i]) >= TIDE_FINISHED ? TIDE_OK : TIDE_EBROKEN)) return 3;
    if (tide_future_status(h->f[i]) < TIDE_FINISHED && tide_future_cancel(h->f[i])) return 4;
  }
  if (tide_future_values(h->done, &v, 1, &n) != TIDE_OK || v.type != TIDE_TSTRING) return 5;
  if (tide_group_wait(h->group, h->L, 1, 0, TIDE_FOREVER) != TIDE_EBROKEN) return 6;
  if (tide_group_wait(h->stateless, NULL, 1, 0, TIDE_FOREVER) != TIDE_EBROKEN) return 7;
  if (tide_group_next(h->stateless, NULL) != NULL) return 8;
  if (tide_group_add(h->stateless, h->done, NULL) != TIDE_EBROKEN) return 9;
  if (tide_executor_shutdown(h->ex, h->L, TIDE_SHUTDOWN_CANCEL, TIDE_FOREVER) != TIDE_EBROKEN)
    return 10;
  tide_executor_stats(h->ex, &st);
  if (st.workers != 0 || st.running != 0) return 11;
  /* what is its own works, in the same state */
  if (tide_group_new(&g, h->L) != TIDE_OK || tide_group_add(g, h->done, NULL) != TIDE_OK) return 12;
  if (tide_group_wait(g, h->L, 1, 0, TIDE_FOREVER) != TIDE_OK) return 13;
  tide_group_free(g);
#if !defined(__SANITIZE_THREAD__) /* which knows no threads in a child */
  tide_config_init(&cfg);
  cfg.max_workers = 1;
  if (tide_executor_new(&own, &cfg) != TIDE_OK) return 14;
  if (tide_submit_named(&f, own, "os.time", NULL, 0, NULL) != TIDE_OK) return 15;
  if (tide_future_wait(f, h->L, TIDE_FOREVER) != TIDE_OK) return 16;
  tide_future_rele(f);
  if (tide_executor_shutdown(own, NULL, 0, TIDE_FOREVER) != TIDE_OK) return 17;
  tide_executor_rele(own);
#else
  (void)own, (void)cfg;
#endif
  return 0;
}

static void give_back(struct host *h) {
  for (int i = 0; i < TASKS; i++) tide_future_rele(h->f[i]);
  tide_future_rele(h->done);
  tide_future_rele(h->promise);
  tide_group_free(h->group);
  tide_group_free(h->stateless);
  lua_close(h->L);
}

static void start(struct host *h) {
  static const char text[] = "a string";
  tide_value args[2] = {{.type = TIDE_TSTRING, .u.string = {text, sizeof text - 1}},
                        {.type = TIDE_TINTEGER, .u.integer = 10000}};
  tide_config cfg;
  tide_config_init(&cfg);
  cfg.max_workers = 3;
  CHECK(tide_executor_new(&h->ex, &cfg) == TIDE_OK);
  h->L = luaL_newstate();
  tide_executor_adopt(h->ex, h->L);
  CHECK(tide_group_new(&h->group, h->L) == TIDE_OK);
  CHECK(tide_group_new(&h->stateless, NULL) == TIDE_OK);
  CHECK(tide_promise_new(&h->promise) == TIDE_OK);
  CHECK(tide_submit_named(&h->done, h->ex, "string.rep", args, 2, NULL) == TIDE_OK);
  CHECK(tide_future_wait(h->done, h->L, TIDE_FOREVER) == TIDE_OK);
  for (int i = 0; i < TASKS; i++) {
    CHECK(tide_submit_named(&h->f[i], h->ex, "string.rep", args, 2, NULL) == TIDE_OK);
    CHECK(tide_group_add(i % 2 == 0 ? h->group : h->stateless, h->f[i], NULL) == TIDE_OK);
  }
#if defined(__SANITIZE_ADDRESS__) /* whose allocator may be locked for ever in the child */
  for (int i = 0; i < TASKS; i++) CHECK(tide_future_wait(h->f[i], NULL, TIDE_FOREVER) == TIDE_OK);
#endif
}

static int status_of(pid_t pid) {
  int status = 0;
  CHECK(waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* The child checks, releases everything, and ends: by itself, or by starting a program. */
static void test_child(int round) {
  struct host h;
  int status;
  pid_t pid;
  start(&h);
  pid = fork();
  if (pid == 0) {
    alarm(LIMIT); /* ends it if it takes too long */
    if (round % 3 == 0) execl("/bin/sh", "sh", "-c", "exit 0", (char *)NULL);
    status = look_around(&h);
    give_back(&h);
    tide_executor_rele(h.ex);
    _exit(status);
  }
  status = status_of(pid);
  if (status != 0) printf("round %d: status %d\n", round, status);
  CHECK(status == 0);
  for (int i = 0; i < TASKS; i++) CHECK(tide_future_wait(h.f[i], h.L, TIDE_FOREVER) == TIDE_OK);
  CHECK(tide_executor_shutdown(h.ex, h.L, 0, TIDE_FOREVER) == TIDE_OK);
  give_back(&h);
  tide_executor_rele(h.ex);
}

static void test_mark(void) {
  struct ti_fork_guard m, none = {NULL, 0}, plain = {NULL, 0};
  pid_t pid;
  ti_fork_guard_init(&m);
  plain.pid = getpid(); /* as where the system clears no pages */
  CHECK(!ti_fork_guard_forked(&m) && !ti_fork_guard_forked(&none) && !ti_fork_guard_forked(&plain));
  pid = fork();
  if (pid == 0)
    _exit(ti_fork_guard_forked(&m) && !ti_fork_guard_forked(&none) && ti_fork_guard_forked(&plain)
              ? 0
              : 1);
  CHECK(status_of(pid) == 0);
  CHECK(!ti_fork_guard_forked(&m) && !ti_fork_guard_forked(&plain));
  ti_fork_guard_fini(&m);
  CHECK(!ti_fork_guard_forked(&m));
  ti_fork_guard_fini(&none);
}

int main(void) {
  const char *rounds = getenv("TIDE_ROUNDS");
  int n = rounds != NULL ? atoi(rounds) : 30;
  test_mark();
  for (int i = 0; i < n; i++) test_child(i);
  return check_done();
}
