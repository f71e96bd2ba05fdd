/*
** process: fork for specs.
**
**   fork(fn, ...)  returns what fn(...) returned in the child, as text: "true:VALUE" or
**                  "false:ERROR"; then the child ends at once. "killed" if it took longer than
**                  LIMIT seconds.
**   split()        returns the child's process id, or 0 in the child, which returns into the script
**   group()        makes this process the first of a group of its own
**   wait(pid)      returns "exit" or "signal", and the number
**
** SPDX-License-Identifier: MIT
*/
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#define LIMIT 60

int luaopen_process(lua_State *L);

static int child_body(lua_State *L) {
  lua_call(L, lua_gettop(L) - 1, 1);
  luaL_tolstring(L, -1, NULL);
  return 1;
}

static void run_child(lua_State *L, int out) {
  bool ok;
  const char *text;
  lua_pushcfunction(L, child_body);
  lua_insert(L, 1);
  ok = lua_pcall(L, lua_gettop(L) - 1, 1, 0) == LUA_OK;
  text = luaL_tolstring(L, -1, NULL);
  if (write(out, ok ? "true:" : "false:", ok ? 5 : 6) > 0 &&
      write(out, text, strlen(text)) == (ssize_t)strlen(text))
    _exit(0);
  _exit(1);
}

static int p_fork(lua_State *L) {
  struct pollfd poll_in;
  char text[1024];
  size_t len = 0;
  ssize_t n = 1;
  int ends[2], late = 0;
  pid_t pid;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  if (pipe(ends) != 0) return luaL_error(L, "pipe: %s", strerror(errno));
  pid = fork();
  if (pid < 0) return luaL_error(L, "fork: %s", strerror(errno));
  if (pid == 0) {
    close(ends[0]);
    run_child(L, ends[1]);
  }
  close(ends[1]);
  poll_in.fd = ends[0];
  poll_in.events = POLLIN;
  while (n > 0 && len < sizeof text && !late) {
    late = poll(&poll_in, 1, LIMIT * 1000) == 0;
    if (!late) n = read(ends[0], text + len, sizeof text - len);
    if (n > 0) len += (size_t)n;
  }
  if (late) kill(pid, SIGKILL);
  close(ends[0]);
  waitpid(pid, NULL, 0);
  if (late) {
    lua_pushliteral(L, "killed");
    return 1;
  }
  lua_pushlstring(L, text, len);
  return 1;
}

static int p_split(lua_State *L) {
  pid_t pid = fork();
  if (pid < 0) return luaL_error(L, "fork: %s", strerror(errno));
  if (pid == 0) alarm(LIMIT); /* a child that takes too long ends, and by a signal */
  lua_pushinteger(L, pid);
  return 1;
}

static int p_wait(lua_State *L) {
  pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  int status;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return luaL_error(L, "waitpid: %s", strerror(errno));
  lua_pushstring(L, WIFSIGNALED(status) ? "signal" : "exit");
  lua_pushinteger(L, WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  return 2;
}

static int p_group(lua_State *L) {
  if (setpgid(0, 0) != 0) return luaL_error(L, "setpgid: %s", strerror(errno));
  return 0;
}

int luaopen_process(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"fork", p_fork}, {"split", p_split}, {"group", p_group}, {"wait", p_wait}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
