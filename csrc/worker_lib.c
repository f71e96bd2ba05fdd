/*
** tidepool, floor 2: worker_lib, what Lua's libraries do differently in a worker.
**
** SPDX-License-Identifier: MIT
*/
#include "worker_lib.h"

#include <lauxlib.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* print(...): the line is put together first, then written under stdout's own lock, so
** that lines of several workers never mix. */
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

/* Starts `sh -c command` with no signal blocked. 0 or errno. */
static int spawn_shell(const char *command, pid_t *pid) {
  union {
    const char *in;
    char *out;
  } arg = {command}; /* posix_spawn does not write to it */
  char sh[] = "sh", c[] = "-c", *argv[] = {sh, c, arg.out, NULL};
  posix_spawnattr_t attr;
  sigset_t none;
  int err = posix_spawnattr_init(&attr);
  if (err != 0) return err;
  sigemptyset(&none);
  err = posix_spawnattr_setsigmask(&attr, &none);
  if (err == 0) err = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
  if (err == 0) err = posix_spawn(pid, "/bin/sh", NULL, &attr, argv, environ);
  posix_spawnattr_destroy(&attr);
  return err;
}

/* os.exit(...) */
static int worker_exit(lua_State *L) {
  return luaL_error(L, "os.exit called in a worker: only the host program may end the process");
}

/* os.execute([command]): as Lua's, but not through system(), which has the whole process ignore
** SIGINT while the command runs (Ctrl-C would be lost), and leaves the command with the signals
** blocked that a worker has blocked. */
static int worker_execute(lua_State *L) {
  const char *command = luaL_optstring(L, 1, NULL);
  int status = 0, err;
  pid_t pid;
  if (command == NULL) {
    lua_pushboolean(L, access("/bin/sh", X_OK) == 0);
    return 1;
  }
  err = spawn_shell(command, &pid);
  if (err != 0) {
    errno = err;
    return luaL_fileresult(L, 0, NULL);
  }
  while (waitpid(pid, &status, 0) == -1)
    if (errno != EINTR) return luaL_fileresult(L, 0, NULL);
  if (WIFSIGNALED(status)) {
    luaL_pushfail(L);
    lua_pushliteral(L, "signal");
    lua_pushinteger(L, WTERMSIG(status));
    return 3;
  }
  if (status == 0)
    lua_pushboolean(L, 1);
  else
    luaL_pushfail(L);
  lua_pushliteral(L, "exit");
  lua_pushinteger(L, WEXITSTATUS(status));
  return 3;
}

void tide_worker_warn(void *warn, const char *message, int more) {
  struct worker_warn *w = (struct worker_warn *)warn;
  bool first = !w->open;
  w->open = more != 0;
  if (first && !more && *message == '@') { /* for this function itself; unknown ones are ignored */
    if (strcmp(message, "@on") == 0) w->on = true;
    if (strcmp(message, "@off") == 0) w->on = false;
  } else if (w->on) {
    fprintf(stderr, "%s%s%s", first ? "Lua warning: " : "", message, more ? "" : "\n");
    if (!more) fflush(stderr);
  }
}

/* The searcher of package.preload, with a word on what cannot be there: modules that the program or
** the script put into package.loaded, or Lua functions in package.preload. */
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

void tide_worker_lib_open(lua_State *L) {
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
    lua_pushcfunction(L, worker_execute);
    lua_setfield(L, -2, "execute");
  }
  lua_pop(L, 1);
}
