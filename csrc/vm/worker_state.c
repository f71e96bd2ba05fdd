/*
** vm/worker_state: one worker's lua_State.
**
** SPDX-License-Identifier: MIT
*/
#include "vm/worker_state_impl.h"

#include <lauxlib.h>
#include <string.h>

#include "codec/module_names.h"
#include "codec/outcome.h"
#include "codec/unpack.h"
#include "luautil/error.h"
#include "vm/gc_pacing.h"

const char ti_worker_state_key = 0, ti_worker_state_final_key = 0;

static struct ti_worker_state *vm_of(lua_State *L) {
  struct ti_worker_state *vm;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &ti_worker_state_key);
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

/* --------------------------------------------------------------- new, free -- */

struct ti_worker_state *ti_worker_state_new(const struct ti_worker_config *cfg,
                                            struct ti_stop_token *stop,
                                            struct ti_package_paths *paths,
                                            const struct ti_worker_calls *given, char **why,
                                            size_t *whysize) {
  const struct ti_alloc host = {cfg->alloc, cfg->alloc_ud};
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
  if (vm->L != NULL && ti_worker_state_open_lua(vm, stop, paths, given, why, whysize)) return vm;
  ti_worker_state_free(vm);
  return NULL;
}

void ti_worker_state_free(struct ti_worker_state *vm) {
  if (vm == NULL) return;
  if (vm->L != NULL) ti_worker_state_close_lua(vm);
  ti_retained_fini(&vm->retained);
  ti_lua_alloc_fini(&vm->alloc);
  ti_package_paths_release(vm->paths);
  ti_buffer_fini(&vm->traceback);
  ti_worker_lib_warn_reset(&vm->warn);
  ti_buffer_fini(&vm->warn.line);
  ti_alloc_free(vm->cfg->mem, vm, sizeof *vm);
}

/* ------------------------------------------------------------------ running -- */

void ti_worker_state_use_paths(struct ti_worker_state *vm, struct ti_package_paths *paths) {
  if (paths == NULL || paths == vm->paths) return;
  ti_package_paths_apply(vm->L, paths);
  ti_package_paths_release(vm->paths);
  vm->paths = ti_package_paths_hold(paths);
}

int ti_worker_state_handler(lua_State *L) {
  struct ti_worker_state *vm = vm_of(L);
  ti_outcome_trace(L, vm->taskname, &vm->traceback);
  return 1;
}

struct run {
  struct ti_worker_state *vm;
  const struct ti_message *in;
  struct ti_package_paths *paths;
  struct ti_message *out;
  const struct ti_seeding *seeding;
  struct ti_gc_pacing pacing; /* of the call */
  bool task_code;             /* the task's own function runs, not the packing around it */
};

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
  ti_worker_state_use_paths(r->vm, r->paths); /* first: values may need modules */
  call(r->vm, r->in, 1, r->seeding, &r->pacing, &r->task_code);
  if (ti_pack_values(L, r->out, lua_gettop(L) - 1, PACK_RESULTS) != LUA_OK) lua_error(L);
  return 0;
}

/* Writes the outcome of a task that was requested to end. */
static void put_stopped(struct ti_worker_state *vm, int kind, struct ti_message *out) {
  const char *words = ti_interrupt_words(kind);
  ti_outcome_restart(out);
  ti_outcome_put_text(&out->bytes, words, strlen(words));
  ti_outcome_put_text(&out->bytes, (const char *)vm->traceback.data, vm->traceback.len);
}

/* Returns how many bytes the state may grow by for this call; SIZE_MAX: any. */
static size_t growth_left(const struct ti_worker_state *vm, const struct ti_worker_call *call,
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
  size_t left = limited ? growth_left(vm, call, used) : SIZE_MAX;
  vm->taskname = call->name != NULL ? call->name : "";
  vm->taskid = 0;
  vm->traceback.len = 0;
  vm->random.current = false;
  lua_settop(L, 0);
  ti_interrupt_begin(&vm->interrupt);
  if (limited)
    ti_memory_limit_begin(&vm->alloc.limit, &vm->interrupt,
                          left < SIZE_MAX - used ? used + left : SIZE_MAX);
  lua_pushcfunction(L, ti_worker_state_handler);
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
