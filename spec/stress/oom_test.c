/* link: -Wl,-Bstatic tidepool -Wl,-Bdynamic -lm -ldl -Wl,--wrap=malloc,--wrap=realloc
   link: -Wl,--wrap=free,--wrap=mmap,--wrap=munmap,--wrap=clock_gettime
   link: -Wl,--wrap=pthread_create,--wrap=pthread_join
   link: -Wl,--wrap=pthread_mutex_init,--wrap=pthread_mutex_destroy,--wrap=pthread_mutexattr_init
   link: -Wl,--wrap=pthread_cond_init,--wrap=pthread_cond_destroy,--wrap=pthread_condattr_init
   link: -Wl,--wrap=pthread_attr_init,--wrap=fopen,--wrap=posix_spawn */
/*
** oom_test.c: out of memory. Each operation (a row of spec/support/oom.lua) is run while the nth
** call of a failure site fails, for each n, until the operation has fewer calls.
**
** The failure sites (oom_support.h) are memory in the owner's thread, memory in the workers'
** threads, and the system's threads, locks, conditions and descriptors. States and executors have
** an allocator of a host's, so that each allocation of Lua may fail. In a second round they have
** the default one, with arenas, block caches and borrowed strings.
**
** Each n is tried in three ways: that call fails; it and the two after it fail, so that Lua's
** emergency collection does not help; all from it on fail. Each time the operation must succeed or
** raise a clear error. Then, with no failures, it must succeed with the same executor. When all is
** closed, every block, thread, lock and condition must have been given back.
**
** Each of the first n is tried, up to oom_dense; from there on, one in oom_step.
** TIDE_OOM: a part of the names of the rows to be run. TIDE_OOM_STEP: sets oom_step; 1: every n.
** Run from the root of the sources.
**
** SPDX-License-Identifier: MIT
*/
#include <sys/wait.h>

#include "oom_support.h"

static tide_executor *host_executor;
static tide_future *promise; /* the row's; cancelled after it */
static const struct row *current;

/* ------------------------------------------------------- what rows may call -- */

/* fail_promise(): sets an error in the promise where the stack must grow for it. */
static int fail_promise(lua_State *L) {
  lua_State *co = lua_newthread(L);
  luaL_checkstack(co, 38, NULL);
  for (int i = 0; i < 38; i++) lua_pushinteger(co, i);
  tide_promise_seterror(promise, co);
  return 0;
}

/* A C function that is in no module. */
static int cclosure(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, lua_upvalueindex(2));
  return 2;
}

static void must(lua_State *L, int status, const char *text) {
  if (status == TIDE_ENOMEM) luaL_error(L, "not enough memory");
  if (status == TIDE_ETHREAD) luaL_error(L, "cannot start a worker thread");
  if (status == TIDE_EERROR) luaL_error(L, "%s", text); /* the task's own */
  CHECK(status == TIDE_OK);
}

/* Does what a host without a state may do, until one call fails. Returns the error code. */
static int call_host(tide_executor *ex, char text[64]) {
  tide_value args[2] = {{.type = TIDE_TSTRING, .u.string = {"ab", 2}},
                        {.type = TIDE_TINTEGER, .u.integer = 3}};
  tide_value got = {.type = TIDE_TNIL};
  tide_future *f = NULL, *g = NULL, *q = NULL;
  tide_group *group = NULL;
  tide_array *a = NULL, *b = NULL;
  tide_taskopts o;
  size_t n = 0;
  int status;
  tide_taskopts_init(&o);
  o.name = "a name that needs memory";
  status = tide_submit_named(&f, ex, "string.rep", args, 2, &o);
  if (status == TIDE_OK) status = tide_submit_cfunction(&g, ex, cclosure, args, 2, NULL);
  if (status == TIDE_OK) status = tide_group_new(&group, NULL);
  if (status == TIDE_OK) status = tide_group_add(group, f, NULL);
  if (status == TIDE_OK) status = tide_group_add(group, g, NULL);
  if (status == TIDE_OK) status = tide_group_wait(group, NULL, 2, 0, TIDE_FOREVER);
  if (status == TIDE_OK) status = tide_future_wait(f, NULL, TIDE_FOREVER);
  if (status == TIDE_OK) status = tide_future_values(f, &got, 1, &n);
  if (status == TIDE_OK)
    CHECK(n == 1 && got.u.string.len == 6 && memcmp(got.u.string.data, "ababab", 6) == 0);
  if (status == TIDE_OK) status = tide_future_values(g, &got, 1, &n);
  if (status == TIDE_OK) status = tide_promise_new(&q);
  if (status == TIDE_OK) status = tide_promise_setvalues(q, args, 2);
  if (status == TIDE_OK) status = tide_array_new(&a, TIDE_U8, 5 << 20);
  if (status == TIDE_OK) status = tide_array_slice(&b, a, 1, 1);
  if (status == TIDE_EERROR && got.type == TIDE_TSTRING)
    snprintf(text, 64, "%.*s", (int)got.u.string.len, got.u.string.data);
  if (f != NULL && status != TIDE_OK) tide_future_cancel(f);
  tide_group_free(group);
  tide_array_rele(b);
  tide_array_rele(a);
  tide_future_rele(q);
  tide_future_rele(g);
  tide_future_rele(f);
  return status;
}

