/*
** api/executor: executors: a pool whose workers are Lua states.
**
** SPDX-License-Identifier: MIT
*/
#include "include/tidepool.h"

#include <assert.h>
#include <lauxlib.h>
#include <limits.h>
#include <string.h>

#include "luautil/library_copy.h"
#include "luautil/error.h"
#include "api/executor.h"
#include "api/inline_executor.h"
#include "codec/borrow.h"
#include "vm/worker_calls.h"
#include "api/child_executor.h"
#include "api/owner.h"
#include "codec/pack.h"
#include "codec/reftype.h"
#include "api/task_wait.h"
#include "platform/clock.h"
#include "platform/cpu_count.h"
#include "platform/mutex.h"
#include "platform/signal.h"
#include "platform/thread.h"

_Static_assert((uintmax_t)TI_THREAD_STACK_LEAST >= TIDE_MIN_STACK_SIZE,
               "stacks that are taken are large enough");

static const struct ti_library_copy copy = {TIDE_VERSION, luaopen_tidepool_core};

void tide_makeknown(lua_State *L, const char *from) { ti_library_copy_claim(L, &copy, from); }

const char *tide_kindname(int kind) { return ti_errcode_name(kind); }

int tide_cpu_count(void) { return ti_cpu_count_get(); }

void tide_config_init(tide_config *cfg) {
  memset(cfg, 0, sizeof *cfg);
  cfg->struct_size = sizeof *cfg;
  cfg->thread_name_prefix = "tidepool";
  cfg->idle_timeout = -1;
  cfg->on_full = TIDE_ONFULL_BLOCK;
  cfg->spin_time = TIDE_SPIN_TIME;
}

const char *tide_signal_problem(int sig) {
  const char *unfit = ti_signal_unfit(sig);
  if (unfit == NULL && ti_signal_taken(sig)) return "the program handles or ignores it";
  return unfit;
}

/* ---------------------------------------------------------------- the runner -- */

struct worker {
  struct tide_executor *ex; /* I; the pool outlives its workers */
  struct ti_worker_state *vm;
  size_t tasks; /* run in this state */
};

static void *worker_open(void *ud, int index, struct ti_stop_token *stop, char **why,
                         size_t *whysize) {
  struct tide_executor *ex = (struct tide_executor *)ud;
  struct worker *w = (struct worker *)ti_alloc_zero(&ex->mem, sizeof *w);
  struct ti_worker_calls opening;
  struct ti_package_paths *paths;
  *why = NULL;
  *whysize = 0;
  if (w == NULL) return NULL;
  w->ex = ex;
  ti_mutex_lock(&ex->lock);
  paths = ti_package_paths_hold(ex->paths);
  ti_mutex_unlock(&ex->lock);
  opening.both = ex->init;
  opening.final = ex->final;
  opening.seeding = ex->seeded ? &ex->initializer : NULL;
  w->vm = ti_worker_state_new(&ex->vm, stop, paths, &opening, why, whysize);
  ti_package_paths_release(paths);
  if (w->vm == NULL) {
    ti_alloc_free(&ex->mem, w, sizeof *w);
    return NULL;
  }
  ti_worker_state_set_index(w->vm, index);
  atomic_fetch_add_explicit(&ex->states, 1, memory_order_relaxed);
  return w;
}

static void worker_close(void *worker) {
  struct worker *w = (struct worker *)worker;
  ti_worker_state_free(w->vm);
  atomic_fetch_sub_explicit(&w->ex->states, 1, memory_order_relaxed);
  ti_alloc_free(&w->ex->mem, w, sizeof *w);
}

static int worker_run(void *worker, struct ti_task *t, struct ti_message *out) {
  struct worker *w = (struct worker *)worker;
  const struct ti_task_stored_options *x = t->options;
  const struct ti_worker_call call = {&t->msg, (struct ti_package_paths *)t->context,
                                      ti_task_name(t), x != NULL ? x->memory_limit : 0,
                                      x != NULL && x->seeded ? &x->seeding : NULL};
  w->tasks++;
  return ti_worker_state_run(w->vm, &call, out);
}

