/*
** vm/worker_state: one worker's lua_State.
**
** SPDX-License-Identifier: MIT
*/
#include "vm/worker_state.h"

#include <lauxlib.h>
#include <lualib.h>

#include "luautil/library_copy.h"
#include "luautil/error.h"
#include "codec/globals.h"
#include "luautil/interrupt.h"
#include "vm/gc_pacing.h"
#include "luautil/lua_alloc.h"
#include "codec/module_names.h"
#include "vm/worker_calls.h"
#include "codec/outcome.h"
#include "codec/pack.h"
#include "luautil/lua_random.h"
#include "codec/unpack.h"
#include "vm/worker_coroutine.h"
#include "vm/worker_debug.h"
#include "vm/worker_io.h"
#include "vm/worker_lib.h"

struct ti_worker_state {
  lua_State *L;
  const struct ti_worker_config *cfg; /* I */
  struct ti_package_paths *paths;     /* held: the paths applied last, or NULL */
  const char *taskname;               /* borrowed while a task runs, else NULL */
  uint64_t taskid;                    /* of the running task; 0: not requested yet */
  int index;                          /* of the worker's thread */
  struct ti_buffer traceback;         /* of the error that the message handler saw last */
  struct ti_retained retained;        /* what outlives a task here */
  struct ti_worker_warn warn;
  struct ti_pack_rules rules;    /* of results */
  struct ti_lua_random random;   /* the generator of math.random */
  struct ti_interrupt interrupt; /* how a task is stopped */
  struct ti_worker_debug debug;
  bool over_limit;           /* the last task left it near its memory limit */
  bool closing;              /* set by ti_worker_state_free */
  bool opened;               /* opening succeeded, so finalizers are due */
  struct ti_lua_alloc alloc; /* the allocator of L */
};

static const char registry_key = 0, final_key = 0;

