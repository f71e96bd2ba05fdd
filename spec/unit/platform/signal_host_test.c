/* link: tidepool */
/*
** signal_host_test.c: signals belong to the host. It takes, ignores or resets the one by which
** tasks are stopped, before they run and meanwhile. Each case is a child process, which must end by
** itself with status 0.
**
** SPDX-License-Identifier: MIT
*/
#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/tidepool.h"
#include "check.h"

int luaopen_tidepool_core(lua_State *L);

static atomic_int delivered, delivered_elsewhere;
static pthread_t main_thread;

static void host_handler(int sig) {
  (void)sig;
  atomic_fetch_add(&delivered, 1);
  if (!pthread_equal(pthread_self(), main_thread)) atomic_fetch_add(&delivered_elsewhere, 1);
}

static void set(int sig, void (*handler)(int)) {
  struct sigaction act;
  memset(&act, 0, sizeof act);
  act.sa_handler = handler;
  sigemptyset(&act.sa_mask);
  sigaction(sig, &act, NULL); /* fails for some */
}

static void set_all(void (*handler)(int)) {
  for (int sig = 1; sig < NSIG; sig++) {
    /* not those for faults, nor the alarm that ends a case that takes too long */
    if (handler != SIG_DFL && (sig == SIGSEGV || sig == SIGBUS || sig == SIGABRT || sig == SIGALRM))
      continue;
    set(sig, handler);
  }
}

static void set_all_but(int but, void (*handler)(int)) {
  for (int sig = 1; sig < NSIG; sig++)
    if (sig != but) set(sig, handler);
}

static void (*handler_of(int sig))(int) {
  struct sigaction now;
  CHECK(sigaction(sig, NULL, &now) == 0);
  return now.sa_handler;
}

/* ----------------------------------------------------------------- the script -- */

static lua_State *start(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_tidepool_core);
  lua_setfield(L, -2, "tidepool.core");
  lua_pop(L, 1);
  return L;
}

/* Runs a piece of the script. Returns whether it returned true. */
static bool run(lua_State *L, const char *code) {
  bool yes;
  if (luaL_dostring(L, code) != LUA_OK) {
    printf("%s\n", luaL_tolstring(L, -1, NULL));
    lua_settop(L, 0);
    return false;
  }
  yes = lua_gettop(L) == 0 || lua_toboolean(L, -1);
  lua_settop(L, 0);
  return yes;
}

#define MAKE(options) "t = require 'tidepool' ex = t.executor { max_workers = 2, " options " }"
/* Defines a global function that submits a task that never ends, and waits until it runs. */
#define ENDLESS                                                                             \
  "function endless(view) local f = (view or ex):submit(function() while true do end end) " \
  "while f:status() == 'pending' do end return f end"
/* The task is stopped, and so are others, by calls and by limits; the worker continues. */
#define STOPS                                                             \
  "local f = f and not f:done() and f or endless() "                      \
  "if not f:interrupt() or not f:wait(60) or "                            \
  "  t.error_kind(f:exception()) ~= 'interrupted' then return false end " \
  "f = endless(ex:with { time_limit = 0.02 }) "                           \
  "if not f:wait(60) or "                                                 \
  "  t.error_kind(f:exception()) ~= 'time_limit' then return false end "  \
  "f = endless() "                                                        \
  "if not f:interrupt() or not f:wait(60) then return false end "         \
  "return ex:submit(function() return true end):result()"

/* -------------------------------------------------------------------- the cases -- */

static bool kept; /* the executor is shut down by hand before the state closes */

static lua_State *begin(const char *make) {
  lua_State *L = start();
  CHECK(run(L, make) && run(L, ENDLESS));
  return L;
}

static void end(lua_State *L) {
  if (kept) CHECK(run(L, "return ex:shutdown { interrupt = true, timeout = 60 }"));
  lua_close(L);
}

/* The signal is used before it is taken, or not; and the task runs when it is taken, or not. */
static void taken(void (*handler)(int), bool used, bool runs, int sig, const char *make) {
  lua_State *L = begin(make);
  atomic_store(&delivered, 0);
  if (used) CHECK(run(L, STOPS));
  if (runs) CHECK(run(L, "f = endless()"));
  set(sig, handler);
  CHECK(run(L, STOPS));
  CHECK(handler_of(sig) == handler || handler == SIG_DFL);
  CHECK(atomic_load(&delivered) == 0);
  CHECK(run(L, "f = endless()")); /* daemon: the end of the state stops it */
  end(L);
  CHECK(handler_of(sig) == handler || handler == SIG_DFL);
  if (handler == host_handler) CHECK(raise(sig) == 0 && atomic_load(&delivered) == 1);
}