/* host_calls(executor) */
static int host_calls(lua_State *L) {
  char text[64] = "";
  must(L, call_host(host_executor, text), text);
  return 0;
}

/* sendable(...) -> nil, or the error that says why not */
static int sendable(lua_State *L) { return tide_sendable(L, lua_gettop(L)) == TIDE_OK ? 0 : 1; }

/* ----------------------------------------------------------------- an owner -- */

static int make_owner(lua_State *L) {
  luaL_openlibs(L);
  oom_preload(L);
  lua_pushcfunction(L, fail_promise);
  lua_setglobal(L, "fail_promise");
  lua_pushcfunction(L, host_calls);
  lua_setglobal(L, "host_calls");
  lua_pushcfunction(L, sendable);
  lua_setglobal(L, "sendable");
  lua_pushliteral(L, "up");
  lua_pushinteger(L, 2);
  lua_pushcclosure(L, cclosure, 2);
  lua_setglobal(L, "cclosure");
  lua_pushlightuserdata(L, &promise);
  lua_setglobal(L, "pointer");
  oom_load(L, &oom_prelude);
  lua_call(L, 0, 0);
  return 0;
}

/* Protected: (a row's function): calls it. The handles stay on this stack, too: a finalizer that
** Lua cannot call for lack of memory is not called again, and its object is never given back. */
static int call_row(lua_State *L) {
  tide_pushexecutor(L, host_executor);
  if (promise != NULL)
    tide_pushfuture(L, promise);
  else
    lua_pushnil(L);
  lua_pushvalue(L, 1);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "tidepool");
  lua_call(L, 1, 1);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_call(L, 3, 0);
  return 0;
}

static int describe(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

/* Runs the function at index 1. Returns the status, the kind of the error in *kind, and leaves the
** error's text on top. */
static int run(lua_State *L, int *kind) {
  int status;
  CHECK(tide_promise_new(&promise) == TIDE_OK);
  oom_begin();
  lua_settop(L, 1);
  lua_pushcfunction(L, call_row);
  lua_pushvalue(L, 1);
  status = lua_pcall(L, 1, 0, 0);
  oom_end();
  tide_future_cancel(promise);
  tide_future_rele(promise);
  promise = NULL;
  *kind = TIDE_OK;
  if (status != LUA_OK) {
    *kind = tide_errorkind(L, -1);
    lua_pushcfunction(L, describe);
    lua_insert(L, -2);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) CHECK(!"an error that is no text");
  }
  return status;
}

static void report(lua_State *L, const char *what) {
  const char *text = lua_tostring(L, -1);
  printf("%s: %s: %s: %s\n", current->name, oom.text, what, text != NULL ? text : "(no text)");
  CHECK(!"a clear error, and well afterwards");
}

/* All C functions of this program may be sent. */
static int any(lua_CFunction fn, void *ud) {
  (void)fn, (void)ud;
  return 1;
}

static void make_executor(bool own) {
  tide_config cfg;
  tide_config_init(&cfg);
  cfg.max_workers = current->workers;
  cfg.cfunction = any;
  if (!own) cfg.alloc = oom_alloc;
  CHECK(tide_executor_new(&host_executor, &cfg) == TIDE_OK);
}

/* Opens the workers' states, and does what an owner's state does once, so that afterwards only
** calls of the row fail. */
static void warm_up(lua_State *L) {
  tide_future *f[4];
  CHECK(current->workers <= 4);
  for (int i = 0; i < current->workers; i++)
    CHECK(tide_submit_named(&f[i], host_executor, "os.time", NULL, 0, NULL) == TIDE_OK);
  for (int i = 0; i < current->workers; i++) {
    CHECK(tide_future_wait(f[i], NULL, TIDE_FOREVER) == TIDE_OK);
    tide_future_rele(f[i]);
  }
  lua_settop(L, 0);
  oom_load(L, &oom_warm);
  lua_pushcfunction(L, call_row);
  lua_insert(L, 1);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) report(L, "before");
}

