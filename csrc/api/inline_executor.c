/*
** api/inline_executor: executors without threads.
**
** SPDX-License-Identifier: MIT
*/
#include "api/inline_executor.h"

#include <lauxlib.h>
#include <string.h>

#include "luautil/error.h"
#include "codec/globals.h"
#include "vm/gc_pacing.h"
#include "codec/module_names.h"
#include "vm/worker_calls.h"
#include "codec/outcome.h"
#include "codec/pack.h"
#include "api/task_seed.h"
#include "luautil/stdlibs.h"
#include "codec/codec_state.h"
#include "codec/unpack.h"

/* What a place is: a table of these. The three are globals.c's, of this place. */
enum {
  PLACE_GLOBALS = 1,
  PLACE_GOT,
  PLACE_CAME,
  PLACE_NATIVE,
  PLACE_FINAL, /* the finalizer, if there is one */
  PLACE_TASKS, /* how many have run */
  PLACE_SHARED /* handle of a share -> its copy; weak keys */
};

static const int scoped[] = {CODEC_GOT, CODEC_CAME, CODEC_NATIVE};

/* A task, an initializer or a finalizer that runs in a state, in a C frame; the innermost is in the
** registry. */
struct run {
  struct run *outer;
  tide_executor *ex;
  const char *name; /* NULL: it is no task */
  uint64_t id;      /* of the task; 0: nobody asked for it yet */
  struct ti_buffer traceback;
  struct ti_lua_random rng;     /* the task's place in the sequence, if it is seeded */
  struct ti_random_state drawn; /* the state's, where it was before */
  struct ti_task *t;
  struct ti_message out;
  struct ti_gc_pacing large;
  const char *what; /* is being done, while a place is opened */
  bool task_code;   /* the task's own function is running */
};

/* In the registry: the innermost run (light); table of executor (light) -> list of its places, and
** at 0 the state's own globals; the userdata whose finalizer closes them with the state. */
static const char run_key = 0, places_key = 0, closer_key = 0;

/* The innermost run in L, or NULL. [-0, +0, -] */
static struct run *top_run(lua_State *L) {
  struct run *r;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &run_key);
  r = (struct run *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  return r;
}

/* The entry must be there, so that this allocates nothing. [-0, +0, -] */
static void set_run(lua_State *L, struct run *r) {
  lua_pushlightuserdata(L, r);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &run_key);
}

/* How many of ex's run in L. [-0, +0, -] */
static int depth_of(lua_State *L, const tide_executor *ex) {
  int n = 0;
  for (const struct run *r = top_run(L); r != NULL; r = r->outer) n += r->ex == ex;
  return n;
}

bool ti_inline_executor_running(lua_State *L, const tide_executor *ex) {
  return depth_of(L, ex) > 0;
}

int tide_executor_inline(const tide_executor *ex) { return ex->run_inline; }

int tide_current_inline(lua_State *L) { return lua_checkstack(L, 1) && top_run(L) != NULL; }

bool ti_inline_executor_random(lua_State *L, struct ti_lua_random **rng) {
  struct run *r = top_run(L);
  if (r != NULL) *rng = r->name != NULL && r->rng.current ? &r->rng : NULL;
  return r != NULL;
}

bool ti_inline_executor_name(lua_State *L, const char **name) {
  const struct run *r = top_run(L);
  if (r != NULL) *name = r->name;
  return r != NULL;
}

bool ti_inline_executor_id(lua_State *L, tide_executor **ex, uint64_t **id) {
  struct run *r = top_run(L);
  if (r == NULL) return false;
  *ex = r->ex;
  *id = r->name != NULL ? &r->id : NULL;
  return true;
}

int ti_inline_executor_index(lua_State *L) { return depth_of(L, top_run(L)->ex) - 1; }

/* -------------------------------------------------------------------- scopes -- */

