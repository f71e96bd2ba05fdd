/*
** gate: functions by which specs make threads wait for each other, in any Lua state of the process.
**
** Gates and counters belong to the process and are named by integers and strings, so that they can
** be sent to tasks as plain values. A gate is shut, open for all threads, or open for n more
** passages. This file is independent of tidepool.
**
** One lock guards all tables below; one condition is broadcast on every change. No Lua function
** that can raise is called with the lock held. Waiting raises after LIMIT seconds, so that a broken
** spec fails in time.
**
** SPDX-License-Identifier: MIT
*/
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#define LIMIT 60
#define ALL (-1L)

struct gate {
  long passes; /* how many may still pass; ALL: open */
  long parked; /* threads that wait here now */
};

struct counter {
  struct counter *next;
  long long value;
  char name[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed; /* clock: monotonic; set up once */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct gate *gates;
static long ngates, capgates;
static struct counter *counters;

static void setup(void) {
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&changed, &attr);
  pthread_condattr_destroy(&attr);
}

static struct timespec deadline(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  t.tv_sec += LIMIT;
  return t;
}

/* Sleeps once on `changed`, with the lock held. Returns false when the time is over. */
static bool rest(const struct timespec *until) {
  return pthread_cond_timedwait(&changed, &lock, until) != ETIMEDOUT;
}

/* ---------------------------------------------------------------- gates -- */

/* new() -> id */
static int gate_new(lua_State *L) {
  long id = 0;
  pthread_mutex_lock(&lock);
  if (ngates == capgates) {
    long cap = capgates > 0 ? capgates * 2 : 64;
    struct gate *more = realloc(gates, (size_t)cap * sizeof *more);
    if (more != NULL) {
      gates = more;
      capgates = cap;
    }
  }
  if (ngates < capgates) {
    gates[ngates] = (struct gate){0, 0};
    id = ++ngates;
  }
  pthread_mutex_unlock(&lock);
  if (id == 0) return luaL_error(L, "gate: out of memory");
  lua_pushinteger(L, id);
  return 1;
}

static long checkgate(lua_State *L, int arg) {
  lua_Integer id = luaL_checkinteger(L, arg);
  long n;
  pthread_mutex_lock(&lock);
  n = ngates;
  pthread_mutex_unlock(&lock);
  luaL_argcheck(L, id >= 1 && id <= n, arg, "no such gate");
  return (long)id - 1;
}

/* wait(id): parks the thread until it may pass */
static int gate_wait(lua_State *L) {
  long g = checkgate(L, 1);
  struct timespec until = deadline();
  bool passed = false, intime = true;
  pthread_mutex_lock(&lock);
  gates[g].parked++;
  pthread_cond_broadcast(&changed);
  while (!(passed = gates[g].passes != 0) && intime) intime = rest(&until);
  gates[g].parked--;
  if (passed && gates[g].passes > 0) gates[g].passes--;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  if (!passed) return luaL_error(L, "gate %d stayed shut", (int)g + 1);
  return 0;
}

/* open(id [, n]): lets all threads pass from now on, or n more */
static int gate_open(lua_State *L) {
  long g = checkgate(L, 1);
  long n = lua_isnoneornil(L, 2) ? ALL : (long)luaL_checkinteger(L, 2);
  luaL_argcheck(L, n == ALL || n >= 0, 2, "negative");
  pthread_mutex_lock(&lock);
  if (n == ALL || gates[g].passes == ALL)
    gates[g].passes = ALL;
  else
    gates[g].passes += n;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  return 0;
}

/* arrived(id, n): waits until n threads are parked there */
static int gate_arrived(lua_State *L) {
  long g = checkgate(L, 1);
  long n = (long)luaL_optinteger(L, 2, 1);
  struct timespec until = deadline();
  bool there, intime = true;
  long parked;
  pthread_mutex_lock(&lock);
  while (!(there = gates[g].parked >= n) && intime) intime = rest(&until);
  parked = gates[g].parked;
  pthread_mutex_unlock(&lock);
  if (!there)
    return luaL_error(L, "gate %d: %d threads came, not %d", (int)g + 1, (int)parked, (int)n);
  return 0;
}

/* parked(id) -> number of threads parked there now */
static int gate_parked(lua_State *L) {
  long g = checkgate(L, 1);
  long n;
  pthread_mutex_lock(&lock);
  n = gates[g].parked;
  pthread_mutex_unlock(&lock);
  lua_pushinteger(L, n);
  return 1;
}

/* ------------------------------------------------------------- counters -- */

/* Returns the counter of that name, and makes it if it does not exist; NULL if out of memory. With
** the lock held. */
static struct counter *counter_locked(const char *name) {
  struct counter *c = counters;
  while (c != NULL && strcmp(c->name, name) != 0) c = c->next;
  if (c == NULL) {
    size_t len = strlen(name) + 1;
    c = malloc(sizeof *c + len);
    if (c != NULL) {
      memcpy(c->name, name, len);
      c->value = 0;
      c->next = counters;
      counters = c;
    }
  }
  return c;
}

/* add(name [, k]) -> the new value */
static int gate_add(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lua_Integer k = luaL_optinteger(L, 2, 1);
  long long value = 0;
  struct counter *c;
  pthread_mutex_lock(&lock);
  c = counter_locked(name);
  if (c != NULL) value = c->value += k;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  if (c == NULL) return luaL_error(L, "gate: out of memory");
  lua_pushinteger(L, value);
  return 1;
}

/* get(name) -> value, 0 if nothing was added */
static int gate_get(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  long long value = 0;
  const struct counter *c;
  pthread_mutex_lock(&lock);
  for (c = counters; c != NULL; c = c->next)
    if (strcmp(c->name, name) == 0) value = c->value;
  pthread_mutex_unlock(&lock);
  lua_pushinteger(L, value);
  return 1;
}

/* await(name, n): waits until the counter is at least n */
static int gate_await(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lua_Integer n = luaL_checkinteger(L, 2);
  struct timespec until = deadline();
  bool there, intime = true;
  long long value = 0;
  struct counter *c;
  pthread_mutex_lock(&lock);
  c = counter_locked(name);
  there = c == NULL;
  while (!there && !(there = c->value >= n) && intime) intime = rest(&until);
  if (c != NULL) value = c->value;
  pthread_mutex_unlock(&lock);
  if (c == NULL) return luaL_error(L, "gate: out of memory");
  if (!there) return luaL_error(L, "counter %s: %d, not %d", name, (int)value, (int)n);
  return 0;
}

/* reset(): opens all gates, counters are 0 again. Names and ids stay valid. */
static int gate_reset(lua_State *L) {
  long i;
  struct counter *c;
  (void)L;
  pthread_mutex_lock(&lock);
  for (i = 0; i < ngates; i++) gates[i].passes = ALL;
  for (c = counters; c != NULL; c = c->next) c->value = 0;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  return 0;
}

/* -------------------------------------------------- threads and signals -- */

/* thread_name() -> the name that the system has for this thread */
static int gate_thread_name(lua_State *L) {
  char name[64] = "";
  pthread_getname_np(pthread_self(), name, sizeof name);
  lua_pushstring(L, name);
  return 1;
}

static long gettid_(void) { return (long)syscall(SYS_gettid); }

/* thread_id() -> integer */
static int gate_thread_id(lua_State *L) {
  lua_pushinteger(L, gettid_());
  return 1;
}

/* threads() -> number of threads of this process */
static int gate_threads(lua_State *L) {
  int n = 0;
  struct dirent *e;
  DIR *d = opendir("/proc/self/task");
  if (d == NULL) return luaL_error(L, "cannot list threads: %s", strerror(errno));
  while ((e = readdir(d)) != NULL) n += e->d_name[0] != '.';
  closedir(d);
  lua_pushinteger(L, n);
  return 1;
}

/* blocked([signo]) -> is it blocked here? Without an argument: SIGINT and SIGTERM both? */
static int gate_blocked(lua_State *L) {
  sigset_t set;
  sigemptyset(&set);
  pthread_sigmask(SIG_BLOCK, NULL, &set);
  if (lua_isnoneornil(L, 1))
    lua_pushboolean(L, sigismember(&set, SIGINT) == 1 && sigismember(&set, SIGTERM) == 1);
  else
    lua_pushboolean(L, sigismember(&set, (int)luaL_checkinteger(L, 1)) == 1);
  return 1;
}

/* kill(pid, signo) */
static int gate_kill(lua_State *L) {
  pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  if (kill(pid, (int)luaL_checkinteger(L, 2)) != 0)
    return luaL_error(L, "cannot signal %d: %s", (int)pid, strerror(errno));
  return 0;
}

static int gate_getpid(lua_State *L) {
  lua_pushinteger(L, getpid());
  return 1;
}

static void pause_(void) {
  struct timespec t = {0, 1000000};
  nanosleep(&t, NULL);
}

/* pause(): lets other threads run; for loops that poll */
static int gate_pause(lua_State *L) {
  (void)L;
  pause_();
  return 0;
}

static char threadstate(long tid) {
  char path[64], text[512], *p;
  size_t n;
  FILE *f;
  snprintf(path, sizeof path, "/proc/self/task/%ld/stat", tid);
  f = fopen(path, "r");
  if (f == NULL) return '?';
  n = fread(text, 1, sizeof text - 1, f);
  fclose(f);
  text[n] = '\0';
  p = strrchr(text, ')');
  return p != NULL && p[1] == ' ' ? p[2] : '?';
}

/* asleep(tid): waits until that thread of this process sleeps, and stays asleep */
static int gate_asleep(lua_State *L) {
  long tid = (long)luaL_checkinteger(L, 1);
  int seen = 0, tries = 0;
  while (seen < 5 && tries++ < LIMIT * 1000) {
    seen = threadstate(tid) == 'S' ? seen + 1 : 0;
    pause_();
  }
  if (seen < 5) return luaL_error(L, "thread %d does not sleep", (int)tid);
  return 0;
}

/* now() -> seconds, monotonic */
static int gate_now(lua_State *L) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  lua_pushnumber(L, (lua_Number)t.tv_sec + (lua_Number)t.tv_nsec * 1e-9);
  return 1;
}