static void taken_later(void) {
  for (int i = 0; i < 4; i++) taken(host_handler, i & 1, i & 2, SIGURG, MAKE("daemon = true"));
}
static void ignored_later(void) {
  for (int i = 0; i < 4; i++) taken(SIG_IGN, i & 1, i & 2, SIGURG, MAKE("daemon = true"));
}
static void reset_later(void) {
  for (int i = 0; i < 4; i++) taken(SIG_DFL, i & 1, i & 2, SIGURG, MAKE("daemon = true"));
}
static void chosen_is_taken_later(void) {
  taken(host_handler, true, true, SIGUSR2, MAKE("daemon = true, interrupt_signal = 12"));
}
static void chosen_is_reset_later(void) {
  taken(SIG_DFL, true, true, SIGUSR2, MAKE("daemon = true, interrupt_signal = 12"));
}

/* The host takes one after the other: others are always left. */
static void taken_one_by_one(void) {
  lua_State *L = begin(MAKE("daemon = true"));
  set(SIGURG, host_handler);
  for (int sig = SIGRTMAX; sig > SIGRTMIN + 2; sig--) {
    CHECK(run(L, "f = endless()"));
    set(sig, host_handler);
    CHECK(run(L, STOPS));
  }
  CHECK(atomic_load(&delivered) == 0);
  end(L);
}

/* The host takes two at once, while tasks run. */
static void taken_two_by_two(void) {
  lua_State *L = begin(MAKE("daemon = true"));
  CHECK(run(L, "f = endless()"));
  set(SIGURG, host_handler);
  set(SIGRTMAX - 3, SIG_IGN);
  CHECK(run(L, STOPS));
  CHECK(run(L, "f = endless()"));
  set(SIGRTMAX - 4, host_handler);
  set(SIGRTMAX - 5, host_handler);
  CHECK(run(L, STOPS));
  CHECK(atomic_load(&delivered) == 0);
  end(L);
}

/* No signal is left: nothing is promised. */
static void all_taken(void (*handler)(int), bool runs) {
  lua_State *L = begin(MAKE("daemon = true"));
  CHECK(run(L, "f = endless()"));
  if (runs) CHECK(run(L, STOPS) && run(L, "f = endless()"));
  set_all(handler);
  CHECK(run(L, "return not f:interrupt()"));
  CHECK(run(L, "return not f:interrupt() and f:running()"));
  CHECK(run(
      L,
      "limited = ex:with { time_limit = 1 } local ok, why = pcall(limited.submit, limited, print) "
      "return not ok and tostring(why):find('no signal', 1, true)"));
  CHECK(run(L, "return ex:submit(function() return true end):result()"));
  CHECK(run(L, "local f = ex:with { memory_limit = 1000000 }:submit(string.rep, 'x', 10000000) "
               "return t.error_kind(f:exception()) == 'memory_limit'"));
  CHECK(run(L, "return ex:shutdown { interrupt = true, timeout = 0.1 } == false"));
  CHECK(atomic_load(&delivered) == 0);
  lua_close(L); /* leaves it running */
}
static void all_taken_by_handlers(void) { all_taken(host_handler, true); }
static void all_ignored(void) { all_taken(SIG_IGN, false); }

/* The host gives the signals back, and the requested stop takes effect. */
static void all_taken_for_a_while(void) {
  lua_State *L = begin(MAKE("daemon = true"));
  CHECK(run(L, "f = endless()"));
  set_all(host_handler);
  CHECK(run(L, "return not f:interrupt()"));
  set_all(SIG_DFL);
  CHECK(run(L, "return f:wait(60) and t.error_kind(f:exception()) == 'interrupted'"));
  CHECK(run(L, "f = nil") && run(L, STOPS));
  end(L);
}

static void all_taken_before(void) {
  lua_State *L;
  set_all(host_handler);
  L = begin(MAKE("daemon = true"));
  CHECK(run(L, "f = endless() return not f:interrupt()"));
  CHECK(run(
      L, "limited = ex:with { time_limit = 1 } return not pcall(limited.submit, limited, print)"));
  lua_close(L);
}