static bool worker_worn(void *worker) {
  const struct worker *w = (const struct worker *)worker;
  return (w->ex->max_tasks > 0 && w->tasks >= w->ex->max_tasks) ||
         ti_worker_state_over_limit(w->vm);
}

static bool worker_tainted(void *worker) {
  return ti_worker_state_stopped_in_finalizer(((const struct worker *)worker)->vm);
}

static bool held(void *ud) {
  const struct ti_owner_hold *hold =
      atomic_load_explicit(&((struct tide_executor *)ud)->hold, memory_order_acquire);
  return hold != NULL && ti_owner_hold_on(hold);
}

static void free_context(void *context) {
  ti_package_paths_release((struct ti_package_paths *)context);
}

static void thread_start(void *ud, int index) {
  struct tide_executor *ex = (struct tide_executor *)ud;
  if (ex->thread_start != NULL) ex->thread_start(index, ex->ud);
}

static void thread_stop(void *ud, int index) {
  struct tide_executor *ex = (struct tide_executor *)ud;
  if (ex->thread_stop != NULL) ex->thread_stop(index, ex->ud);
}

static void free_message(struct tide_executor *ex, struct ti_message *m) {
  if (m == NULL) return;
  ti_message_fini(m);
  ti_alloc_free(&ex->mem, m, sizeof *m);
}

/* The pool is gone, and with it the last task. */
static void dispose(void *ud) {
  struct tide_executor *ex = (struct tide_executor *)ud;
  struct ti_alloc mem = ex->mem;
  assert(ex->orphans == NULL);
  free_message(ex, ex->init);
  free_message(ex, ex->final);
  ti_package_paths_release(ex->paths);
  ti_warnings_release(ex->warnings);
  ti_mutex_fini(&ex->lock);
  ti_shared_cache_fini(&ex->shelf);
  ti_alloc_free(&mem, ex, sizeof *ex);
}

/* Where the warnings of its workers go: to the state that adopted it, else to the host's function,
** else, if a worker's state made it, where those of that worker's executor go. In a child that was
** forked there is nobody. */
static bool deliver(void *user, const char *text, size_t len) {
  struct tide_executor *ex = (struct tide_executor *)user, *home;
  struct ti_warnings *w;
  if (ti_pool_forked(ex->pool)) return false;
  ti_mutex_lock(&ex->lock);
  w = ex->warnings;
  home = ex->home;
  ti_mutex_unlock(&ex->lock);
  if (w != NULL) return ti_warnings_put(w, text, len);
  if (ex->vm.warn == NULL) return home != NULL && deliver(home, text, len);
  ex->vm.warn(text, ex->vm.ud);
  return true;
}

static const struct ti_pool_runner runner = {.open = worker_open,
                                             .run = worker_run,
                                             .needs_replacing = worker_worn,
                                             .stopped_in_finalizer = worker_tainted,
                                             .close = worker_close,
                                             .free_context = free_context,
                                             .held = held,
                                             .thread_start = thread_start,
                                             .thread_stop = thread_stop,
                                             .dispose = dispose};

/* ------------------------------------------------------------ making, handles -- */

/* 0, negative or NaN: none. */
ti_time ti_executor_nanoseconds(double seconds) {
  if (!(seconds > 0)) return 0;
  return seconds < 1e9 ? (ti_time)(seconds * 1e9) + 1 : TI_CLOCK_NEVER / 2;
}