/* ------------------------------------------------------ values for tests -- */

static int adder(lua_State *L) {
  lua_pushinteger(L, luaL_checkinteger(L, 1) + lua_tointeger(L, lua_upvalueindex(1)));
  return 1;
}

/* adder(k) -> a C function with an upvalue, in no module: f(x) is x + k */
static int gate_adder(lua_State *L) {
  lua_pushinteger(L, luaL_checkinteger(L, 1));
  lua_pushcclosure(L, adder, 1);
  return 1;
}

/* light(n) -> light userdata */
static int gate_light(lua_State *L) {
  lua_pushlightuserdata(L, (void *)(size_t)luaL_checkinteger(L, 1));
  return 1;
}

/* userdata() -> a full userdata without a metatable */
static int gate_userdata(lua_State *L) {
  lua_newuserdatauv(L, 8, 0);
  return 1;
}

/* -------------------------------------------------------------- warnings -- */

/* The texts of this state's warnings since the last call, each with a final zero. */
struct ti_warnings {
  char *text;
  size_t len;
};

static const char warnings_key = 0;

static void onwarn(void *ud, const char *msg, int tocont) {
  struct ti_warnings *w = ud;
  size_t n = strlen(msg);
  char *text = realloc(w->text, w->len + n + 2);
  if (text == NULL) return;
  w->text = text;
  memcpy(text + w->len, msg, n);
  w->len += n;
  if (!tocont) text[w->len++] = '\0';
}