/* While a place is *entered* its globals are the state's, and what came with messages is noted
** there. What was before is on the stack: the globals, the transfer userdata, its tables, whether
** it is a worker's. */
enum { SCOPE_SLOTS = 6 };

/* The place is at idx. [-0, +SCOPE_SLOTS, -] */
static void enter(lua_State *L, int idx) {
  struct ti_codec_state *x;
  int at;
  lua_pushglobaltable(L);
  x = ti_codec_state_peek(L); /* none: the state is closing */
  at = lua_gettop(L);
  for (int i = 0; i < 3; i++)
    if (x != NULL)
      lua_getiuservalue(L, at, scoped[i]);
    else
      lua_pushnil(L);
  lua_pushboolean(L, x != NULL && x->worker);
  for (int i = 0; x != NULL && i < 3; i++) {
    lua_rawgeti(L, idx, PLACE_GOT + i);
    lua_setiuservalue(L, at, scoped[i]);
  }
  if (x != NULL) x->worker = true;
  lua_rawgeti(L, idx, PLACE_GLOBALS);
  lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}

/* What `enter` left is on top. [-SCOPE_SLOTS, +0, -] */
static void leave(lua_State *L) {
  int first = lua_gettop(L) - SCOPE_SLOTS + 1, at = first + 1;
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(L, at);
  if (x != NULL) {
    x->worker = lua_toboolean(L, -1);
    for (int i = 0; i < 3; i++) {
      lua_pushvalue(L, at + 1 + i);
      lua_setiuservalue(L, at, scoped[i]);
    }
  }
  lua_pushvalue(L, first);
  lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_settop(L, first - 1);
}

/* r runs in the place at idx from now on. [-0, +SCOPE_SLOTS, -] */
static void begin_run(lua_State *L, struct run *r, int idx) {
  enter(L, idx);
  r->rng.seeded = r->rng.current = false;
  ti_lua_random_save(L, &r->drawn);
  r->outer = top_run(L);
  set_run(L, r);
}

static void end_run(lua_State *L, const struct run *r) {
  if (r->rng.seeded) ti_lua_random_restore(L, &r->drawn);
  set_run(L, r->outer);
  leave(L);
}

/* Message handler. */
static int trace(lua_State *L) {
  struct run *r = top_run(L);
  ti_outcome_trace(L, r->name, &r->traceback);
  return 1;
}

/* -------------------------------------------------------------------- places -- */

/* More deeply nested is no task: each takes some of Lua's 200 C calls. */
enum { MAX_DEPTH = 200 };

/* Pushes the table of all places; a state's first call makes it, and the entry of the innermost
** run. [-0, +1, m] */
static void push_places(lua_State *L) {
  luaL_checkstack(L, 4, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &places_key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  set_run(L, NULL);
  lua_newtable(L);
  lua_pushglobaltable(L);
  lua_rawseti(L, -2, 0);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &places_key);
}

/* globals[name] where a place has none: (globals, name) -> what the state's have, by no metamethod
** of theirs, as a worker has nothing for it. Upvalue: the state's globals. */
static int get_global(lua_State *L) {
  lua_settop(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  return 1;
}

/* Pushes a table of globals: those of Lua's libraries, as a worker has them. The state's own are at
** idx. [-0, +1, m] */
static void new_globals(lua_State *L, int idx) {
  int globals;
  lua_newtable(L);
  globals = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, idx) != 0; lua_pop(L, 1)) {
    size_t len;
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &len) : NULL;
    if (name == NULL || !ti_stdlibs_is_global(name, len)) continue;
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, globals);
  }
  lua_pushvalue(L, globals);
  lua_setfield(L, globals, LUA_GNAME);
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, idx);
  lua_pushcclosure(L, get_global, 1);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, globals);
}

