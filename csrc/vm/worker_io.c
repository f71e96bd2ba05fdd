/*
** vm/worker_io: programs that a worker's tasks start: io.popen and os.execute.
**
** SPDX-License-Identifier: MIT
*/
#include "vm/worker_io.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <stdio_ext.h>
#endif

#include "platform/child_mask.h"
#include "platform/signal.h"

#define DEFAULT_OUTPUT "_IO_output" /* in the registry: that of Lua's io library */

/* Upvalues of the functions here: the files of this state (a table with weak keys), what is
** replaced. */
enum { FILES = 1, ORIGINAL };

/* ----------------------------------------------------------------- starting -- */

/* Starts `sh -c command` with the signals of the script, its descriptor `to`, if that is not
** negative, being `from`. 0 or errno. */
static int start_shell(const char *command, int from, int to, pid_t *pid) {
  union {
    const char *in;
    char *out;
  } arg = {command}; /* posix_spawn does not write to it */
  char sh[] = "sh", c[] = "-c", *argv[] = {sh, c, arg.out, NULL};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attr;
  sigset_t mask;
  int err = posix_spawnattr_init(&attr);
  if (err != 0) return err;
  err = posix_spawn_file_actions_init(&actions);
  if (err == 0) {
    ti_child_mask_get(&mask);
    err = posix_spawnattr_setsigmask(&attr, &mask);
    if (err == 0) err = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    if (err == 0 && to >= 0) err = posix_spawn_file_actions_adddup2(&actions, from, to);
    if (err == 0) err = posix_spawn(pid, "/bin/sh", &actions, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
  }
  posix_spawnattr_destroy(&attr);
  return err;
}

/* Waits for a program's end, and pushes what Lua's functions return then. [-0, +3, m] */
static int push_end(lua_State *L, pid_t pid, int err) {
  int status = 0;
  while (waitpid(pid, &status, 0) == -1)
    if (errno != EINTR) return luaL_fileresult(L, 0, NULL);
  /* before the worker takes its next task: the script's thread may have to hear of a Ctrl-C
  ** first */
  ti_signal_settle((WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) ||
                   (WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGINT));
  if (status == 0 && err != 0) { /* it ended well, but what was written last did not reach it */
    errno = err;
    return luaL_fileresult(L, 0, NULL);
  }
  if (status == 0)
    lua_pushboolean(L, 1);
  else
    luaL_pushfail(L);
  if (WIFSIGNALED(status)) {
    lua_pushliteral(L, "signal");
    lua_pushinteger(L, WTERMSIG(status));
  } else {
    lua_pushliteral(L, "exit");
    lua_pushinteger(L, WEXITSTATUS(status));
  }
  return 3;
}

/* os.execute([command]) */
static int worker_execute(lua_State *L) {
  const char *command = luaL_optstring(L, 1, NULL);
  int err;
  pid_t pid;
  if (command == NULL) {
    lua_pushboolean(L, access("/bin/sh", X_OK) == 0);
    return 1;
  }
  err = start_shell(command, -1, -1, &pid);
  if (err != 0) {
    errno = err;
    return luaL_fileresult(L, 0, NULL);
  }
  return push_end(L, pid, 0);
}

/* -------------------------------------------------------------------- files -- */

/* Writes out what waits in an open stream. */
static void flush_stream(FILE *f) {
#ifdef __linux__
  if (__fpending(f) == 0) return; /* of one that is read, this would move the place in its file */
#endif
  (void)fflush(f);
}

/* Flushes what this state may have written to, so that a program finds it. [-0, +0, -], with 4 free
** slots */
static void flush_files(lua_State *L) {
  const luaL_Stream *s;
  flush_stream(stdout);
  flush_stream(stderr);
  lua_getfield(L, LUA_REGISTRYINDEX, DEFAULT_OUTPUT);
  s = (const luaL_Stream *)luaL_testudata(L, -1, LUA_FILEHANDLE);
  if (s != NULL && s->closef != NULL) flush_stream(s->f);
  lua_pop(L, 1);
  for (lua_pushnil(L); lua_next(L, lua_upvalueindex(FILES)) != 0; lua_pop(L, 1)) {
    s = (const luaL_Stream *)lua_touserdata(L, -2);
    if (s->closef != NULL) flush_stream(s->f);
  }
}

/* Remembers the file at idx, if it is one. [-0, +0, m] */
static void remember(lua_State *L, int idx) {
  if (luaL_testudata(L, idx, LUA_FILEHANDLE) == NULL) return;
  lua_pushvalue(L, idx);
  lua_pushboolean(L, 1);
  lua_rawset(L, lua_upvalueindex(FILES));
}

/* Calls the function that is replaced with the n arguments on the stack. */
static int call_original(lua_State *L, int n) {
  lua_pushvalue(L, lua_upvalueindex(ORIGINAL));
  lua_insert(L, 1);
  lua_call(L, n, LUA_MULTRET);
  remember(L, 1);
  return lua_gettop(L);
}

/* A mode of io.open, as Lua's own checks it. */
static bool is_mode(const char *mode) {
  if (*mode == '\0' || strchr("rwa", *mode) == NULL) return false;
  mode++;
  if (*mode == '+') mode++;
  return strspn(mode, "b") == strlen(mode);
}

/* io.open(name [, mode]). Checked here, where Lua knows the function's name for an error. */
static int worker_open(lua_State *L) {
  luaL_checkstring(L, 1);
  luaL_argcheck(L, is_mode(luaL_optstring(L, 2, "r")), 2, "invalid mode");
  lua_settop(L, 2);
  return call_original(L, 2);
}

/* io.tmpfile() */
static int worker_tmpfile(lua_State *L) {
  lua_settop(L, 0);
  return call_original(L, 0);
}

/* ------------------------------------------------------------------ io.popen -- */

/* A file of Lua's io library, whose methods see no more than the stream. */
struct program {
  luaL_Stream stream;
  pid_t pid;
};

/* What file:close, the collector and to-be-closed variables call. */
static int close_program(lua_State *L) {
  struct program *p = (struct program *)luaL_checkudata(L, 1, LUA_FILEHANDLE);
  FILE *f = p->stream.f;
  p->stream.f = NULL;
  return push_end(L, p->pid, fclose(f) == 0 ? 0 : errno);
}

/* Starts it with a pipe, of which no other program gets an end. False, and errno. */
static bool start_program(struct program *p, const char *command, const char *mode) {
  bool reads = mode[0] == 'r';
  int ends[2], err;
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  p->stream.f = fdopen(ends[reads ? 0 : 1], mode);
  if (p->stream.f == NULL) {
    err = errno;
    close(ends[0]);
    close(ends[1]);
  } else {
    err = start_shell(command, ends[reads ? 1 : 0], reads ? STDOUT_FILENO : STDIN_FILENO, &p->pid);
    close(ends[reads ? 1 : 0]);
    if (err != 0) fclose(p->stream.f);
  }
  errno = err;
  return err == 0;
}

/* io.popen(command [, mode]) */
static int worker_popen(lua_State *L) {
  const char *command = luaL_checkstring(L, 1), *mode = luaL_optstring(L, 2, "r");
  struct program *p = (struct program *)lua_newuserdatauv(L, sizeof *p, 0);
  p->stream.closef = NULL; /* closed, until all is there */
  p->stream.f = NULL;
  luaL_setmetatable(L, LUA_FILEHANDLE);
  luaL_argcheck(L, (mode[0] == 'r' || mode[0] == 'w') && mode[1] == '\0', 2, "invalid mode");
  remember(L, -1);
  flush_files(L);
  errno = 0;
  if (!start_program(p, command, mode)) return luaL_fileresult(L, 0, command);
  p->stream.closef = close_program;
  return 1;
}

/* ---------------------------------------------------------------------- open -- */

/* Replaces a function of the library on top; the files are at `files`. [-0, +0, m] */
static void replace(lua_State *L, int files, const char *name, lua_CFunction fn) {
  lua_pushvalue(L, files);
  lua_getfield(L, -2, name);
  lua_pushcclosure(L, fn, 2);
  lua_setfield(L, -2, name);
}

void ti_worker_io_open(lua_State *L) {
  int files = lua_gettop(L) + 1;
  luaL_checkstack(L, 6, NULL);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  if (lua_getglobal(L, LUA_IOLIBNAME) == LUA_TTABLE) {
    replace(L, files, "popen", worker_popen);
    replace(L, files, "open", worker_open);
    replace(L, files, "tmpfile", worker_tmpfile);
  }
  if (lua_getglobal(L, LUA_OSLIBNAME) == LUA_TTABLE) {
    lua_pushcfunction(L, worker_execute);
    lua_setfield(L, -2, "execute");
  }
  lua_settop(L, files - 1);
}
