/*
** tidepool, floor 2: vm, one worker's lua_State.
**
** SPDX-License-Identifier: MIT
*/
#include "vm.h"

#include <lauxlib.h>
#include <lualib.h>

#include "arena.h"
#include "block.h"
#include "copy.h"
#include "error.h"
#include "globals.h"
#include "halt.h"
#include "large.h"
#include "names.h"
#include "opening.h"
#include "outcome.h"
#include "pack.h"
#include "rng.h"
#include "unpack.h"
#include "worker_co.h"
#include "worker_debug.h"
#include "worker_io.h"
#include "worker_lib.h"

struct vm {
  lua_State *L;
  const struct vm_config *cfg; /* I */
  struct paths *paths;         /* held: those applied last, or NULL */
  const char *taskname;        /* borrowed while a task runs, else NULL */
  uint64_t taskid;             /* of the task that runs; 0: nobody asked for it yet */
  int index;                   /* of the worker's thread */
  struct bytes traceback;      /* of the error that the message handler saw last */
  struct keeper keeper;        /* of what outlives a task here */
  struct worker_warn warn;
  struct pack_rules rules; /* of results */
  struct rng rng;          /* the generator of math.random */
  struct halt halt;        /* how a task is stopped */
  struct worker_debug debug;
  bool spoiled;         /* the last task left it near its memory limit */
  bool closing;         /* by tide_vm_free */
  bool opened;          /* its initializer, if there is one, has run: finalizers are due */
  struct arena arena;   /* L's memory, if the host gives none: small blocks */
  struct blocks blocks; /* and large ones */
};

static const char registry_key = 0, final_key = 0;