/* Starts the pool of ex, which takes the reference to ex. Returns TIDE_OK or an error code. */
static int start_pool(struct tide_executor *ex, const tide_config *cfg) {
  struct ti_pool_config pc;
  int err = ti_mutex_init(&ex->lock);
  if (err == 0) {
    pc.max_workers = ex->max_workers;
    pc.max_threads = ex->max_threads;
    pc.max_queue = cfg->max_queue;
    pc.full_is_error = cfg->on_full == TIDE_ONFULL_ERROR;
    pc.idle_timeout = cfg->idle_timeout;
    pc.stack_size = cfg->stack_size;
    pc.signal = ex->signal;
    pc.time_limit = ti_executor_nanoseconds(cfg->time_limit);
    pc.spin_time = (ti_time)(cfg->spin_time * 1e9);
    pc.name = cfg->thread_name_prefix != NULL ? cfg->thread_name_prefix : "tidepool";
    ex->pool = ti_pool_new(&pc, &ex->mem, &runner, ex, &err);
    if (ex->pool != NULL) return TIDE_OK;
    ti_mutex_fini(&ex->lock);
  }
  return TIDE_ENOMEM;
}

/* Asked only by an executor that needs it: it reads a dozen files. */
static int default_workers(int max_threads) {
  int cpus = ti_cpu_count_get(), workers = cpus + 4 < 32 ? cpus + 4 : 32;
  return max_threads > 0 && max_threads < workers ? max_threads : workers;
}

static int default_threads(int workers) {
  return workers <= (INT_MAX - 64) / 4 ? 4 * workers + 64 : INT_MAX;
}

int tide_executor_new(tide_executor **out, const tide_config *cfg) {
  struct ti_alloc mem = ti_alloc_default;
  struct tide_executor *ex;
  int code, signal = 0, err;
  *out = NULL;
  if (cfg->struct_size != sizeof *cfg || cfg->max_workers < 0 || cfg->max_threads < 0 ||
      (cfg->max_threads > 0 && cfg->max_threads < cfg->max_workers) ||
      (cfg->stack_size > 0 && cfg->stack_size < TI_THREAD_STACK_LEAST) ||
      cfg->idle_timeout != cfg->idle_timeout || !(cfg->spin_time >= 0) ||
      cfg->spin_time > TIDE_MAX_SPIN_TIME ||
      (cfg->on_full != TIDE_ONFULL_BLOCK && cfg->on_full != TIDE_ONFULL_ERROR) ||
      (cfg->run_inline != 0 && (cfg->time_limit > 0 || cfg->memory_limit > 0)) ||
      cfg->time_limit != cfg->time_limit || cfg->interrupt_signal < TIDE_NOSIGNAL ||
      (cfg->isolation != TIDE_ISOLATION_WORKER && cfg->isolation != TIDE_ISOLATION_TASK))
    return TIDE_EARG;
  if (cfg->interrupt_signal != TIDE_NOSIGNAL && cfg->run_inline == 0)
    signal = ti_signal_claim(cfg->interrupt_signal, &err);
  if (signal == 0 && cfg->interrupt_signal > 0 && cfg->run_inline == 0) return TIDE_EARG;
  if (cfg->alloc != NULL) {
    mem.alloc = cfg->alloc;
    mem.ud = cfg->alloc_ud;
  }
  ex = (struct tide_executor *)ti_alloc_zero(&mem, sizeof *ex);
  if (ex == NULL) return TIDE_ENOMEM;
  if (ti_shared_cache_init(&ex->shelf) != 0) {
    ti_alloc_free(&mem, ex, sizeof *ex);
    return TIDE_ENOMEM;
  }
  if (cfg->alloc == NULL) {
    mem.alloc = ti_shared_cache_alloc;
    mem.ud = &ex->shelf;
  }
  ex->mem = mem;
  atomic_init(&ex->handles, 1);
  atomic_init(&ex->adopted, false);
  atomic_init(&ex->hold, NULL);
  atomic_init(&ex->states, 0);
  atomic_init(&ex->ids, 0);
  atomic_init(&ex->submitted, false);
  atomic_init(&ex->opens, false);
  ex->run_inline = cfg->run_inline != 0;
  if (ex->run_inline)
    ex->max_workers = 1;
  else
    ex->max_workers = cfg->max_workers > 0 ? cfg->max_workers : default_workers(cfg->max_threads);
  ex->max_threads = cfg->max_threads > 0 ? cfg->max_threads : default_threads(ex->max_workers);
  ex->max_tasks = cfg->isolation == TIDE_ISOLATION_TASK ? 1 : cfg->max_tasks_per_worker;
  ex->signal = signal;
  ex->limited = cfg->time_limit > 0;
  ex->daemon = cfg->daemon != 0;
  ex->vm.memory_limit = cfg->memory_limit;
  ex->seeded = cfg->seeded != 0;
  ex->seed = (uint64_t)cfg->seed;
  ex->initializer.stream = ti_seed_of(NULL, SEED_INITIALIZER, ex->seed);
  ex->thread_start = cfg->thread_start;
  ex->thread_stop = cfg->thread_stop;
  ex->ud = cfg->ud;
  ex->vm.alloc = cfg->alloc;
  ex->vm.alloc_ud = cfg->alloc_ud;
  ex->vm.mem = &ex->mem;
  ex->vm.open_state = cfg->open_state;
  ex->vm.cfunction = cfg->cfunction;
  ex->rules.cfunction = cfg->cfunction;
  ex->rules.ud = cfg->ud;
  ex->rules.named = ex->rules.objects = cfg->open_state != NULL;
  ex->opened = ex->rules;
  ex->opened.named = true;
  /* with addresses a table goes as it is, unless the host says what workers have */
  ex->opened.objects = ex->rules.objects || cfg->cfunction == NULL;
  ex->vm.finalizer = cfg->finalizer;
  ex->vm.close_state = cfg->close_state;
  ex->vm.warn = cfg->warn;
  ex->vm.deliver = deliver;
  ex->vm.ud = cfg->ud;
  ex->vm.copy = &copy;
  ex->vm.user = ex;
  code = start_pool(ex, cfg);
  if (code != TIDE_OK) {
    ti_shared_cache_fini(&ex->shelf);
    ti_alloc_free(&mem, ex, sizeof *ex);
    return code;
  }
  *out = ex;
  return TIDE_OK;
}

