/*
** lua_main.c: a small Lua interpreter that is built with a sanitizer.
**
** A sanitizer's run-time must be linked into the program, and Debian's lua5.4 has none. This one
** has what the specs need: a script with arguments, Ctrl-C as an error "interrupted!", and a state
** that is closed at the end. Leaks are searched for only when the state was closed: os.exit(0)
** leaves it open, with threads at work, and LeakSanitizer cannot examine threads that are ending.
**
** usage: lua [-W] [-e CODE] [SCRIPT [ARG…]]    -W turns warnings on
**
** SPDX-License-Identifier: MIT
*/
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#define LEAK_CHECK() __lsan_do_leak_check()
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "leak_check_at_exit=0"; }
#else
#define LEAK_CHECK() ((void)0)
#endif

/* With TI_COLLECT, and while `collecting` is set, each new object is refused first: Lua then
** collects all garbage and requests it again. So what nothing keeps alive is freed at once. Other
** blocks are not refused: the auxiliary library's buffers request just once. While no message is
** packed, only some are refused, since all would take minutes. The linker replaces Lua's own
** luaL_newstate by this one (see the Makefile): states in this program have this allocator as their
** own. */
#ifdef TI_COLLECT
enum { SOME = 64 };
static _Thread_local int collecting, packing, refused;
static _Thread_local unsigned count;
static lua_Alloc lua_alloc;

lua_State *__real_lua_newstate(lua_Alloc f, void *ud);
lua_State *__wrap_lua_newstate(lua_Alloc f, void *ud);

static void *collecting_alloc(void *ud, void *p, size_t osize, size_t nsize) {
  if (collecting && p == NULL && osize > 0 && nsize > 0) {
    refused = !refused && (packing > 0 || ++count % SOME == 0);
    if (refused) return NULL;
  }
  return lua_alloc(ud, p, osize, nsize);
}

/* A state that is being made requests nothing twice. */
lua_State *__wrap_lua_newstate(lua_Alloc f, void *ud) {
  int before = collecting;
  lua_State *L;
  collecting = 0;
  lua_alloc = f;
  L = __real_lua_newstate(collecting_alloc, ud);
  collecting = before;
  return L;
}

/* Set by the library (pack.c). */
void ti_pack_collecting(int change);
void ti_pack_collecting(int change) { packing += change; }

/* collect_always(on): returns what it was. */
static int collect_always(lua_State *L) {
  lua_pushboolean(L, collecting);
  collecting = lua_toboolean(L, 1);
  return 1;
}
#endif

static int state_closed;

/* The finalizer of the first object there is, so the last to be called. [-0, +0, -] */
static int note_closing(lua_State *L) {
  (void)L;
  state_closed = 1;
  return 0;
}

static void look_for_leaks(void) {
  if (state_closed) LEAK_CHECK();
}

/* [-0, +0, m] */
static void watch_closing(lua_State *L) {
  lua_newuserdatauv(L, 1, 0);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, note_closing);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  luaL_ref(L, LUA_REGISTRYINDEX);
  atexit(look_for_leaks);
}

/* For the signal handler; set before it is installed. */
static lua_State *interruptible;

static void interrupt(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted!");
}

static void on_sigint(int sig) {
  signal(sig, SIG_DFL); /* a second one ends the process */
  /* The one call that Lua allows here. NOLINTNEXTLINE(bugprone-signal-handler) */
  lua_sethook(interruptible, interrupt, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT,
              1);
}

/* [-0, +1, e] */
static int traceback(lua_State *L) {
  const char *message = luaL_tolstring(L, 1, NULL);
  luaL_traceback(L, L, message, 1);
  return 1;
}

/* Calls the function below its nargs arguments. [-(nargs+1), +0, -] */
static int call(lua_State *L, int nargs) {
  int base = lua_gettop(L) - nargs;
  lua_pushcfunction(L, traceback);
  lua_insert(L, base);
  interruptible = L;
  signal(SIGINT, on_sigint);
  int status = lua_pcall(L, nargs, 0, base);
  signal(SIGINT, SIG_DFL);
  if (status != LUA_OK) {
    fprintf(stderr, "lua: %s\n", lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  lua_remove(L, base);
  return status;
}

static int report_load(lua_State *L) {
  fprintf(stderr, "lua: %s\n", lua_tostring(L, -1));
  return LUA_ERRSYNTAX;
}

static int run_code(lua_State *L, const char *code) {
  if (luaL_loadbuffer(L, code, strlen(code), "=(command line)") != LUA_OK) return report_load(L);
  return call(L, 0);
}

static int run_script(lua_State *L, char **argv) {
  int nargs = 0;
  if (luaL_loadfile(L, argv[0]) != LUA_OK) return report_load(L);
  while (argv[nargs + 1] != NULL) lua_pushstring(L, argv[++nargs]);
  return call(L, nargs);
}

/* The global `arg`, with the script at index 0 and the interpreter below. */
static void set_arg(lua_State *L, char **argv, int script) {
  lua_newtable(L);
  for (int i = 0; argv[i] != NULL; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - script);
  }
  lua_setglobal(L, "arg");
}

int main(int argc, char **argv) {
  int i = 1, status = LUA_OK, script = 1;
  lua_State *L = luaL_newstate();
  if (L == NULL) return EXIT_FAILURE;
  watch_closing(L);
  luaL_openlibs(L);
#ifdef TI_COLLECT
  lua_register(L, "collect_always", collect_always);
#endif
  lua_gc(L, LUA_GCGEN, 0, 0); /* as lua5.4 has it */
  while (script < argc && argv[script][0] == '-') script += strcmp(argv[script], "-e") == 0 ? 2 : 1;
  if (script > argc) script = argc;
  set_arg(L, argv, script < argc ? script : 0);
  for (; i < script && status == LUA_OK; i++) {
    if (strcmp(argv[i], "-W") == 0) {
      lua_warning(L, "@on", 0);
    } else if (strcmp(argv[i], "-e") == 0 && i + 1 < argc) {
      status = run_code(L, argv[++i]);
    } else {
      fprintf(stderr, "usage: %s [-W] [-e CODE] [SCRIPT [ARG...]]\n", argv[0]);
      status = LUA_ERRRUN;
    }
  }
  if (status == LUA_OK && script < argc) status = run_script(L, argv + script);
  lua_close(L);
  return status == LUA_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