static struct vm *vm_of(lua_State *L) {
  struct vm *vm;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
  vm = (struct vm *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  return vm;
}

void *tide_vm_user(lua_State *L) {
  struct vm *vm = vm_of(L);
  return vm != NULL ? vm->cfg->user : NULL;
}

const char *tide_vm_taskname(lua_State *L) {
  struct vm *vm = vm_of(L);
  return vm != NULL ? vm->taskname : NULL;
}

void tide_vm_setindex(struct vm *vm, int index) { vm->index = index; }

int tide_vm_index(lua_State *L) {
  struct vm *vm = vm_of(L);
  return vm != NULL && vm->taskname != NULL ? vm->index : -1;
}

uint64_t *tide_vm_taskid(lua_State *L) {
  struct vm *vm = vm_of(L);
  return vm != NULL && vm->taskname != NULL ? &vm->taskid : NULL;
}

struct stop *tide_vm_stop(lua_State *L) {
  struct vm *vm = vm_of(L);
  return vm != NULL && vm->taskname != NULL ? vm->halt.stop : NULL;
}

int tide_vm_asked(lua_State *L) {
  const struct stop *stop = tide_vm_stop(L);
  return stop != NULL ? tide_stop_asked(stop) : FAULT_NONE;
}

bool tide_vm_closing(lua_State *L) {
  const struct vm *vm = vm_of(L);
  return vm != NULL && vm->closing;
}

bool tide_vm_tainted(const struct vm *vm) {
  return atomic_load_explicit(&vm->halt.finalizer, memory_order_relaxed);
}

bool tide_vm_spoiled(const struct vm *vm) { return vm->spoiled || tide_vm_tainted(vm); }

struct rng *tide_vm_rng(lua_State *L) {
  struct vm *vm = vm_of(L);
  return vm != NULL && vm->taskname != NULL && vm->rng.current ? &vm->rng : NULL;
}

struct keeper *tide_vm_keeper(lua_State *L) {
  struct vm *vm = vm_of(L);
  return vm != NULL ? &vm->keeper : NULL;
}

/* ------------------------------------------------------------------ running -- */

struct run {
  struct vm *vm;
  const struct message *in;
  struct paths *paths;
  struct message *out;
  const struct seeding *seeding;
  struct large large; /* of the call */
  bool task_code;     /* the task's own function is running, not our packing around it */
};

/* Makes paths the state's. Before a task's values are unpacked: they may need modules. */
static void use_paths(struct vm *vm, struct paths *paths) {
  if (paths == NULL || paths == vm->paths) return;
  tide_paths_apply(vm->L, paths);
  tide_paths_rele(vm->paths);
  vm->paths = tide_paths_hold(paths);
}

/* Unpacks a call and makes it, with random numbers that begin at `seeding`; leaves its results from
** index `base` + 1 on. */
static void call(struct vm *vm, const struct message *in, int base, const struct seeding *seeding,
                 struct large *large, bool *task_code) {
  lua_State *L = vm->L;
  int n;
  tide_large_begin(L, in, large);
  n = tide_unpack(L, in, 0, UNPACK_ALL);
  tide_large_end(L, large);
  if (n == 0) tide_error_raise(L, FAULT_TRANSFER, "damaged message: nothing to call");
  if (lua_type(L, base + 1) == LUA_TSTRING) {
    size_t len;
    const char *name = lua_tolstring(L, base + 1, &len);
    tide_names_function(L, name, len);
    lua_replace(L, base + 1);
  }
  /* last: modules that this call was the first to need may have drawn some */
  if (seeding != NULL || vm->rng.seeded) tide_rng_begin(&vm->rng, L, seeding);
  *task_code = true;
  lua_call(L, n - 1, LUA_MULTRET);
  *task_code = false;
}

/* Protected: a task from its message to its results' message. */
static int run_body(lua_State *L) {
  struct run *r = (struct run *)lua_touserdata(L, 1);
  use_paths(r->vm, r->paths);
  call(r->vm, r->in, 1, r->seeding, &r->large, &r->task_code);
  if (tide_pack(L, r->out, lua_gettop(L) - 1, PACK_RESULTS) != LUA_OK) lua_error(L);
  return 0;
}

/* Message handler: keeps the traceback, leaves the error value as it is. */
static int handler(lua_State *L) {
  struct vm *vm = vm_of(L);
  tide_outcome_trace(L, vm->taskname, &vm->traceback);
  return 1;
}

/* The outcome of a task that was asked to end. */
static void put_stopped(struct vm *vm, int kind, struct message *out) {
  const char *words = tide_halt_words(kind);
  tide_outcome_restart(out);
  tide_outcome_puttext(&out->bytes, words, strlen(words));
  tide_outcome_puttext(&out->bytes, (const char *)vm->traceback.data, vm->traceback.len);
}

/* How far the state may grow for this call; SIZE_MAX: as far as it likes. */
static size_t room(const struct vm *vm, const struct vm_call *call, size_t used) {
  size_t all = vm->cfg->memory_limit, grow = call->memory_limit, left = SIZE_MAX;
  if (all > 0) left = all > used ? all - used : 0;
  if (grow > 0 && grow < left) left = grow;
  return left;
}

/* The task is over, and was stopped: what it leaves, files among it, is collected, while finalizers can still
** be stopped. A state that is to be closed does so then. If more than half of the room of a task with a memory
** limit (`left`) is taken still, the next would fare no better. */
static void recover(struct vm *vm, size_t before, size_t left) {
  size_t after;
  if (tide_vm_tainted(vm)) return;
  tide_halt_collect(&vm->halt);
  if (tide_stop_asked(vm->halt.stop) != FAULT_MEMORY_LIMIT) return;
  after = tide_halt_used(vm->L);
  vm->spoiled = vm->spoiled || (after > before && after - before > left / 2);
}

int tide_vm_run(struct vm *vm, const struct vm_call *call, struct message *out) {
  lua_State *L = vm->L;
  struct run r = {vm, call->in, call->paths, out, call->seeding, {NULL, 0, 0, 0}, false};
  lua_Hook hook = lua_gethook(L);
  int outcome = FAULT_NONE, mask = lua_gethookmask(L), count = lua_gethookcount(L), kind;
  bool limited = vm->cfg->memory_limit > 0 || call->memory_limit > 0;
  size_t used = limited ? tide_halt_used(L) : 0;
  size_t left = limited ? room(vm, call, used) : SIZE_MAX;
  vm->taskname = call->name != NULL ? call->name : "";
  vm->taskid = 0;
  vm->traceback.len = 0;
  vm->rng.current = false;
  lua_settop(L, 0);
  tide_halt_begin(&vm->halt);
  if (limited) tide_halt_limit(&vm->halt, left < SIZE_MAX - used ? used + left : SIZE_MAX);
  lua_pushcfunction(L, handler);
  lua_pushcfunction(L, run_body);
  lua_pushlightuserdata(L, &r);
  if (lua_pcall(L, 1, 0, 1) != LUA_OK) {
    tide_large_end(L, &r.large);
    /* A hook that the task set ends with it, a host's own stays; that of a stop stays as well. */
    if (tide_stop_asked(vm->halt.stop) == FAULT_NONE) lua_sethook(L, hook, mask, count);
    outcome = tide_outcome_fail(L, &vm->traceback, r.task_code, out);
  }
  tide_halt_lift(&vm->halt);
  vm->taskname = NULL;
  lua_settop(L, 0);
  if (!tide_vm_tainted(vm) && !tide_worker_debug_reset(L, &vm->debug)) vm->spoiled = true;
  if (tide_stop_asked(vm->halt.stop) != FAULT_NONE) recover(vm, used, left);
  if (vm->keeper.n > 0) tide_keeper_look(&vm->keeper, L);
  tide_halt_end(&vm->halt);
  tide_worker_warn_reset(&vm->warn);
  lua_sethook(L, hook, mask, count);
  kind = tide_stop_close(vm->halt.stop);
  if (kind == FAULT_NONE) return outcome;
  put_stopped(vm, kind, out);
  return kind;
}

/* ------------------------------------------------------------ opening, closing -- */

struct vm_opening {
  struct vm *vm;
  struct stop *stop;
  const char *what; /* what is being done, for the message if it fails */
  struct paths *paths;
  const struct opening *given;
};

/* Protected. */
static int open_body(lua_State *L) {
  struct vm_opening *o = (struct vm_opening *)lua_touserdata(L, 1);
  struct vm *vm = o->vm;
  luaL_checkversion(L);
  tide_halt_open(&vm->halt, L, o->stop);
  tide_halt_begin(&vm->halt);
  lua_setwarnf(L, tide_worker_warn, &vm->warn);
  luaL_openlibs(L);
  tide_rng_open(&vm->rng, L);
  tide_worker_lib_open(L);
  tide_worker_io_open(L);
  if (vm->cfg->copy != NULL) tide_copy_claim(L, vm->cfg->copy, NULL);
  tide_worker_co_open(L, &vm->halt);
  tide_worker_debug_open(L, &vm->debug, &vm->halt);
  lua_pushlightuserdata(L, vm);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
  vm->rules.cfunction = vm->cfg->cfunction;
  vm->rules.ud = vm->cfg->ud;
  vm->rules.named = true;
  vm->rules.objects = vm->cfg->open_state != NULL;
  tide_transfer_get(L)->rules = &vm->rules;
  lua_settop(L, 1);
  if (vm->cfg->open_state != NULL) {
    o->what = "open_state failed";
    vm->cfg->open_state(L, vm->cfg->ud);
    lua_settop(L, 1);
  }
  o->what = "cannot set package.path";
  use_paths(vm, o->paths);
  tide_globals_own(L, vm->cfg->open_state == NULL);
  tide_opening_run(L, o->given, &vm->rng, &o->what);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &final_key);
  if (o->given->both != NULL || o->given->final != NULL) tide_globals_own(L, false);
  vm->opened = true;
  o->what = "a new state holds more than memory_limit allows";
  if (vm->cfg->memory_limit > 0 && tide_halt_used(L) > vm->cfg->memory_limit)
    luaL_error(L, "%d bytes", (int)tide_halt_used(L));
  tide_worker_debug_opened(L, &vm->debug);
  tide_worker_warn_opened(&vm->warn);
  return 0;
}