/* Protected: (executor) -> the place for its next task here, and whether that is new. */
static int get_place(lua_State *L) {
  tide_executor *ex = (tide_executor *)lua_touserdata(L, 1);
  int depth = depth_of(L, ex);
  if (depth >= MAX_DEPTH) luaL_error(L, "C stack overflow");
  luaL_checkstack(L, 16, NULL);
  push_places(L);                            /* 2 */
  if (lua_rawgetp(L, 2, ex) == LUA_TTABLE) { /* 3 */
    if (lua_rawgeti(L, 3, depth + 1) == LUA_TTABLE) {
      lua_pushboolean(L, 0);
      return 2;
    }
    lua_pop(L, 1);
  }
  lua_rawgeti(L, 2, 0); /* 4: the state's globals */
  lua_createtable(L, PLACE_SHARED, 0);
  new_globals(L, 4);
  lua_pushvalue(L, -1);
  lua_pushvalue(L, 5);
  lua_rawset(L, 2); /* by its globals, for tide_pushinlineshares */
  lua_rawseti(L, 5, PLACE_GLOBALS);
  for (int i = PLACE_GOT; i <= PLACE_NATIVE; i++) {
    lua_newtable(L);
    lua_rawseti(L, 5, i);
  }
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawseti(L, 5, PLACE_SHARED);
  lua_pushboolean(L, 1);
  return 2;
}

/* Protected, in the place: (run) -> finalizer or nil. */
static int open_body(lua_State *L) {
  struct run *r = (struct run *)lua_touserdata(L, 1);
  const struct ti_worker_calls o = {r->ex->init, r->ex->final,
                                    r->ex->seeded ? &r->ex->initializer : NULL};
  ti_worker_calls_run(L, &o, &r->rng, &r->what);
  ti_globals_own(L, false);
  return 1;
}

static int new_closer(lua_State *L);

/* Protected: (executor, place, finalizer): the place is open. */
static int keep_place(lua_State *L) {
  tide_executor *ex = (tide_executor *)lua_touserdata(L, 1);
  lua_rawseti(L, 2, PLACE_FINAL);
  push_places(L);
  if (lua_rawgetp(L, -1, ex) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -3, ex);
    ti_pool_hold(ex->pool); /* so that its address is nobody else's */
  }
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, depth_of(L, ex) + 1);
  return new_closer(L); /* a task may close the state */
}

/* Why a place could not be opened: the error is on top. The executor is broken then, unless it was
** memory. [-1, +0, -] */
static int fail_open(lua_State *L, struct run *r, int status) {
  size_t len = 0, size;
  const char *text;
  char *why;
  if (status != LUA_ERRMEM) {
    lua_pushcfunction(L, ti_worker_calls_why);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, (void *)(uintptr_t)r->what);
    lua_insert(L, -2);
    status = lua_pcall(L, 2, 1, 0) == LUA_OK ? LUA_OK : LUA_ERRMEM;
  }
  text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : "";
  size = len + 1;
  why = status != LUA_ERRMEM ? (char *)ti_alloc_new(&r->ex->mem, size) : NULL;
  if (why != NULL) {
    memcpy(why, text, size);
    ti_pool_nested_break(r->ex->pool, why, size);
  }
  lua_pop(L, 1);
  return why != NULL ? TIDE_EBROKEN : TIDE_ENOMEM;
}