static int freewarnings(lua_State *L) {
  struct ti_warnings *w = lua_touserdata(L, 1);
  lua_setwarnf(L, NULL, NULL);
  free(w->text);
  w->text = NULL;
  w->len = 0;
  return 0;
}

/* warnings() -> list of the warnings since the last call. From the first call on this state's
** warnings are collected here instead of printed. */
static int gate_warnings(lua_State *L) {
  struct ti_warnings *w;
  size_t at = 0;
  lua_Integer n = 0;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &warnings_key) != LUA_TUSERDATA) {
    w = lua_newuserdatauv(L, sizeof *w, 0);
    *w = (struct ti_warnings){NULL, 0};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, freewarnings);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &warnings_key);
    lua_setwarnf(L, onwarn, w);
    lua_newtable(L);
    return 1;
  }
  w = lua_touserdata(L, -1);
  lua_newtable(L);
  while (at < w->len) {
    size_t len = strlen(w->text + at);
    lua_pushlstring(L, w->text + at, len);
    lua_rawseti(L, -2, ++n);
    at += len + 1;
  }
  w->len = 0;
  return 1;
}

/* Called when the last state that loaded this has closed; its threads have ended. */
__attribute__((destructor)) static void unload(void) {
  free(gates);
  while (counters != NULL) {
    struct counter *c = counters;
    counters = c->next;
    free(c);
  }
}

/* What a C module, such as a coverage tool, may do without Lua's libraries: */
static int gate_unhook(lua_State *L) {
  lua_sethook(L, NULL, 0, 0);
  return 0;
}

static int gate_stopgc(lua_State *L) {
  lua_gc(L, LUA_GCSTOP);
  return 0;
}

static const luaL_Reg functions[] = {
    {"new", gate_new},
    {"wait", gate_wait},
    {"open", gate_open},
    {"arrived", gate_arrived},
    {"parked", gate_parked},
    {"add", gate_add},
    {"get", gate_get},
    {"await", gate_await},
    {"reset", gate_reset},
    {"thread_name", gate_thread_name},
    {"thread_id", gate_thread_id},
    {"threads", gate_threads},
    {"blocked", gate_blocked},
    {"kill", gate_kill},
    {"getpid", gate_getpid},
    {"pause", gate_pause},
    {"asleep", gate_asleep},
    {"now", gate_now},
    {"adder", gate_adder},
    {"light", gate_light},
    {"userdata", gate_userdata},
    {"warnings", gate_warnings},
    {"unhook", gate_unhook},
    {"stopgc", gate_stopgc},
    {NULL, NULL},
};

int luaopen_gate(lua_State *L);
int luaopen_gate(lua_State *L) {
  pthread_once(&once, setup);
  luaL_newlib(L, functions);
  lua_pushinteger(L, SIGINT);
  lua_setfield(L, -2, "SIGINT");
  lua_pushinteger(L, SIGTERM);
  lua_setfield(L, -2, "SIGTERM");
  return 1;
}