/* As HAProxy ends: it has a handler for SIGURG, and resets all signals before lua_close. */
static void way_out(const char *make, const char *tasks, bool has_handler) {
  lua_State *L;
  if (has_handler) set(SIGURG, host_handler);
  L = begin(make);
  CHECK(run(L, tasks));
  set_all(SIG_DFL);
  end(L);
}

static void resets_all(void) {
  static const char stubborn[] =
      "f = ex:submit(function() while true do pcall(function() while true do end end) end end) "
      "while f:status() == 'pending' do end";
  static const char *const tasks[] = {
      "f = endless()", "f = endless() g = endless()",
      "f = endless(ex:with { time_limit = 0.01 })", /* the limit may come meanwhile */
      stubborn};
  for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++) {
    way_out(MAKE("daemon = true"), tasks[i], true);
    way_out(MAKE("daemon = true"), tasks[i], false);
    way_out(MAKE("daemon = true, interrupt_signal = 10"), tasks[i], false);
    kept = true;
    way_out(MAKE(""), tasks[i], true);
    way_out(MAKE(""), tasks[i], false);
    kept = false;
  }
}

/* Many finalizers, each of which needs a signal, while signals are set back. */
static void resets_all_while_it_stops(void) {
  lua_State *L = begin(MAKE("daemon = true"));
  CHECK(run(L, "f = ex:submit(function() for i = 1, 200 do setmetatable({}, { __gc = function() "
               "while true do end end }) end collectgarbage() while true do end end) "
               "while f:status() == 'pending' do end"));
  CHECK(run(L, "return f:interrupt()"));
  for (int i = 0; i < 1000; i++) set_all(SIG_DFL);
  CHECK(run(L, "return f:wait(60)"));
  end(L);
}

/* Again and again, while tasks are stopped. It has SIGURG, and would die of a signal that it had
** just set back. */
static atomic_bool storm;

static void *set_back(void *arg) {
  while (atomic_load(&storm)) set_all_but(SIGURG, SIG_DFL);
  return arg;
}

static void resets_again_and_again(void) {
  pthread_t thread;
  lua_State *L;
  set(SIGURG, host_handler);
  L = begin(MAKE("daemon = true"));
  atomic_store(&storm, true);
  CHECK(pthread_create(&thread, NULL, set_back, NULL) == 0);
  CHECK(run(L, "for i = 1, 100 do local f = endless() "
               "if not f:interrupt() or not f:wait(60) then return false end "
               "end return true"));
  atomic_store(&storm, false);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(atomic_load(&delivered) == 0);
  end(L);
}

/* A host that blocks signals. Of some it waits for one by signalfd: that is not taken. */
static void blocked(bool all) {
  sigset_t mask;
  struct signalfd_siginfo info;
  lua_State *L;
  int fd;
  if (all)
    sigfillset(&mask);
  else
    sigemptyset(&mask), sigaddset(&mask, SIGURG);
  CHECK(pthread_sigmask(SIG_BLOCK, &mask, NULL) == 0);
  if (all) {
    L = begin(MAKE("daemon = true"));
    CHECK(run(L, STOPS));
    end(L);
    return;
  }
  fd = signalfd(-1, &mask, 0);
  L = begin(MAKE("daemon = true"));
  CHECK(run(L, "f = endless()"));
  for (int i = 0; i < 20; i++) {
    CHECK(kill(getpid(), SIGURG) == 0 && read(fd, &info, sizeof info) == sizeof info);
    CHECK(info.ssi_signo == SIGURG);
  }
  CHECK(run(L, STOPS));
  CHECK(handler_of(SIGURG) == SIG_DFL);
  end(L);
  close(fd);
}
static void blocks_all(void) { blocked(true); }
static void uses_signalfd(void) { blocked(false); }

/* A handler that the host sets later runs on no worker, once that has begun another task. */
static void handlers_run_on_the_host(void) {
  lua_State *L = begin(MAKE("daemon = true"));
  sigset_t mask, before;
  CHECK(run(L, STOPS));
  set(SIGURG, host_handler);
  CHECK(run(L, STOPS)); /* sees it */
  CHECK(run(L, "for _ = 1, 2 do f = endless() end"));
  sigemptyset(&mask);
  sigaddset(&mask, SIGURG);
  /* the signal is then for another thread, if there were one */
  CHECK(pthread_sigmask(SIG_BLOCK, &mask, &before) == 0);
  for (int i = 0; i < 100; i++) CHECK(kill(getpid(), SIGURG) == 0);
  CHECK(atomic_load(&delivered) == 0);
  CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
  CHECK(atomic_load(&delivered) == 1 && atomic_load(&delivered_elsewhere) == 0);
  end(L);
}