/* Pushes the place for r, opened; TIDE_OK, or why there is none. [-0, +1, -] */
static int open_place(lua_State *L, struct run *r) {
  int place, status;
  lua_pushcfunction(L, get_place);
  lua_pushlightuserdata(L, r->ex);
  status = lua_pcall(L, 1, 2, 0);
  if (status == LUA_ERRMEM) return TIDE_ENOMEM;
  if (status != LUA_OK) return TIDE_EERROR; /* too deep */
  place = lua_gettop(L) - 1;
  if (lua_toboolean(L, -1)) {
    const char *name = r->name;
    r->name = NULL;
    begin_run(L, r, place);
    lua_pushcfunction(L, trace);
    lua_pushcfunction(L, open_body);
    lua_pushlightuserdata(L, r);
    status = lua_pcall(L, 1, 1, -3);
    lua_replace(L, place + 1); /* the finalizer, or the error */
    lua_settop(L, place + 1 + SCOPE_SLOTS);
    end_run(L, r);
    r->name = name;
    if (status == LUA_OK) {
      lua_pushcfunction(L, keep_place);
      lua_pushlightuserdata(L, r->ex);
      lua_pushvalue(L, place);
      lua_pushvalue(L, place + 1);
      r->what = "no memory";
      status = lua_pcall(L, 3, 0, 0);
    }
    /* one that a task needs for its own tasks: perhaps too deeply nested */
    if (status != LUA_OK && status != LUA_ERRMEM && depth_of(L, r->ex) > 0) return TIDE_EERROR;
    if (status != LUA_OK) return fail_open(L, r, status);
  }
  lua_settop(L, place);
  return TIDE_OK;
}

/* Protected, in the place: (run, place): calls its finalizer. */
static int final_body(lua_State *L) {
  if (lua_rawgeti(L, 2, PLACE_FINAL) != LUA_TNIL) lua_call(L, 0, 0);
  return 0;
}

/* The place of ex at idx is in no list any more. [-0, +0, m] */
static void close_place(lua_State *L, tide_executor *ex, int idx) {
  struct run r;
  int base = lua_gettop(L), status;
  memset(&r, 0, sizeof r);
  r.ex = ex;
  ti_buffer_init(&r.traceback, &ti_alloc_default);
  luaL_checkstack(L, 16, NULL);
  begin_run(L, &r, idx);
  lua_pushcfunction(L, trace);
  lua_pushcfunction(L, final_body);
  lua_pushlightuserdata(L, &r);
  lua_pushvalue(L, idx);
  status = lua_pcall(L, 2, 0, -4);
  lua_remove(L, base + SCOPE_SLOTS + 1); /* the handler */
  if (status != LUA_OK) {
    lua_pushcfunction(L, ti_outcome_warn_final);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, &r.traceback);
    (void)lua_pcall(L, 2, 0, 0); /* without memory for the words there is no warning */
    lua_settop(L, base + SCOPE_SLOTS);
  }
  end_run(L, &r);
  ti_buffer_fini(&r.traceback);
  lua_rawgeti(L, idx, PLACE_GLOBALS);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &places_key) == LUA_TTABLE) {
    lua_insert(L, -2);
    lua_pushnil(L);
    lua_rawset(L, -3);
  }
  lua_settop(L, base);
}

void ti_inline_executor_close(lua_State *L, tide_executor *ex) {
  int base = lua_gettop(L), list;
  luaL_checkstack(L, 8, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &places_key) != LUA_TTABLE ||
      lua_rawgetp(L, -1, ex) != LUA_TTABLE) {
    lua_settop(L, base);
    return;
  }
  list = lua_gettop(L);
  lua_pushnil(L);
  lua_rawsetp(L, list - 1,
              ex); /* first: what the finalizers submit finds no place that is closed */
  for (int i = MAX_DEPTH; i >= 1; i--) {
    if (lua_rawgeti(L, list, i) == LUA_TTABLE) close_place(L, ex, list + 1);
    lua_settop(L, list);
  }
  lua_settop(L, base);
  if (!ti_pool_forked(ex->pool)) ti_pool_release(ex->pool);
}

/* The finalizer of the userdata that closes all with the state. Those of what tasks made since it
** was made have run: a new one is made after each task. */
static int closer_gc(lua_State *L) {
  int *on = (int *)lua_touserdata(L, 1);
  if (!*on) return 0;
  *on = 0;
  for (;;) {
    tide_executor *ex = NULL;
    push_places(L);
    for (lua_pushnil(L); ex == NULL && lua_next(L, -2) != 0; lua_pop(L, 1))
      if (lua_islightuserdata(L, -2)) ex = (tide_executor *)lua_touserdata(L, -2);
    lua_settop(L, 1);
    if (ex == NULL) return 0;
    ti_inline_executor_close(L, ex);
  }
}