static struct ti_worker_state *vm_of(lua_State *L) {
  struct ti_worker_state *vm;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
  vm = (struct ti_worker_state *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  return vm;
}

void *ti_worker_state_user(lua_State *L) {
  struct ti_worker_state *vm = vm_of(L);
  return vm != NULL ? vm->cfg->user : NULL;
}

const char *ti_worker_state_task_name(lua_State *L) {
  struct ti_worker_state *vm = vm_of(L);
  return vm != NULL ? vm->taskname : NULL;
}

void ti_worker_state_set_index(struct ti_worker_state *vm, int index) { vm->index = index; }

int ti_worker_state_index(lua_State *L) {
  struct ti_worker_state *vm = vm_of(L);
  return vm != NULL && vm->taskname != NULL ? vm->index : -1;
}

uint64_t *ti_worker_state_task_id(lua_State *L) {
  struct ti_worker_state *vm = vm_of(L);
  return vm != NULL && vm->taskname != NULL ? &vm->taskid : NULL;
}

struct ti_stop_token *ti_worker_state_stop(lua_State *L) {
  struct ti_worker_state *vm = vm_of(L);
  return vm != NULL && vm->taskname != NULL ? vm->interrupt.stop : NULL;
}

int ti_worker_state_stop_requested(lua_State *L) {
  const struct ti_stop_token *stop = ti_worker_state_stop(L);
  return stop != NULL ? ti_stop_token_requested(stop) : TIDE_OK;
}

bool ti_worker_state_closing(lua_State *L) {
  const struct ti_worker_state *vm = vm_of(L);
  return vm != NULL && vm->closing;
}

bool ti_worker_state_stopped_in_finalizer(const struct ti_worker_state *vm) {
  return atomic_load_explicit(&vm->interrupt.stopped_in_finalizer, memory_order_relaxed);
}

bool ti_worker_state_over_limit(const struct ti_worker_state *vm) {
  return vm->over_limit || ti_worker_state_stopped_in_finalizer(vm);
}

struct ti_lua_random *ti_worker_state_random(lua_State *L) {
  struct ti_worker_state *vm = vm_of(L);
  return vm != NULL && vm->taskname != NULL && vm->random.current ? &vm->random : NULL;
}

struct ti_retained *ti_worker_state_retained(lua_State *L) {
  struct ti_worker_state *vm = vm_of(L);
  return vm != NULL ? &vm->retained : NULL;
}

/* ------------------------------------------------------------------ running -- */

struct run {
  struct ti_worker_state *vm;
  const struct ti_message *in;
  struct ti_package_paths *paths;
  struct ti_message *out;
  const struct ti_seeding *seeding;
  struct ti_gc_pacing pacing; /* of the call */
  bool task_code;             /* the task's own function runs, not the packing around it */
};

/* Applies the package paths, before a task's values are unpacked: they may need modules. */
static void use_paths(struct ti_worker_state *vm, struct ti_package_paths *paths) {
  if (paths == NULL || paths == vm->paths) return;
  ti_package_paths_apply(vm->L, paths);
  ti_package_paths_release(vm->paths);
  vm->paths = ti_package_paths_hold(paths);
}

/* Unpacks a call and runs it, with random numbers that begin at `seeding`. Its results are at index
** `base` + 1 and above. */
static void call(struct ti_worker_state *vm, const struct ti_message *in, int base,
                 const struct ti_seeding *seeding, struct ti_gc_pacing *pacing, bool *task_code) {
  lua_State *L = vm->L;
  int n;
  ti_gc_pacing_begin(L, in, pacing);
  n = ti_unpack_values(L, in, 0, UNPACK_ALL);
  ti_gc_pacing_end(L, pacing);
  if (n == 0) ti_error_raise(L, TIDE_ETRANSFER, "damaged message: nothing to call");
  if (lua_type(L, base + 1) == LUA_TSTRING) {
    size_t len;
    const char *name = lua_tolstring(L, base + 1, &len);
    ti_module_names_function(L, name, len);
    lua_replace(L, base + 1);
  }
  /* last: modules that this call loads may draw random numbers */
  if (seeding != NULL || vm->random.seeded) ti_lua_random_begin(&vm->random, L, seeding);
  *task_code = true;
  lua_call(L, n - 1, LUA_MULTRET);
  *task_code = false;
}

/* Protected: runs a task, from its message to the message of its results. */
static int run_body(lua_State *L) {
  struct run *r = (struct run *)lua_touserdata(L, 1);
  use_paths(r->vm, r->paths);
  call(r->vm, r->in, 1, r->seeding, &r->pacing, &r->task_code);
  if (ti_pack_values(L, r->out, lua_gettop(L) - 1, PACK_RESULTS) != LUA_OK) lua_error(L);
  return 0;
}

/* Message handler: stores the traceback and leaves the error value unchanged. */
static int handler(lua_State *L) {
  struct ti_worker_state *vm = vm_of(L);
  ti_outcome_trace(L, vm->taskname, &vm->traceback);
  return 1;
}

/* Writes the outcome of a task that was requested to end. */
static void put_stopped(struct ti_worker_state *vm, int kind, struct ti_message *out) {
  const char *words = ti_interrupt_words(kind);
  ti_outcome_restart(out);
  ti_outcome_put_text(&out->bytes, words, strlen(words));
  ti_outcome_put_text(&out->bytes, (const char *)vm->traceback.data, vm->traceback.len);
}

/* Returns how many bytes the state may grow by for this call; SIZE_MAX: any. */
static size_t room(const struct ti_worker_state *vm, const struct ti_worker_call *call,
                   size_t used) {
  size_t all = vm->cfg->memory_limit, grow = call->memory_limit, left = SIZE_MAX;
  if (all > 0) left = all > used ? all - used : 0;
  if (grow > 0 && grow < left) left = grow;
  return left;
}

/* Collects what a stopped task left, files among it, while finalizers can still be stopped. A state
** that will be closed collects then. The state needs replacing if more than half of what the task
** was allowed (`left`) is still used: the next task would soon reach its limit, too. */
static void recover(struct ti_worker_state *vm, size_t before, size_t left) {
  size_t after;
  if (ti_worker_state_stopped_in_finalizer(vm)) return;
  ti_interrupt_collect(&vm->interrupt);
  if (ti_stop_token_requested(vm->interrupt.stop) != TIDE_EMEMORYLIMIT) return;
  after = ti_memory_limit_used(vm->L);
  vm->over_limit = vm->over_limit || (after > before && after - before > left / 2);
}

int ti_worker_state_run(struct ti_worker_state *vm, const struct ti_worker_call *call,
                        struct ti_message *out) {
  lua_State *L = vm->L;
  struct run r = {vm, call->in, call->paths, out, call->seeding, {NULL, 0, 0, 0}, false};
  lua_Hook hook = lua_gethook(L);
  int outcome = TIDE_OK, mask = lua_gethookmask(L), count = lua_gethookcount(L), kind;
  bool limited = vm->cfg->memory_limit > 0 || call->memory_limit > 0;
  size_t used = limited ? ti_memory_limit_used(L) : 0;
  size_t left = limited ? room(vm, call, used) : SIZE_MAX;
  vm->taskname = call->name != NULL ? call->name : "";
  vm->taskid = 0;
  vm->traceback.len = 0;
  vm->random.current = false;
  lua_settop(L, 0);
  ti_interrupt_begin(&vm->interrupt);
  if (limited)
    ti_memory_limit_begin(&vm->alloc.limit, &vm->interrupt,
                          left < SIZE_MAX - used ? used + left : SIZE_MAX);
  lua_pushcfunction(L, handler);
  lua_pushcfunction(L, run_body);
  lua_pushlightuserdata(L, &r);
  if (lua_pcall(L, 1, 0, 1) != LUA_OK) {
    ti_gc_pacing_end(L, &r.pacing);
    /* A hook that the task set ends with it; a host's own stays, and so does the hook of a stop. */
    if (ti_stop_token_requested(vm->interrupt.stop) == TIDE_OK) lua_sethook(L, hook, mask, count);
    outcome = ti_outcome_fail(L, &vm->traceback, r.task_code, out);
  }
  ti_memory_limit_end(&vm->alloc.limit);
  vm->taskname = NULL;
  lua_settop(L, 0);
  if (!ti_worker_state_stopped_in_finalizer(vm) && !ti_worker_debug_reset(L, &vm->debug))
    vm->over_limit = true;
  if (ti_stop_token_requested(vm->interrupt.stop) != TIDE_OK) recover(vm, used, left);
  if (vm->retained.n > 0) ti_retained_sweep(&vm->retained, L);
  ti_interrupt_end(&vm->interrupt);
  ti_worker_lib_warn_reset(&vm->warn);
  lua_sethook(L, hook, mask, count);
  kind = ti_stop_token_close(vm->interrupt.stop);
  if (kind == TIDE_OK) return outcome;
  put_stopped(vm, kind, out);
  return kind;
}

/* ------------------------------------------------------------ opening, closing -- */

struct vm_opening {
  struct ti_worker_state *vm;
  struct ti_stop_token *stop;
  const char *what; /* the current step, for the message if it fails */
  struct ti_package_paths *paths;
  const struct ti_worker_calls *given;
};

/* Protected: opens the state. */
static int open_body(lua_State *L) {
  struct vm_opening *o = (struct vm_opening *)lua_touserdata(L, 1);
  struct ti_worker_state *vm = o->vm;
  struct ti_codec_state *x;
  luaL_checkversion(L);
  ti_interrupt_open(&vm->interrupt, L, o->stop);
  ti_interrupt_begin(&vm->interrupt);
  lua_setwarnf(L, ti_worker_lib_warn, &vm->warn);
  luaL_openlibs(L);
  ti_lua_random_open(&vm->random, L);
  ti_worker_lib_open(L);
  ti_worker_io_open(L);
  if (vm->cfg->copy != NULL) ti_library_copy_claim(L, vm->cfg->copy, NULL);
  ti_worker_coroutine_open(L, &vm->interrupt);
  ti_worker_debug_open(L, &vm->debug, &vm->interrupt);
  lua_pushlightuserdata(L, vm);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
  vm->rules.cfunction = vm->cfg->cfunction;
  vm->rules.ud = vm->cfg->ud;
  vm->rules.named = true;
  vm->rules.objects = vm->cfg->open_state != NULL;
  x = ti_codec_state_get(L);
  x->rules = &vm->rules;
  if (vm->cfg->alloc == NULL) x->alloc = &vm->alloc;
  lua_settop(L, 1);
  if (vm->cfg->open_state != NULL) {
    o->what = "open_state failed";
    vm->cfg->open_state(L, vm->cfg->ud);
    lua_settop(L, 1);
  }
  o->what = "cannot set package.path";
  use_paths(vm, o->paths);
  ti_globals_own(L, vm->cfg->open_state == NULL);
  ti_worker_calls_run(L, o->given, &vm->random, &o->what);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &final_key);
  if (o->given->both != NULL || o->given->final != NULL) ti_globals_own(L, false);
  vm->opened = true;
  o->what = "a new state holds more than memory_limit allows";
  if (vm->cfg->memory_limit > 0 && ti_memory_limit_used(L) > vm->cfg->memory_limit)
    luaL_error(L, "%d bytes", (int)ti_memory_limit_used(L));
  ti_worker_debug_opened(L, &vm->debug);
  ti_worker_lib_warn_opened(&vm->warn);
  return 0;
}