tide_executor *tide_executor_hold(tide_executor *ex) {
  /* From 0 too: a task of an executor that all users have dropped may send it once more. */
  ti_pool_hold(ex->pool);
  atomic_fetch_add_explicit(&ex->handles, 1, memory_order_relaxed);
  return ex;
}

void tide_executor_rele(tide_executor *ex) {
  bool joined = true;
  if (ex == NULL || ti_pool_forked(ex->pool)) return;
  /* release/acquire: whoever drops the last reference sees what the others did */
  if (atomic_fetch_sub_explicit(&ex->handles, 1, memory_order_acq_rel) == 1) {
    ti_pool_close(ex->pool, false);
    /* Threads that nobody will join still use the pool: then it must stay. */
    joined = atomic_load_explicit(&ex->adopted, memory_order_acquire) ||
             ti_child_executor_wait(ex, 0) == TIDE_OK;
  }
  if (joined) ti_pool_release(ex->pool);
}

void tide_executor_drop(tide_executor *ex, lua_State *L) {
  if (ex != NULL && ex->run_inline &&
      atomic_load_explicit(&ex->handles, memory_order_relaxed) == 1 &&
      !ti_inline_executor_running(L, ex))
    ti_inline_executor_close(
        L, ex); /* the last handle is this one, or another state has its own places */
  tide_executor_rele(ex);
}

static void check_lost(tide_executor *ex, lua_State *L) {
  if (ti_pool_forked(ex->pool)) ti_error_raise(L, TIDE_EBROKEN, "%s", TI_FORKED);
}

void tide_executor_adopt(tide_executor *ex, lua_State *L) {
  check_lost(ex, L);
  ti_owner_adopt(L, ex);
}

void tide_executor_setpaths(tide_executor *ex, lua_State *L) {
  struct ti_package_paths *now, *before;
  check_lost(ex, L);
  now = ti_package_paths_hold(ti_package_paths_of(L, 1));
  lua_pop(L, 1);
  ti_mutex_lock(&ex->lock);
  before = ex->paths;
  ex->paths = now;
  ti_mutex_unlock(&ex->lock);
  ti_package_paths_release(before);
}

