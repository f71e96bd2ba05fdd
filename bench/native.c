/*
** native.c: the Lua module bench_native: clocks and sleeping, which Lua lacks.
**
** It does not use tidepool, so that pools of other libraries are timed by the same clock.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lua.h>

#include "timing.h"

int luaopen_bench_native(lua_State *L);

/* now() returns the seconds of a monotonic clock. */
static int n_now(lua_State *L) {
  lua_pushnumber(L, now());
  return 1;
}

/* cpu() returns the seconds of processor time that all threads of this process have used. */
static int n_cpu(lua_State *L) {
  lua_pushnumber(L, seconds_of(CLOCK_PROCESS_CPUTIME_ID));
  return 1;
}

/* sleep(seconds) sleeps that long. */
static int n_sleep(lua_State *L) {
  sleep_until(now() + luaL_checknumber(L, 1));
  return 0;
}

/* sleep_until(time) sleeps until now() is at least that time. */
static int n_sleep_until(lua_State *L) {
  sleep_until(luaL_checknumber(L, 1));
  return 0;
}

int luaopen_bench_native(lua_State *L) {
  static const luaL_Reg functions[] = {{"now", n_now},
                                       {"cpu", n_cpu},
                                       {"sleep", n_sleep},
                                       {"sleep_until", n_sleep_until},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