/* Returns a copy of the string on top. Calls nothing in Lua that may raise. */
static char *copy_error(struct ti_worker_state *vm, size_t *size) {
  size_t len = 0;
  const char *s = lua_type(vm->L, -1) == LUA_TSTRING ? lua_tolstring(vm->L, -1, &len) : "";
  char *copy = (char *)ti_alloc_new(vm->cfg->mem, len + 1);
  *size = len + 1;
  if (copy != NULL) memcpy(copy, s, len + 1);
  return copy;
}

/* Protected: calls the finalizer of the message. */
static int final_body(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &final_key) == LUA_TNIL) return 0;
  lua_call(L, 0, 0);
  return 0;
}

/* Protected: calls the finalizer of the configuration. */
static int host_final_body(lua_State *L) {
  const struct ti_worker_state *vm = (const struct ti_worker_state *)lua_touserdata(L, 1);
  vm->cfg->finalizer(L, vm->cfg->ud);
  return 0;
}

/* Calls one of the two. Its error becomes a warning. [-0, +0, -] */
static void finalize(struct ti_worker_state *vm, lua_CFunction body) {
  lua_State *L = vm->L;
  vm->traceback.len = 0;
  lua_settop(L, 0);
  lua_pushcfunction(L, handler);
  lua_pushcfunction(L, body);
  lua_pushlightuserdata(L, vm);
  if (lua_pcall(L, 1, 0, 1) != LUA_OK) {
    lua_pushcfunction(L, ti_outcome_warn_final);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, &vm->traceback);
    (void)lua_pcall(L, 2, 0, 0); /* without memory for its text there is no warning */
  }
  lua_settop(L, 0);
}