/* Protected: makes that userdata, in place of the one before. */
static int new_closer(lua_State *L) {
  int *on = (int *)lua_newuserdatauv(L, sizeof *on, 0);
  int *before;
  *on = 1;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, closer_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &closer_key);
  before = (int *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &closer_key);
  if (before != NULL) *before = 0;
  return 0;
}

/* --------------------------------------------------------------------- tasks -- */

/* Protected, in the place: (run): a task from its message to its results' message. */
static int task_body(lua_State *L) {
  struct run *r = (struct run *)lua_touserdata(L, 1);
  int n;
  ti_gc_pacing_begin(L, &r->t->msg, &r->large);
  n = ti_unpack_values(L, &r->t->msg, 0, UNPACK_ALL);
  ti_gc_pacing_end(L, &r->large);
  if (n == 0) ti_error_raise(L, TIDE_ETRANSFER, "damaged message: nothing to call");
  if (lua_type(L, 2) == LUA_TSTRING) {
    size_t len;
    const char *name = lua_tolstring(L, 2, &len);
    ti_module_names_function(L, name, len);
    lua_replace(L, 2);
  }
  if (r->t->options != NULL && r->t->options->seeded)
    ti_lua_random_begin(&r->rng, L, &r->t->options->seeding);
  r->task_code = true;
  lua_call(L, n - 1, LUA_MULTRET);
  r->task_code = false;
  if (ti_pack_by(L, &r->out, lua_gettop(L) - 1, PACK_RESULTS, &r->ex->opened) != LUA_OK)
    lua_error(L);
  return 0;
}

/* Protected: (executor, place) -> whether the place has had as many tasks as it may; then it is in
** no list. */
static int count_task(lua_State *L) {
  tide_executor *ex = (tide_executor *)lua_touserdata(L, 1);
  lua_Integer n;
  bool worn;
  lua_rawgeti(L, 2, PLACE_TASKS);
  n = lua_tointeger(L, -1) + 1;
  lua_pushinteger(L, n);
  lua_rawseti(L, 2, PLACE_TASKS);
  worn = ex->max_tasks > 0 && (size_t)n >= ex->max_tasks;
  if (worn) {
    push_places(L);
    if (lua_rawgetp(L, -1, ex) == LUA_TTABLE) {
      lua_pushnil(L);
      lua_rawseti(L, -2, depth_of(L, ex) + 1);
    }
  }
  lua_pushboolean(L, worn);
  return 1;
}

/* Stands where the script has no hook. If it is gone after an error, a signal has put its own in
** its place, and the error is that one's (lua.c's "interrupted!"): the script's, not the task's. */
static void no_hook(lua_State *L, lua_Debug *ar) {
  (void)L;
  (void)ar;
}

static bool is_signals(lua_State *L) {
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  return lua_gethook(L) == NULL && text != NULL && strstr(text, "interrupted!") != NULL;
}

/* Calls task_body, whose error is on top then; whether that is a signal's. */
static int call_task(lua_State *L, struct run *r, bool *signalled) {
  bool mark = lua_gethook(L) == NULL && ti_worker_state_user(L) == NULL;
  int status;
  lua_pushcfunction(L, trace);
  lua_pushcfunction(L, task_body);
  lua_pushlightuserdata(L, r);
  if (mark) lua_sethook(L, no_hook, LUA_MASKCALL, 0);
  status = lua_pcall(L, 1, 0, -3);
  *signalled = mark && status != LUA_OK && is_signals(L);
  if (mark && lua_gethook(L) == no_hook) lua_sethook(L, NULL, 0, 0);
  return status;
}

