/*
** vm/worker_io: programs that a worker's tasks start: io.popen and os.execute.
**
** SPDX-License-Identifier: MIT
*/
#include "vm/worker_io.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "platform/shell.h"

#define DEFAULT_OUTPUT \
  "_IO_output" /* key in the registry: the default output of Lua's io library */

/* Upvalues of the functions here: the files of this state (a table with weak keys), the replaced
** function. */
enum { FILES = 1, ORIGINAL };

/* ------------------------------------------------------------------- ending -- */

/* Waits for a program's end, and pushes what Lua's functions return then. [-0, +3, m] */
static int push_end(lua_State *L, pid_t pid, int err) {
  struct ti_shell_end end;
  int failed = ti_shell_wait(pid, &end);
  bool well = failed == 0 && !end.by_signal && end.code == 0;
  if (failed == 0 && well) failed = err; /* what was written last did not reach it */
  if (failed != 0) {
    errno = failed;
    return luaL_fileresult(L, 0, NULL);
  }
  if (well)
    lua_pushboolean(L, 1);
  else
    luaL_pushfail(L);
  lua_pushstring(L, end.by_signal ? "signal" : "exit");
  lua_pushinteger(L, end.code);
  return 3;
}

/* os.execute([command]) */
static int worker_execute(lua_State *L) {
  const char *command = luaL_optstring(L, 1, NULL);
  int err;
  pid_t pid;
  if (command == NULL) {
    lua_pushboolean(L, ti_shell_exists());
    return 1;
  }
  err = ti_shell_start(command, &pid);
  if (err != 0) {
    errno = err;
    return luaL_fileresult(L, 0, NULL);
  }
  return push_end(L, pid, 0);
}

/* -------------------------------------------------------------------- files -- */

/* Flushes the files of this state, so that a program finds what was written. Needs 4 free slots.
** [-0, +0, -] */
static void flush_files(lua_State *L) {
  const luaL_Stream *s;
  ti_shell_flush(stdout);
  ti_shell_flush(stderr);
  lua_getfield(L, LUA_REGISTRYINDEX, DEFAULT_OUTPUT);
  s = (const luaL_Stream *)luaL_testudata(L, -1, LUA_FILEHANDLE);
  if (s != NULL && s->closef != NULL) ti_shell_flush(s->f);
  lua_pop(L, 1);
  for (lua_pushnil(L); lua_next(L, lua_upvalueindex(FILES)) != 0; lua_pop(L, 1)) {
    s = (const luaL_Stream *)lua_touserdata(L, -2);
    if (s->closef != NULL) ti_shell_flush(s->f);
  }
}

/* Notes the value at idx if it is a file. [-0, +0, m] */
static void remember(lua_State *L, int idx) {
  if (luaL_testudata(L, idx, LUA_FILEHANDLE) == NULL) return;
  lua_pushvalue(L, idx);
  lua_pushboolean(L, 1);
  lua_rawset(L, lua_upvalueindex(FILES));
}

/* Calls the replaced function with the n arguments on the stack. */
static int call_original(lua_State *L, int n) {
  lua_pushvalue(L, lua_upvalueindex(ORIGINAL));
  lua_insert(L, 1);
  lua_call(L, n, LUA_MULTRET);
  remember(L, 1);
  return lua_gettop(L);
}

/* Returns whether this is a mode of io.open, as Lua's own checks it. */
static bool is_mode(const char *mode) {
  if (*mode == '\0' || strchr("rwa", *mode) == NULL) return false;
  mode++;
  if (*mode == '+') mode++;
  return strspn(mode, "b") == strlen(mode);
}

/* io.open(name [, mode]). The arguments are checked here, where Lua knows the function's name for
** an error. */
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

/* A file of Lua's io library, whose methods use the stream alone. */
struct program {
  luaL_Stream stream;
  pid_t pid;
};

/* Called by file:close, the collector and to-be-closed variables. */
static int close_program(lua_State *L) {
  struct program *p = (struct program *)luaL_checkudata(L, 1, LUA_FILEHANDLE);
  FILE *f = p->stream.f;
  p->stream.f = NULL;
  return push_end(L, p->pid, fclose(f) == 0 ? 0 : errno);
}

/* io.popen(command [, mode]) */
static int worker_popen(lua_State *L) {
  const char *command = luaL_checkstring(L, 1), *mode = luaL_optstring(L, 2, "r");
  struct program *p = (struct program *)lua_newuserdatauv(L, sizeof *p, 0);
  int err;
  p->stream.closef = NULL; /* closed, until the program runs */
  p->stream.f = NULL;
  luaL_setmetatable(L, LUA_FILEHANDLE);
  luaL_argcheck(L, (mode[0] == 'r' || mode[0] == 'w') && mode[1] == '\0', 2, "invalid mode");
  remember(L, -1);
  flush_files(L);
  err = ti_shell_start_pipe(command, mode, &p->stream.f, &p->pid);
  if (err != 0) {
    errno = err;
    return luaL_fileresult(L, 0, command);
  }
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
