/*
** vm/worker_lib: what Lua's libraries do differently in a worker.
**
** SPDX-License-Identifier: MIT
*/
#include "vm/worker_lib.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

/* print(...): builds the line first, then writes it under stdout's own lock, so that lines of
** several workers never mix. */
static int worker_print(lua_State *L) {
  int n = lua_gettop(L);
  luaL_Buffer b;
  size_t len;
  const char *line;
  luaL_checkstack(L, n + 8, "too many arguments");
  for (int i = 1; i <= n; i++) {
    luaL_tolstring(L, i, NULL);
    lua_replace(L, i);
  }
  luaL_buffinit(L, &b);
  for (int i = 1; i <= n; i++) {
    if (i > 1) luaL_addchar(&b, '\t');
    lua_pushvalue(L, i);
    luaL_addvalue(&b);
  }
  luaL_addchar(&b, '\n');
  luaL_pushresult(&b);
  line = lua_tolstring(L, -1, &len);
  flockfile(stdout);
  fwrite(line, 1, len, stdout);
  fflush(stdout);
  funlockfile(stdout);
  return 0;
}

/* os.exit(...) */
static int worker_exit(lua_State *L) {
  return luaL_error(L, "os.exit called in a worker: only the host program may end the process");
}

/* Writes one line to stderr, as Lua's own warn function does. */
static void write_line(const char *text) {
  flockfile(stderr);
  fprintf(stderr, "Lua warning: %s\n", text);
  fflush(stderr);
  funlockfile(stderr);
}

/* Writes or delivers the complete message. */
static void end_line(struct ti_worker_warn *w) {
  const char *text = "(not enough memory for the words of a warning)";
  size_t len = strlen(text);
  ti_buffer_put_u8(&w->line, 0);
  if (!w->line.failed) {
    text = (const char *)w->line.data;
    len = w->line.len - 1;
  }
  if (w->mode == WARN_ON)
    write_line(text);
  else
    (void)w->deliver(w->user, text, len); /* false: it has no receiver */
  w->line.len = 0;
  w->line.failed = false;
  w->open = false;
}

void ti_worker_lib_warn(void *warn, const char *message, int more) {
  struct ti_worker_warn *w = (struct ti_worker_warn *)warn;
  if (!w->open && !more &&
      /* a control message; unknown ones are ignored */
      *message == '@') {
    if (strcmp(message, "@on") == 0) w->mode = WARN_ON;
    if (strcmp(message, "@off") == 0) w->mode = WARN_OFF;
    return;
  }
  w->open = true;
  if (w->mode != WARN_OFF) ti_buffer_put(&w->line, message, strlen(message));
  if (more) return;
  if (w->mode != WARN_OFF)
    end_line(w);
  else
    w->open = false;
}

void ti_worker_lib_warn_opened(struct ti_worker_warn *w) { w->before = w->mode; }

void ti_worker_lib_warn_reset(struct ti_worker_warn *w) {
  if (w->open && w->mode != WARN_OFF) end_line(w);
  w->open = false;
  w->mode = w->before;
}

/* The searcher of package.preload. Its message mentions what cannot be there: modules that the
** program or the script put into package.loaded, or Lua functions in package.preload. */
static int worker_preload(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  if (lua_getfield(L, -1, name) == LUA_TNIL) {
    lua_pushfstring(L,
                    "no field package.preload['%s'] (in a worker: what only the program, or the "
                    "script's state, has is not here; open_state or the executor's initializer can "
                    "register it)",
                    name);
    return 1;
  }
  lua_pushliteral(L, ":preload:");
  return 2;
}

void ti_worker_lib_open(lua_State *L) {
  int top = lua_gettop(L);
  if (lua_getglobal(L, "package") == LUA_TTABLE && lua_getfield(L, -1, "searchers") == LUA_TTABLE) {
    lua_pushcfunction(L, worker_preload);
    lua_rawseti(L, -2, 1);
  }
  lua_settop(L, top);
  lua_pushcfunction(L, worker_print);
  lua_setglobal(L, "print");
  if (lua_getglobal(L, "os") == LUA_TTABLE) {
    lua_pushcfunction(L, worker_exit);
    lua_setfield(L, -2, "exit");
  }
  lua_pop(L, 1);
}