/* Protected: calls close_state. */
static int close_body(lua_State *L) {
  const struct ti_worker_state *vm = (const struct ti_worker_state *)lua_touserdata(L, 1);
  vm->cfg->close_state(L, vm->cfg->ud);
  return 0;
}

struct ti_worker_state *ti_worker_state_new(const struct ti_worker_config *cfg,
                                            struct ti_stop_token *stop,
                                            struct ti_package_paths *paths,
                                            const struct ti_worker_calls *given, char **why,
                                            size_t *whysize) {
  struct vm_opening o;
  const struct ti_alloc host = {cfg->alloc, cfg->alloc_ud};
  int status;
  struct ti_worker_state *vm = (struct ti_worker_state *)ti_alloc_zero(cfg->mem, sizeof *vm);
  *why = NULL;
  *whysize = 0;
  if (vm == NULL) return NULL;
  vm->cfg = cfg;
  ti_buffer_init(&vm->traceback, cfg->mem);
  ti_retained_init(&vm->retained, cfg->mem);
  vm->warn.deliver = cfg->deliver;
  vm->warn.user = cfg->user;
  ti_buffer_init(&vm->warn.line, cfg->mem);
  ti_lua_alloc_init(&vm->alloc, &host);
  vm->L = lua_newstate(ti_lua_alloc_realloc, &vm->alloc);
#ifdef TI_COLLECT
  vm->alloc.collect = true;
#endif
  /* Lua leaves the main thread's extra space uninitialised, and copies it for each coroutine. */
  if (vm->L != NULL) memset(lua_getextraspace(vm->L), 0, LUA_EXTRASPACE);
  if (vm->L != NULL) {
    o.vm = vm;
    o.stop = stop;
    o.what = "cannot open a worker";
    o.paths = paths;
    o.given = given;
    lua_pushcfunction(vm->L, open_body);
    lua_pushlightuserdata(vm->L, &o);
    status = lua_pcall(vm->L, 1, 0, 0);
    ti_interrupt_end(&vm->interrupt);
    if (status == LUA_OK) {
      lua_settop(vm->L, 0);
      return vm;
    }
    if (status != LUA_ERRMEM) {
      /* Not a message handler: that would need another protected call around open_body, whose
      ** frames decide whether the stack of an idle worker takes two pages or three. */
      lua_pushcfunction(vm->L, ti_worker_calls_why);
      lua_insert(vm->L, -2);
      lua_pushlightuserdata(vm->L, (void *)(uintptr_t)o.what);
      lua_insert(vm->L, -2);
      status = lua_pcall(vm->L, 2, 1, 0);
    }
    /* Lack of memory, also for the message, is no fault of what opens the state, so there is no
    ** reason. */
    if (status != LUA_ERRMEM) *why = copy_error(vm, whysize);
  }
  ti_worker_state_free(vm);
  return NULL;
}