/* A copy of the string on top; calls nothing in Lua that may raise. */
static char *copy_error(struct vm *vm, size_t *size) {
  size_t len = 0;
  const char *s = lua_type(vm->L, -1) == LUA_TSTRING ? lua_tolstring(vm->L, -1, &len) : "";
  char *copy = (char *)tide_mem_new(vm->cfg->mem, len + 1);
  *size = len + 1;
  if (copy != NULL) memcpy(copy, s, len + 1);
  return copy;
}

/* Protected: the finalizer of the message. */
static int final_body(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &final_key) == LUA_TNIL) return 0;
  lua_call(L, 0, 0);
  return 0;
}

/* Protected: that of the configuration. */
static int host_final_body(lua_State *L) {
  const struct vm *vm = (const struct vm *)lua_touserdata(L, 1);
  vm->cfg->finalizer(L, vm->cfg->ud);
  return 0;
}

/* Calls one of the two. Its error is a warning. [-0, +0, -] */
static void finalize(struct vm *vm, lua_CFunction body) {
  lua_State *L = vm->L;
  vm->traceback.len = 0;
  lua_settop(L, 0);
  lua_pushcfunction(L, handler);
  lua_pushcfunction(L, body);
  lua_pushlightuserdata(L, vm);
  if (lua_pcall(L, 1, 0, 1) != LUA_OK) {
    lua_pushcfunction(L, tide_outcome_warnfinal);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, &vm->traceback);
    (void)lua_pcall(L, 2, 0, 0); /* without memory for the words there is no warning */
  }
  lua_settop(L, 0);
}

