/*
** bytecode_dump.h: what the tests of bytecode share: functions and their dumps.
**
** SPDX-License-Identifier: MIT
*/
#ifndef BYTECODE_DUMP_H
#define BYTECODE_DUMP_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>

#include "codec/bytecode.h"
#include "check.h"

static inline int dump_writer(lua_State *L, const void *p, size_t n, void *ud) {
  (void)L;
  ti_buffer_put((struct ti_buffer *)ud, p, n);
  return 0;
}

/* Returns the dump of the function on top, which stays. */
static inline struct ti_buffer dump(lua_State *L, int strip) {
  struct ti_buffer b;
  ti_buffer_init(&b, &ti_alloc_default);
  CHECK(lua_dump(L, dump_writer, &b, strip) == 0 && !b.failed);
  return b;
}

/* Runs the source, and leaves what it returns on top. */
static inline void run(lua_State *L, const char *source) {
  int status = luaL_loadbuffer(L, source, strlen(source), "@case.lua");
  if (status == LUA_OK) status = lua_pcall(L, 0, 1, 0);
  CHECK(status == LUA_OK);
  if (status != LUA_OK) printf("%s\n", lua_tostring(L, -1));
}

/* Returns the set of the upvalue _ENV of the function on top, or an empty one. */
static inline struct ti_bytecode_set env_of(lua_State *L) {
  struct ti_bytecode_set envs = {{0}};
  unsigned i = 0;
  const char *name;
  while ((name = lua_getupvalue(L, -1, (int)i + 1)) != NULL) {
    lua_pop(L, 1);
    if (strcmp(name, "_ENV") == 0) ti_bytecode_add(&envs, i);
    i++;
  }
  return envs;
}

static const struct ti_bytecode_set first_env = {{1}};

#define LONG "a_global_whose_name_is_longer_than_forty_bytes"

#endif