void ti_worker_state_free(struct ti_worker_state *vm) {
  if (vm == NULL) return;
  if (vm->L != NULL) {
    vm->closing = true;
    if (vm->interrupt.main != NULL)
      ti_interrupt_begin(&vm->interrupt); /* until the last finalizer has run */
    if (vm->opened) {
      finalize(vm, final_body);
      if (vm->cfg->finalizer != NULL) finalize(vm, host_final_body);
    }
    if (vm->cfg->close_state != NULL) {
      lua_pushcfunction(vm->L, close_body);
      lua_pushlightuserdata(vm->L, vm);
      if (lua_pcall(vm->L, 1, 0, 0) != LUA_OK && vm->cfg->warn != NULL)
        vm->cfg->warn("tidepool: error in close_state", vm->cfg->ud);
    }
    lua_close(vm->L);
    /* a signal for a state that was requested to end may come until the caller has left */
    if (vm->interrupt.main != NULL) ti_stop_token_set_hook(vm->interrupt.stop, NULL, NULL);
  }
  ti_retained_fini(&vm->retained);
  ti_lua_alloc_fini(&vm->alloc);
  ti_package_paths_release(vm->paths);
  ti_buffer_fini(&vm->traceback);
  ti_worker_lib_warn_reset(&vm->warn);
  ti_buffer_fini(&vm->warn.line);
  ti_alloc_free(vm->cfg->mem, vm, sizeof *vm);
}