/* Protected: the host's last look at the state. */
static int close_body(lua_State *L) {
  const struct vm *vm = (const struct vm *)lua_touserdata(L, 1);
  vm->cfg->close_state(L, vm->cfg->ud);
  return 0;
}

/* The arena for small blocks, warm ones for large blocks. */
static void use_blocks(struct vm *vm) {
  struct mem small;
  small.alloc = lua_getallocf(vm->L, &small.ud);
  tide_blocks_init(&vm->blocks, &small, BLOCKS_STATE);
  vm->blocks.collect = true;
  lua_setallocf(vm->L, tide_blocks_alloc, &vm->blocks);
}

struct vm *tide_vm_new(const struct vm_config *cfg, struct stop *stop, struct paths *paths,
                       const struct opening *given, char **why, size_t *whysize) {
  struct vm_opening o;
  int status;
  struct vm *vm = (struct vm *)tide_mem_zero(cfg->mem, sizeof *vm);
  *why = NULL;
  *whysize = 0;
  if (vm == NULL) return NULL;
  vm->cfg = cfg;
  tide_bytes_init(&vm->traceback, cfg->mem);
  tide_keeper_init(&vm->keeper, cfg->mem);
  vm->warn.deliver = cfg->deliver;
  vm->warn.user = cfg->user;
  tide_bytes_init(&vm->warn.line, cfg->mem);
  tide_arena_init(&vm->arena, &tide_mem_default);
  vm->L = cfg->alloc != NULL ? lua_newstate(cfg->alloc, cfg->alloc_ud)
                             : lua_newstate(tide_arena_alloc, &vm->arena);
  /* Lua leaves the main thread's extra space as it finds it, and copies it for each coroutine. */
  if (vm->L != NULL) memset(lua_getextraspace(vm->L), 0, LUA_EXTRASPACE);
  if (vm->L != NULL && cfg->alloc == NULL) use_blocks(vm);
  if (vm->L != NULL) {
    o.vm = vm;
    o.stop = stop;
    o.what = "cannot open a worker";
    o.paths = paths;
    o.given = given;
    lua_pushcfunction(vm->L, open_body);
    lua_pushlightuserdata(vm->L, &o);
    status = lua_pcall(vm->L, 1, 0, 0);
    tide_halt_end(&vm->halt);
    if (status == LUA_OK) {
      lua_settop(vm->L, 0);
      return vm;
    }
    if (status != LUA_ERRMEM) {
      /* Not a message handler: that would need a protected call of its own around open_body, whose
      ** frames decide whether an idle worker's stack is two pages or three. */
      lua_pushcfunction(vm->L, tide_opening_why);
      lua_insert(vm->L, -2);
      lua_pushlightuserdata(vm->L, (void *)(uintptr_t)o.what);
      lua_insert(vm->L, -2);
      status = lua_pcall(vm->L, 2, 1, 0);
    }
    /* without memory, also for the words, nothing is wrong with what opens it: no reason */
    if (status != LUA_ERRMEM) *why = copy_error(vm, whysize);
  }
  tide_vm_free(vm);
  return NULL;
}

void tide_vm_free(struct vm *vm) {
  if (vm == NULL) return;
  if (vm->L != NULL) {
    vm->closing = true;
    if (vm->halt.main != NULL) tide_halt_begin(&vm->halt); /* until its last finalizer has run */
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
    /* a signal for who is closed in haste may come until the caller has left */
    if (vm->halt.main != NULL) tide_stop_setarm(vm->halt.stop, NULL, NULL);
  }
  tide_blocks_fini(&vm->blocks);
  tide_keeper_fini(&vm->keeper);
  tide_arena_fini(&vm->arena);
  tide_paths_rele(vm->paths);
  tide_bytes_fini(&vm->traceback);
  tide_worker_warn_reset(&vm->warn);
  tide_bytes_fini(&vm->warn.line);
  tide_mem_free(vm->cfg->mem, vm, sizeof *vm);
}