/* Runs r's task; its outcome. *signalled: it ended by a signal's error, which is on top.
** [-0, +(0|1), -] */
static int run_task(lua_State *L, struct run *r, bool *signalled) {
  int base, place, outcome;
  *signalled = false;
  lua_pushnil(L); /* for that error */
  base = lua_gettop(L);
  place = base + 1;
  outcome = open_place(L, r);
  if (outcome == TIDE_EERROR) { /* the error is on top */
    outcome = ti_outcome_fail(L, &r->traceback, true, &r->out);
  } else if (outcome == TIDE_OK) {
    begin_run(L, r, place);
    if (call_task(L, r, signalled) != LUA_OK) {
      if (*signalled) lua_copy(L, -1, base);
      ti_gc_pacing_end(L, &r->large);
      outcome = ti_outcome_fail(L, &r->traceback, r->task_code, &r->out);
    }
    lua_settop(L, place + SCOPE_SLOTS);
    end_run(L, r);
    lua_pushcfunction(L, count_task);
    lua_pushlightuserdata(L, r->ex);
    lua_pushvalue(L, place);
    if (lua_pcall(L, 2, 1, 0) == LUA_OK && lua_toboolean(L, -1)) close_place(L, r->ex, place);
    lua_pushcfunction(L, new_closer); /* without memory for it the one before does */
    (void)lua_pcall(L, 0, 0, 0);
  }
  lua_settop(L, *signalled ? base : base - 1);
  return outcome;
}

tide_future *ti_inline_executor_submit(tide_executor *ex, lua_State *L, int nargs,
                                       const tide_taskopts *o) {
  struct run r;
  struct ti_task *t;
  struct ti_numbered number;
  bool signalled;
  int code;
  if (o != NULL && (o->time_limit > 0 || o->memory_limit > 0))
    luaL_error(L, "an executor that is inline cannot bound tasks: no thread watches them");
  luaL_checkstack(L, 32, NULL);
  push_places(L);
  lua_pop(L, 1);
  ti_lua_random_keep(L);
  t = ti_submit_new_task(ex, L, o, &number);
  if (t == NULL) luaL_error(L, "not enough memory");
  if (ti_pack_by(L, &t->msg, nargs + 1, PACK_CALL, ti_executor_rules(ex)) != LUA_OK) {
    ti_task_release(t);
    ti_task_seed_undo(&number);
    lua_error(L);
  }
  ti_submit_mark(ex);
  code = ti_pool_run_begin(ex->pool);
  if (code != TIDE_OK) {
    ti_task_release(t);
    ti_task_seed_undo(&number);
    ti_submit_refuse(L, ex, code, 0);
  }
  (void)ti_task_begin(t, NULL);
  memset(&r, 0, sizeof r);
  r.ex = ex;
  r.t = t;
  r.name = ti_task_name(t) != NULL ? ti_task_name(t) : "";
  r.what = "cannot open a worker";
  ti_buffer_init(&r.traceback, &ex->mem);
  ti_message_init(&r.out, &ex->mem);
  code = run_task(L, &r, &signalled);
  ti_task_finish(t, code, &r.out);
  ti_message_fini(&r.out);
  ti_buffer_fini(&r.traceback);
  if (!ti_pool_run_end(ex->pool, code != TIDE_OK) && depth_of(L, ex) == 0)
    ti_inline_executor_close(L, ex); /* shut down by its own task */
  if (signalled) {
    ti_task_release(t);
    lua_error(L);
  }
  return ti_executor_future_of(t);
}

int tide_pushinlineshares(lua_State *L) {
  if (!lua_checkstack(L, 4) || top_run(L) == NULL ||
      lua_rawgetp(L, LUA_REGISTRYINDEX, &places_key) != LUA_TTABLE)
    return 0;
  lua_pushglobaltable(L);
  if (lua_rawget(L, -2) != LUA_TTABLE) {
    lua_pop(L, 2);
    return 0;
  }
  lua_rawgeti(L, -1, PLACE_SHARED);
  lua_replace(L, -3);
  lua_pop(L, 1);
  return 1;
}
