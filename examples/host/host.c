/*
** host.c: a program that embeds Lua and owns a tidepool executor.
**
** It keeps a year of temperature readings in C, and offers them to Lua as the module "host". Each
** worker gets that module from the open_state hook. The sum of all readings is then computed four
** times: by the program itself, by a script that gets the executor, by tasks that get the readings'
** memory as an array, and by tasks that C submits without a lua_State. The program ends with status
** 1 if the sums differ.
**
** usage: host [SCRIPT]    (default: host.lua in the folder of the program)
**
** SPDX-License-Identifier: MIT
*/
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <tidepool.h>

enum { DAYS = 365, PER_DAY = 1440, READINGS = DAYS * PER_DAY, SLICES = 8 };

/* In thousandths of a degree. Written before the first worker exists, and only read after that, so
** workers share it without a lock. */
static int32_t readings[READINGS];

/* The numbers of worker states that were opened and closed. The hooks that count run on the
** workers' threads. */
static atomic_int opened, closed;

static int mismatches;

static void check(int ok, const char *what) {
  printf("  %s: %s\n", ok ? "ok" : "MISMATCH", what);
  if (!ok) mismatches++;
}

static void measure(void) {
  unsigned noise = 12345;
  for (int i = 0; i < READINGS; i++) {
    noise = noise * 1103515245u + 12345u;
    readings[i] = abs(i / PER_DAY - DAYS / 2) * -150 + 25000 + (int)(noise >> 16) % 4000;
  }
}

/* ------------------------------------------------------- module "host" -- */

/* host.reading(i) returns reading number i, from 1. [-0, +1, e] */
static int l_reading(lua_State *L) {
  lua_Integer i = luaL_checkinteger(L, 1);
  luaL_argcheck(L, 1 <= i && i <= READINGS, 1, "no such reading");
  lua_pushinteger(L, readings[i - 1]);
  return 1;
}

/* host.sum(from, to) returns the sum of these readings. [-0, +1, e] */
static int l_sum(lua_State *L) {
  lua_Integer from = luaL_checkinteger(L, 1), to = luaL_checkinteger(L, 2), sum = 0;
  luaL_argcheck(L, 1 <= from && from <= READINGS, 1, "no such reading");
  luaL_argcheck(L, from <= to && to <= READINGS, 2, "no such reading");
  for (lua_Integer i = from; i <= to; i++) sum += readings[i - 1];
  lua_pushinteger(L, sum);
  return 1;
}

static int open_host(lua_State *L) {
  static const luaL_Reg functions[] = {{"reading", l_reading}, {"sum", l_sum}, {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_pushinteger(L, DAYS);
  lua_setfield(L, -2, "days");
  lua_pushinteger(L, PER_DAY);
  lua_setfield(L, -2, "per_day");
  return 1;
}

/* Hook: registers the module in each new worker state. */
static void open_state(lua_State *L, void *ud) {
  (void)ud;
  luaL_requiref(L, "host", open_host, 0);
  lua_pop(L, 1);
  atomic_fetch_add(&opened, 1);
}

static void close_state(lua_State *L, void *ud) {
  (void)L;
  (void)ud;
  atomic_fetch_add(&closed, 1);
}

/* --------------------------------------------------- a script's turn -- */

/* Makes Lua find the library's C module in this program, not in a second copy on package.cpath.
** Workers copy package.preload from the state that submits. [-0, +0, m] */
static void preload_tidepool(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_tidepool_core);
  lua_setfield(L, -2, "tidepool.core");
  lua_pop(L, 1);
}

/* Runs the script with the executor as its argument. Returns the sum that the script returned. */
static lua_Integer sum_by_script(lua_State *L, tide_executor *ex, const char *script) {
  lua_Integer sum = -1;
  if (luaL_loadfile(L, script) == LUA_OK) {
    tide_pushexecutor(L, ex);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK) sum = lua_tointeger(L, -1);
  }
  if (sum == -1) fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
  lua_settop(L, 0);
  return sum;
}

/* Runs Lua code with the executor and the readings as an array. Returns the sum that the code
** returned. No copy of the readings is made, neither here nor on the way to a task. */
static lua_Integer sum_by_array(lua_State *L, tide_executor *ex) {
  static const char code[] =
      "local pool, readings = ...\n"
      "local function sum(part) local s = 0 for _, t in ipairs(part) do s = s + t end "
      "return s end\n"
      "local half = #readings // 2\n"
      "local a = pool:submit(sum, readings:slice(1, half))\n"
      "local b = pool:submit(sum, readings:slice(half + 1))\n"
      "return a:result() + b:result()";
  lua_Integer sum = -1;
  tide_array *a;
  /* NULL: nothing is called after the last reference, since `readings` is never freed. */
  if (tide_array_wrap(&a, TIDE_I32, readings, READINGS, NULL, NULL) != TIDE_OK) return -1;
  if (luaL_loadstring(L, code) == LUA_OK) {
    tide_pushexecutor(L, ex);
    tide_pusharray(L, a);
    if (lua_pcall(L, 2, 1, 0) == LUA_OK) sum = lua_tointeger(L, -1);
  }
  if (sum == -1) fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
  lua_settop(L, 0);
  tide_array_rele(a);
  return sum;
}

/* ------------------------------------------------------------ C's turn -- */

static tide_value integer(lua_Integer i) {
  tide_value v = {.type = TIDE_TINTEGER, .u.integer = i};
  return v;
}

