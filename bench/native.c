/*
** bench_native: what the workloads need and Lua lacks: clocks, and sleeping.
**
** Nothing here knows tidepool, so that other libraries' pools can be timed by the same clock.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lua.h>

#include "timing.h"

int luaopen_bench_native(lua_State *L);

/* now() -> seconds of a clock that never goes back */
static int n_now(lua_State *L) {
  lua_pushnumber(L, now());
  return 1;
}

/* cpu() -> seconds of processor time that this process has used, in all its threads */
static int n_cpu(lua_State *L) {
  lua_pushnumber(L, seconds_of(CLOCK_PROCESS_CPUTIME_ID));
  return 1;
}

/* sleep(seconds) */
static int n_sleep(lua_State *L) {
  sleep_until(now() + luaL_checknumber(L, 1));
  return 0;
}

/* sleep_until(time): until now() would answer that */
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