/* ------------------------------------------------------------- without a script -- */

static void refused(void) {
  const int unfit[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL, SIGABRT, SIGTRAP, SIGSYS,  SIGKILL,
                       SIGSTOP, SIGCONT, SIGTSTP, SIGINT, SIGTERM, SIGHUP,  SIGQUIT, SIGPIPE,
                       SIGCHLD, SIGALRM, SIGPROF, 32,     33,      NSIG + 1};
  const int fit[] = {SIGUSR1, SIGUSR2, SIGURG, SIGWINCH, SIGIO, SIGRTMIN, SIGRTMAX};
  tide_executor *ex;
  tide_config cfg;
  for (size_t i = 0; i < sizeof unfit / sizeof unfit[0]; i++) {
    tide_config_init(&cfg);
    cfg.interrupt_signal = unfit[i];
    CHECK(tide_signal_problem(unfit[i]) != NULL && tide_executor_new(&ex, &cfg) == TIDE_EARG);
  }
  for (size_t i = 0; i < sizeof fit / sizeof fit[0]; i++) {
    tide_config_init(&cfg);
    cfg.interrupt_signal = fit[i];
    CHECK(tide_signal_problem(fit[i]) == NULL && tide_executor_new(&ex, &cfg) == TIDE_OK);
    tide_executor_rele(ex);
  }
  set(SIGUSR1, host_handler);
  CHECK(strstr(tide_signal_problem(SIGUSR1), "handles") != NULL);
}

/* A future's interrupt, for hosts that have no script. */
static int loop(lua_State *L) {
  return luaL_dostring(L, "while true do end") != LUA_OK ? lua_error(L) : 0;
}

static void answers_in_c(void) {
  tide_executor *ex;
  tide_future *f;
  tide_taskopts o;
  tide_config cfg;
  tide_config_init(&cfg);
  cfg.max_workers = 1;
  CHECK(tide_executor_new(&ex, &cfg) == TIDE_OK);
  CHECK(tide_submit_cfunction(&f, ex, loop, NULL, 0, NULL) == TIDE_OK);
  while (tide_future_status(f) == TIDE_PENDING) sched_yield();
  set_all(host_handler);
  CHECK(tide_future_interrupt(f) == 0);
  tide_taskopts_init(&o);
  o.time_limit = 1;
  {
    tide_future *g;
    CHECK(tide_submit_cfunction(&g, ex, loop, NULL, 0, &o) == TIDE_ETHREAD && g == NULL);
  }
  set(SIGURG, SIG_DFL);
  CHECK(tide_future_interrupt(f) == 1);
  CHECK(tide_executor_shutdown(ex, NULL, TIDE_SHUTDOWN_INTERRUPT, 60) == TIDE_OK);
  tide_future_rele(f);
  tide_executor_rele(ex);
  CHECK(atomic_load(&delivered) == 0);
}

/* ----------------------------------------------------------------------- main -- */

static void in_a_child(const char *name, void (*test)(void)) {
  int status;
  pid_t pid;
  fflush(stdout);
  pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    main_thread = pthread_self();
    atomic_store(&check_passed, 0);
    atomic_store(&check_failed, 0);
    alarm(getenv("SAN") != NULL ? 600 : 200); /* it takes too long */
    test();
    fflush(stdout);
    _exit(check_done());
  }
  CHECK(waitpid(pid, &status, 0) == pid);
  if (status != 0) printf("%s: status %#x\n", name, status);
  CHECK(status == 0);
}

#define CASE(name) in_a_child(#name, name)

int main(void) {
  CASE(refused);
  CASE(answers_in_c);
  CASE(taken_later);
  CASE(ignored_later);
  CASE(reset_later);
  CASE(chosen_is_taken_later);
  CASE(chosen_is_reset_later);
  CASE(taken_one_by_one);
  CASE(taken_two_by_two);
  CASE(all_taken_by_handlers);
  CASE(all_ignored);
  CASE(all_taken_for_a_while);
  CASE(all_taken_before);
  CASE(resets_all);
  CASE(resets_all_while_it_stops);
  CASE(resets_again_and_again);
  CASE(blocks_all);
  CASE(uses_signalfd);
  CASE(handlers_run_on_the_host);
  return check_done();
}