/* Returns the integer that a task returned, or -1 if the task failed. No sum here is -1. */
static lua_Integer wait_integer(tide_future *f) {
  tide_value v;
  size_t n = 0;
  tide_future_wait(f, NULL, TIDE_FOREVER);
  if (tide_future_values(f, &v, 1, &n) == TIDE_OK && n == 1 && v.type == TIDE_TINTEGER)
    return v.u.integer;
  return -1;
}

/* Sums the readings in slices. Each slice is a task that calls the C function l_sum. */
static lua_Integer sum_by_tasks(tide_executor *ex) {
  tide_future *slice[SLICES] = {NULL};
  lua_Integer sum = 0;
  for (int i = 0; i < SLICES; i++) {
    tide_value args[2];
    args[0] = integer((lua_Integer)READINGS * i / SLICES + 1);
    args[1] = integer((lua_Integer)READINGS * (i + 1) / SLICES);
    int rc = tide_submit_cfunction(&slice[i], ex, l_sum, args, 2, NULL);
    if (rc != TIDE_OK) fprintf(stderr, "submit: code %d\n", rc);
  }
  for (int i = 0; i < SLICES; i++) {
    if (slice[i] == NULL) continue;
    sum += wait_integer(slice[i]);
    tide_future_rele(slice[i]);
  }
  return sum;
}

/* Compares by length: no NUL need follow a future's string. */
static int ends_with(const tide_value *v, const char *tail) {
  size_t len = strlen(tail);
  return v->type == TIDE_TSTRING && v->u.string.len >= len &&
         memcmp(v->u.string.data + v->u.string.len - len, tail, len) == 0;
}

/* Submits a function by its name, with a string that comes back. */
static int call_by_name(tide_executor *ex) {
  tide_value arg = {.type = TIDE_TSTRING, .u.string = {"tide", 4}}, v = {.type = TIDE_TNIL};
  tide_future *f;
  size_t n = 0;
  if (tide_submit_named(&f, ex, "string.upper", &arg, 1, NULL) != TIDE_OK) return 0;
  tide_future_wait(f, NULL, TIDE_FOREVER);
  int ok = tide_future_values(f, &v, 1, &n) == TIDE_OK && n == 1 && ends_with(&v, "TIDE") &&
           v.u.string.len == 4;
  tide_future_rele(f);
  return ok;
}

/* Submits a task that fails, and reads its message. The executor can still be used. */
static int read_failure(tide_executor *ex) {
  tide_value arg = integer(READINGS + 1), v = {.type = TIDE_TNIL};
  tide_future *f;
  size_t n = 0;
  if (tide_submit_named(&f, ex, "host.reading", &arg, 1, NULL) != TIDE_OK) return 0;
  tide_future_wait(f, NULL, TIDE_FOREVER);
  int ok = tide_future_values(f, &v, 1, &n) == TIDE_EERROR && ends_with(&v, "(no such reading)");
  tide_future_rele(f);
  return ok;
}

/* ---------------------------------------------------------------- main -- */

static void script_path(char *path, size_t size, const char *program) {
  const char *slash = strrchr(program, '/');
  snprintf(path, size, "%.*shost.lua", slash ? (int)(slash + 1 - program) : 0, program);
}

int main(int argc, char **argv) {
  char path[4096];
  lua_Integer expected = 0;
  tide_config cfg;
  tide_executor *ex;
  tide_stats st;

  script_path(path, sizeof path, argv[0]);
  measure();
  for (int i = 0; i < READINGS; i++) expected += readings[i];
  printf("%d readings, their sum is %lld\n", READINGS, (long long)expected);

  lua_State *L = luaL_newstate();
  if (L == NULL) return 1;
  luaL_openlibs(L);
  luaL_requiref(L, "host", open_host, 0);
  lua_settop(L, 0);
  preload_tidepool(L);

  tide_config_init(&cfg);
  cfg.max_workers = 4;
  cfg.thread_name_prefix = "host";
  cfg.open_state = open_state;
  cfg.close_state = close_state;
  int rc = tide_executor_new(&ex, &cfg);
  if (rc != TIDE_OK) {
    fprintf(stderr, "no executor: code %d\n", rc);
    lua_close(L);
    return 1;
  }

  printf("from a script:\n");
  check(sum_by_script(L, ex, argc > 1 ? argv[1] : path) == expected, "sum by a map over days");
  check(sum_by_array(L, ex) == expected, "sum by tasks that read the program's own memory");
  printf("from C:\n");
  check(sum_by_tasks(ex) == expected, "sum by tasks that call a C function");
  check(call_by_name(ex), "string.upper by name");
  check(read_failure(ex), "a failing task fails alone, with its message");

  check(tide_executor_shutdown(ex, NULL, 0, TIDE_FOREVER) == TIDE_OK, "shutdown");
  tide_executor_stats(ex, &st);
  printf("%zu tasks, %zu of them failed; %d worker states\n", st.finished, st.failed,
         atomic_load(&opened));
  check(st.finished == st.submitted && st.failed == 1, "every task ran, one failed");
  check(atomic_load(&opened) == atomic_load(&closed), "every state opened was closed");
  tide_executor_rele(ex); /* the script's handle may hold another reference, so L is closed last */
  lua_close(L);
  return mismatches ? EXIT_FAILURE : EXIT_SUCCESS;
}