/* Packs the n values on top, which are as struct ti_worker_calls says, into *place; `other` is
** NULL, or a place that must be free too. [-n, +0, e] */
static void set_opening(tide_executor *ex, lua_State *L, int n, struct ti_message **place,
                        struct ti_message *const *other, const char *what) {
  struct ti_message *m;
  bool late, twice, opens = place == &ex->init && !lua_isnil(L, -n);
  check_lost(ex, L);
  luaL_checkstack(L, 8, NULL); /* here, so that packing need not raise while m holds memory */
  m = (struct ti_message *)ti_alloc_new(&ex->mem, sizeof *m);
  if (m == NULL) luaL_error(L, "not enough memory");
  ti_message_init(m, &ex->mem);
  if (ti_pack_by(L, m, n, PACK_OPENING, &ex->rules) != LUA_OK) {
    free_message(ex, m);
    lua_error(L);
  }
  ti_mutex_lock(&ex->lock);
  late = atomic_load_explicit(&ex->submitted, memory_order_relaxed);
  twice = *place != NULL || (other != NULL && *other != NULL);
  if (!late && !twice) { /* no worker exists yet that could look */
    *place = m;
    if (opens) atomic_store_explicit(&ex->opens, true, memory_order_relaxed);
  }
  ti_mutex_unlock(&ex->lock);
  if (late || twice) {
    free_message(ex, m);
    ti_error_raise(L, TIDE_EINVALIDSTATE, "the %s must be set once, before any submit", what);
  }
}

void tide_executor_setinitializer(tide_executor *ex, lua_State *L, int nargs) {
  luaL_checkstack(L, 1, NULL);
  lua_pushnil(L);
  lua_insert(L, -(nargs + 1)); /* behind the initializer: no finalizer */
  set_opening(ex, L, nargs + 2, &ex->init, NULL, "initializer");
}

void tide_executor_setfinalizer(tide_executor *ex, lua_State *L) {
  luaL_checkstack(L, 1, NULL);
  lua_pushnil(L);
  lua_insert(L, -2);
  set_opening(ex, L, 2, &ex->final, NULL, "finalizer");
}

void tide_executor_setopening(tide_executor *ex, lua_State *L, int nargs) {
  set_opening(ex, L, nargs + 2, &ex->init, &ex->final, "initializer and finalizer");
}

/* ------------------------------------------------------------------- shutdown -- */

void ti_executor_close(tide_executor *ex, int flags) {
  bool interrupt = (flags & TIDE_SHUTDOWN_INTERRUPT) != 0;
  ti_mutex_lock(&ex->lock);
  ex->closed |= flags; /* for orphans that are still to come */
  ti_mutex_unlock(&ex->lock);
  ti_pool_close(ex->pool, interrupt || (flags & TIDE_SHUTDOWN_CANCEL) != 0);
  if (interrupt) ti_pool_cancel_interrupt_all(ex->pool);
  ti_child_executor_close(ex, flags);
}

int tide_executor_shutdown(tide_executor *ex, lua_State *L, int flags, double timeout) {
  struct ti_owner_hookwatch hook;
  struct ti_task_wait w;
  enum ti_pool_block how;
  ti_time deadline = ti_clock_deadline(timeout), slice;
  int status, code;
  bool inside;
  if (ti_pool_forked(ex->pool)) return TIDE_EBROKEN;
  inside = ex->run_inline && L != NULL && ti_inline_executor_running(L, ex);
  if (timeout != 0 && (inside || ti_pool_threads_is_worker(ex->pool))) return TIDE_EDEADLOCK;
  ti_executor_close(ex, flags);
  if (inside) return TIDE_ETIMEOUT;
  if (timeout == 0 && ti_pool_threads_is_worker(ex->pool)) return TIDE_ETIMEOUT;
  w = ti_task_wait_of(timeout != 0 ? L : NULL);
  status = ti_task_wait_block_begin(&w, &how); /* what it waits for may wait for L's executor */
  if (status != TIDE_OK) return status;
  ti_owner_hook_start(&hook, L, ti_owner_known(L), timeout == 0 || flags != 0);
  do {
    slice = ti_owner_hook_slice(&hook, deadline);
    code = ti_child_executor_wait(ex, timeout == 0 ? 0 : slice);
    status = ti_owner_hook_run(&hook);
  } while (code == TIDE_ETIMEOUT && slice < deadline && timeout != 0 && status == LUA_OK);
  ti_task_wait_block_end(&w, how);
  ti_owner_hook_end(&hook);
  if (status != LUA_OK) lua_error(L);
  if (L != NULL && ex->run_inline) ti_inline_executor_close(L, ex);
  if (L != NULL) ti_borrow_peek(L); /* what the last tasks had on loan */
  return code == TIDE_EDEADLOCK && timeout == 0 ? TIDE_ETIMEOUT : code;
}

