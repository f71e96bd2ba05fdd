/*
** api/executor_new: making executors.
**
** SPDX-License-Identifier: MIT
*/
#include <limits.h>
#include <string.h>

#include "api/library.h"
#include "api/runner.h"
#include "platform/cpu_count.h"
#include "platform/signal.h"
#include "platform/thread.h"

_Static_assert((uintmax_t)TI_THREAD_STACK_LEAST >= TIDE_MIN_STACK_SIZE,
               "stacks that are taken are large enough");

void tide_config_init(tide_config *cfg) {
  memset(cfg, 0, sizeof *cfg);
  cfg->struct_size = sizeof *cfg;
  cfg->thread_name_prefix = "tidepool";
  cfg->idle_timeout = -1;
  cfg->on_full = TIDE_ONFULL_BLOCK;
  cfg->spin_time = TIDE_SPIN_TIME;
}

/* Returns whether tide_executor_new takes cfg, but for the signal. */
static bool is_valid(const tide_config *cfg) {
  return cfg->struct_size == sizeof *cfg && cfg->max_workers >= 0 && cfg->max_threads >= 0 &&
         (cfg->max_threads == 0 || cfg->max_threads >= cfg->max_workers) &&
         (cfg->stack_size == 0 || cfg->stack_size >= TI_THREAD_STACK_LEAST) &&
         cfg->idle_timeout == cfg->idle_timeout && cfg->time_limit == cfg->time_limit &&
         cfg->spin_time >= 0 && cfg->spin_time <= TIDE_MAX_SPIN_TIME &&
         (cfg->on_full == TIDE_ONFULL_BLOCK || cfg->on_full == TIDE_ONFULL_ERROR) &&
         (cfg->run_inline == 0 || (!(cfg->time_limit > 0) && cfg->memory_limit == 0)) &&
         cfg->interrupt_signal >= TIDE_NOSIGNAL &&
         (cfg->isolation == TIDE_ISOLATION_WORKER || cfg->isolation == TIDE_ISOLATION_TASK);
}

/* Sets *signal to the one that stops tasks; 0: none. Returns false if the one in cfg is unfit. */
static bool claim_signal(const tide_config *cfg, int *signal) {
  int err;
  *signal = 0;
  if (cfg->run_inline != 0 || cfg->interrupt_signal == TIDE_NOSIGNAL) return true;
  *signal = ti_signal_claim(cfg->interrupt_signal, &err);
  return *signal != 0 || cfg->interrupt_signal == 0;
}

/* Called only for an executor that needs it: counting processors reads a dozen files. */
static int default_workers(int max_threads) {
  int cpus = ti_cpu_count_get(), workers = cpus + 4 < 32 ? cpus + 4 : 32;
  return max_threads > 0 && max_threads < workers ? max_threads : workers;
}

static int default_threads(int workers) {
  return workers <= (INT_MAX - 64) / 4 ? 4 * workers + 64 : INT_MAX;
}

static void set_bounds(struct tide_executor *ex, const tide_config *cfg) {
  if (ex->run_inline)
    ex->max_workers = 1;
  else
    ex->max_workers = cfg->max_workers > 0 ? cfg->max_workers : default_workers(cfg->max_threads);
  ex->max_threads = cfg->max_threads > 0 ? cfg->max_threads : default_threads(ex->max_workers);
  ex->max_tasks = cfg->isolation == TIDE_ISOLATION_TASK ? 1 : cfg->max_tasks_per_worker;
}

static void set_rules(struct tide_executor *ex, const tide_config *cfg) {
  ex->rules.cfunction = cfg->cfunction;
  ex->rules.ud = cfg->ud;
  ex->rules.named = ex->rules.objects = cfg->open_state != NULL;
  ex->rules_with_initializer = ex->rules;
  ex->rules_with_initializer.named = true;
  /* Without a host's rule, tables with functions of the program are sent by value and address. */
  ex->rules_with_initializer.objects = ex->rules.objects || cfg->cfunction == NULL;
}

static void set_worker_config(struct tide_executor *ex, const tide_config *cfg) {
  ex->vm.memory_limit = cfg->memory_limit;
  ex->vm.alloc = cfg->alloc;
  ex->vm.alloc_ud = cfg->alloc_ud;
  ex->vm.mem = &ex->mem;
  ex->vm.open_state = cfg->open_state;
  ex->vm.cfunction = cfg->cfunction;
  ex->vm.finalizer = cfg->finalizer;
  ex->vm.close_state = cfg->close_state;
  ex->vm.warn = cfg->warn;
  ex->vm.deliver = ti_runner_warn;
  ex->vm.ud = cfg->ud;
  ex->vm.copy = &ti_library_this_copy;
  ex->vm.user = ex;
}

/* Makes the pool, which owns ex from now on. Returns false if out of memory. */
static bool make_pool(struct tide_executor *ex, const tide_config *cfg) {
  struct ti_pool_config pc;
  int err;
  if (ti_mutex_init(&ex->lock) != 0) return false;
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
  ex->pool = ti_pool_new(&pc, &ex->mem, &ti_runner_functions, ex, &err);
  if (ex->pool == NULL) ti_mutex_fini(&ex->lock);
  return ex->pool != NULL;
}

int tide_executor_new(tide_executor **out, const tide_config *cfg) {
  struct ti_alloc mem = ti_alloc_default;
  struct tide_executor *ex;
  int signal;
  *out = NULL;
  if (!is_valid(cfg) || !claim_signal(cfg, &signal)) return TIDE_EARG;
  if (cfg->alloc != NULL) {
    mem.alloc = cfg->alloc;
    mem.ud = cfg->alloc_ud;
  }
  ex = (struct tide_executor *)ti_alloc_zero(&mem, sizeof *ex);
  if (ex == NULL) return TIDE_ENOMEM;
  if (ti_shared_cache_init(&ex->cache) != 0) {
    ti_alloc_free(&mem, ex, sizeof *ex);
    return TIDE_ENOMEM;
  }
  if (cfg->alloc == NULL) {
    mem.alloc = ti_shared_cache_alloc;
    mem.ud = &ex->cache;
  }
  ex->mem = mem;
  atomic_init(&ex->handles, 1);
  atomic_init(&ex->adopted, false);
  atomic_init(&ex->hold_back, NULL);
  atomic_init(&ex->states, 0);
  atomic_init(&ex->task_ids, 0);
  atomic_init(&ex->submitted, false);
  atomic_init(&ex->has_initializer, false);
  ex->signal = signal;
  ex->limited = cfg->time_limit > 0;
  ex->run_inline = cfg->run_inline != 0;
  ex->daemon = cfg->daemon != 0;
  ex->seeded = cfg->seeded != 0;
  ex->seed = (uint64_t)cfg->seed;
  ex->initializer_seed.stream = ti_seed_of(NULL, SEED_INITIALIZER, ex->seed);
  ex->thread_start = cfg->thread_start;
  ex->thread_stop = cfg->thread_stop;
  ex->ud = cfg->ud;
  set_bounds(ex, cfg);
  set_rules(ex, cfg);
  set_worker_config(ex, cfg);
  if (!make_pool(ex, cfg)) {
    ti_shared_cache_fini(&ex->cache);
    ti_alloc_free(&mem, ex, sizeof *ex);
    return TIDE_ENOMEM;
  }
  *out = ex;
  return TIDE_OK;
}