/* ---------------------------------------------------------------- a failure -- */

static bool is_clear(const char *text) {
  static const char *const clear[] = {"not enough memory",
                                      "stack overflow",             /* of luaL_checkstack */
                                      "too many results to unpack", /* of table.unpack */
                                      "cannot start a worker thread",
                                      "no thread could be started",
                                      "cannot make a waiter",
                                      "Cannot allocate memory",
                                      "Resource temporarily unavailable",
                                      "Too many open files"};
  for (size_t i = 0; i < sizeof clear / sizeof *clear; i++)
    if (strstr(text, clear[i]) != NULL) return true;
  return false;
}

/* Tries one failure. Returns false if the operation has fewer calls. */
static bool try_one(bool own) {
  lua_State *L = own ? luaL_newstate() : lua_newstate(oom_alloc, NULL);
  int status, kind;
  bool reached;
  tide_stats st;
  CHECK(L != NULL);
  lua_pushcfunction(L, make_owner);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) report(L, "before");
  make_executor(own);
  if (current->first.data != NULL) {
    oom_load(L, &current->first);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) report(L, "before");
  }
  if (!current->fresh) warm_up(L);
  lua_settop(L, 0);
  oom_load(L, &current->run);
  oom_arm(current->racing);
  status = run(L, &kind);
  reached = oom_disarm();
  if (status != LUA_OK && !is_clear(lua_tostring(L, -1))) report(L, "unclear");
  if (status != LUA_OK && (!reached || kind == TIDE_EBROKEN)) report(L, "no such failure");
  if (run(L, &kind) != LUA_OK) report(L, "afterwards");
  tide_executor_stats(host_executor, &st);
  CHECK(st.queued == 0 && st.submitted == st.finished + st.cancelled + st.running);
  CHECK(tide_executor_shutdown(host_executor, NULL, 0, TIDE_FOREVER) == TIDE_OK);
  lua_close(L);
  tide_executor_rele(host_executor);
  if (!oom_clean()) printf("%s: %s: something is left\n", current->name, oom.text);
  return reached;
}

/* Tries all failures of a site. Returns how many calls were tried. */
static long try_all(enum site site, bool own) {
  long most = 0;
  for (enum way way = ONE; way < WAYS; way++) {
    long n = 1;
    if (way == THREE && (own || site == SYSTEM)) continue; /* there is no emergency collection */
    for (;;) {
      oom_aim(site, way, n);
      alarm(60); /* seconds for each; under a sanitizer all of them may take longer */
      if (!try_one(own)) break;
      n += n >= oom_dense ? oom_step : 1;
    }
    if (n - 1 > most) most = n - 1;
  }
  return most;
}

static void timed_out(int sig) {
  (void)sig;
  (void)!write(1, current->name, strlen(current->name));
  (void)!write(1, oom.text, strlen(oom.text));
  _exit(1);
}

static void try_row(void) {
  printf("%s:", current->name);
  if (!current->alone) {
    printf(" owner %ld,", try_all(OWNER, false));
    printf(" workers %ld,", try_all(WORKERS, false));
    printf(" system %ld;", try_all(SYSTEM, false));
  }
  printf(" default memory:");
  if (current->borrows) printf(" owner %ld,", try_all(OWNER, true));
  printf(" workers %ld\n", try_all(WORKERS, true));
  fflush(stdout);
}

/* Runs rows until none is left. */
static int try_rows(atomic_size_t *next) {
  const char *only = getenv("TIDE_OOM");
  size_t i;
  while ((i = atomic_fetch_add(next, 1)) < oom_nrows) {
    current = &oom_rows[i];
    if (only == NULL || strstr(current->name, only) != NULL) try_row();
  }
  oom_stop();
  return check_done();
}

/* A process for each processor: a row uses little more than one. */
int main(void) {
  long processes = sysconf(_SC_NPROCESSORS_ONLN);
  atomic_size_t *next =
      __real_mmap(NULL, sizeof *next, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int status, failed;
  if (next == MAP_FAILED) return 1;
  signal(SIGALRM, timed_out);
  oom_start();
  for (long i = 1; i < processes; i++) {
    pid_t pid = fork();
    if (pid < 0) return 1;
    if (pid == 0) return try_rows(next);
  }
  failed = try_rows(next);
  while (wait(&status) > 0) failed |= status != 0;
  return failed;
}