void tide_executor_stats(tide_executor *ex, tide_stats *st) {
  struct ti_pool_stats ps = {0};
  if (!ti_pool_forked(ex->pool)) ti_pool_stats(ex->pool, &ps);
  st->max_workers = (size_t)ex->max_workers;
  st->workers = ps.workers;
  st->idle = ps.idle;
  st->queued = ps.queued;
  st->running = ps.running;
  st->submitted = ps.submitted;
  st->finished = ps.finished;
  st->failed = ps.failed;
  st->cancelled = ps.cancelled;
}

int tide_executor_running(tide_executor *ex, char *names, size_t size) {
  names[0] = '\0';
  if (ex->run_inline || ti_pool_forked(ex->pool)) return 0;
  return (int)ti_pool_cancel_names(ex->pool, names, size);
}

int tide_executor_daemon(const tide_executor *ex) { return ex->daemon; }

int tide_executor_limited(const tide_executor *ex) {
  return ex->limited || ex->vm.memory_limit > 0;
}

const char *tide_executor_name(tide_executor *ex) { return ti_pool_name(ex->pool); }

tide_executor *tide_current_executor(lua_State *L) {
  return (tide_executor *)ti_worker_state_user(L);
}

const char *tide_current_name(lua_State *L) {
  const char *name;
  return ti_inline_executor_name(L, &name) ? name : ti_worker_state_task_name(L);
}

/* Where the number of the task that runs in L is kept, NULL outside of tasks; and its executor.
** [-0, +0, -] */
static uint64_t *find_id(lua_State *L, struct tide_executor **ex, bool *here) {
  uint64_t *id;
  *here = ti_inline_executor_id(L, ex, &id);
  if (*here) return id;
  *ex = (struct tide_executor *)ti_worker_state_user(L);
  return ti_worker_state_task_id(L);
}

int tide_current_worker(lua_State *L) {
  struct tide_executor *ex;
  bool here;
  if (find_id(L, &ex, &here) == NULL) return -1;
  return here ? ti_inline_executor_index(L) : ti_worker_state_index(L);
}

lua_Integer tide_current_id(lua_State *L) {
  struct tide_executor *ex;
  bool here;
  uint64_t *id = find_id(L, &ex, &here);
  if (id == NULL) return 0;
  if (*id == 0) *id = atomic_fetch_add_explicit(&ex->ids, 1, memory_order_relaxed) + 1;
  return (lua_Integer)*id;
}

int tide_current_stop(lua_State *L) { return ti_worker_state_stop_requested(L); }

void tide_pusherror(lua_State *L, int kind, const char *message) {
  ti_error_push(L, kind, message);
}

void tide_pushwhere(lua_State *L) { ti_error_where(L); }

int tide_errorkind(lua_State *L, int idx) { return ti_error_kind(L, idx); }

int tide_stringerrors(lua_State *L, int on) { return ti_codec_state_set_error_strings(L, on != 0); }

void tide_pusherrormessage(lua_State *L, int idx) { ti_error_message(L, idx); }

void tide_setreftype(lua_State *L, int idx, const tide_reftype *type) {
  ti_reftype_set(L, idx, type);
}
