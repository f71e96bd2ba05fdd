/*
** tidepool.h: parallel tasks for Lua, for host programs written in C.
**
** Terms:
**   executor   a pool of threads that runs tasks
**   worker     one of these threads together with its lua_State
**   task       a function and its arguments, submitted to an executor
**   future     through which the outcome of a task is read
**   promise    a future that the program completes itself
**   kind       one of the TIDE_E... codes; an error object has a kind and a message
**   to adopt   a lua_State that adopts an executor shuts it down when it closes
**   handle     a reference to an executor that a user of the library owns
**
** Conventions:
**   - `L` is the caller's own state, never a worker's, unless the caller is a task and passes the
**     state that it runs in.
**   - Functions marked [-o, +p, x] are used like Lua's own API: they pop o values and push p. x is
**     '-' if the function never raises an error; 'm' if it may raise an error of memory; 'e' if it
**     may raise an error of this library or one from the caller's metamethods.
**   - All other functions never raise an error. Where they return an int that no comment explains,
**     it is TIDE_OK or one of the TIDE_E... codes.
**   - Times are in seconds. A negative timeout, such as TIDE_FOREVER, means no limit.
**   - Objects are reference counted: `hold` adds a reference and returns its argument, `rele`
**     releases one. `rele` of NULL does nothing.
**   - Any thread may call any function, except where a comment says otherwise.
**
** After fork(), in the child:
**   - The threads of the parent's executors do not exist in the child. The child may exec.
**   - With objects of the parent, a submit, a wait for a future that is not done, and a shutdown
**     return or raise TIDE_EBROKEN. They never wait. Releasing such objects frees nothing.
**   - Outcomes of futures that were done before the fork can be read. What the child makes itself
**     works.
**   - A child that a task forked ends, as by _exit(0), when it returns from the task.
**   - No other thread may use a promise, or a group or a wait without a lua_State, while fork runs.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDEPOOL_H
#define TIDEPOOL_H

#include <stddef.h>
#include <lua.h>

#include "tidepool_types.h"

#if LUA_VERSION_NUM != 504 || LUA_VERSION_RELEASE_NUM < 50404
#error "tidepool needs Lua 5.4.4 or later of 5.4"
#endif

#if defined(__cplusplus) && __cplusplus >= 201103L
#define TIDE_ASSERT_(what, words) static_assert(what, words)
#elif !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define TIDE_ASSERT_(what, words) _Static_assert(what, words)
#else
#define TIDE_ASSERT_(what, words) typedef char tide_needs_64_bits_[(what) ? 1 : -1]
#endif
TIDE_ASSERT_(sizeof(lua_Integer) == 8 && sizeof(lua_Number) == 8,
             "tidepool needs a Lua whose integers and floats have 64 bits");
#undef TIDE_ASSERT_

#if defined(__GNUC__)
#define TIDE_API __attribute__((visibility("default"))) extern
#else
#define TIDE_API extern
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define TIDE_VERSION "0.1.0"
#define TIDE_FOREVER (-1.0)

typedef struct tide_executor tide_executor;
typedef struct tide_future tide_future;
typedef struct tide_group tide_group;
typedef struct tide_share tide_share;
typedef struct tide_array tide_array;

/* Returns the word that scripts see for a kind ("timeout"), or NULL if the code has none. */
TIDE_API const char *tide_kindname(int kind);

/* ------------------------------------------------------------ executor -- */

enum { TIDE_ONFULL_BLOCK = 0, TIDE_ONFULL_ERROR = 1 };
enum { TIDE_ISOLATION_WORKER = 0, TIDE_ISOLATION_TASK = 1 };
#define TIDE_NOSIGNAL (-1)

typedef struct tide_config {
  size_t struct_size; /* set by tide_config_init */
  int max_workers;    /* 0: min(32, tide_cpu_count() + 4), but at most max_threads */
  /* At most so many threads, including those that replace workers whose tasks wait. At least
  ** max_workers. 0: 4 * max_workers + 64. */
  int max_threads;
  const char *thread_name_prefix; /* copied; default "tidepool" */
  size_t max_tasks_per_worker;    /* a worker's state is replaced after so many; 0: no limit */
  double idle_timeout;            /* seconds until an idle thread ends; negative: never */
  size_t max_queue;               /* tasks that may wait; 0: no limit */
  int on_full;                    /* a submit to a full queue waits, or fails: TIDE_ONFULL_... */
  /* Bytes of a worker's C stack, at least TIDE_MIN_STACK_SIZE. 0: 2 MiB, whatever the system's
  ** default is. About 300 waits inside tasks can nest in 1 MiB beyond the minimum. */
  size_t stack_size;
  /* Seconds, 0 to TIDE_MAX_SPIN_TIME; default TIDE_SPIN_TIME. For so long a thread that waits for a
  ** future of this executor, and one idle worker of it, check for news before they sleep. A check
  ** notices news within about a microsecond, but takes processor time while nothing comes; waking a
  ** thread that sleeps takes tens of microseconds. While checking does not pay, it is left out for
  ** longer and longer. After sleeps that ended soon it lasts up to four times as long, at most 0.5
  ** ms. 0 turns it off. It is also off if the process may use only one processor. */
  double spin_time;
  double time_limit;   /* seconds that a task may run; 0 or negative: no limit */
  size_t memory_limit; /* bytes that a worker's state may hold; 0: no limit */
  int isolation;       /* TIDE_ISOLATION_TASK: each task has a new state, made in advance */
  /* Not 0: when the adopting state closes, queued tasks are cancelled and running ones interrupted.
  ** 0: it waits for them. If the program has taken all signals that interrupt tasks, lua_close
  ** waits for 2 s, warns, and leaves the threads running. They still use the functions and the
  ** memory below. */
  int daemon;
  /* The signal that stops running tasks.
  **   0                SIGURG; if the program uses it (by a handler or SIG_IGN), or the calling
  **                    thread blocks it, SIGWINCH; then real-time signals, the highest first
  **   a number         that signal first; TIDE_EARG if tide_signal_problem returns a reason
  **   TIDE_NOSIGNAL    none; then no running task can be stopped
  **
  ** The library never replaces a handler of the program. The program may set handlers, ignore
  ** signals, or set them to SIG_DFL at any time. The library has a handler for this signal and for
  ** two more that are free, which workers can use instead. Before it sends a signal, it checks that
  ** the handler is still its own. If the signal is at SIG_DFL, it sets its handler again. If the
  ** program uses the signal now, it takes another free one. If none is free,
  ** tide_future_interrupt returns 0, and submits with a time limit fail with TIDE_ETHREAD. A signal
  ** from elsewhere is harmless: the worker checks whether its task was requested to stop. */
  int interrupt_signal;
  /* Not 0: the executor has no threads. A task runs inside its submit, on the thread and in the
  ** state that submits it. Its values are copied as for a worker, and it has globals of its own.
  ** The future that the submit returns is done. This is for debuggers, coverage and profilers.
  ** Fields about threads and workers have no effect; open_state, close_state, finalizer,
  ** thread_start and thread_stop are not called. A time_limit or memory_limit is TIDE_EARG, and so
  ** is a submit without a lua_State. */
  int run_inline;
  /* Not 0: each task begins with Lua's math.random seeded from `seed` and the task's number, which
  ** the executor counts from 1. The initializer is seeded from `seed` in the same way in each
  ** state. 0: states are seeded from the system's entropy, also for the task that follows one with
  ** a seed of its own. See tide_taskopts. */
  int seeded;
  lua_Integer seed;
  void *ud; /* passed to every function below but alloc */

  /* Called on the worker's thread for each new state, after the standard libraries are open and
  ** before the initializer. Runs in protected mode and may raise an error; then the executor is
  ** broken, with that message. */
  void (*open_state)(lua_State *L, void *ud);
  /* Called before a worker's state closes, and before close_state, if the state was opened without
  ** an error. Objects of tasks still exist. Runs in protected mode; an error is a warning in that
  ** state. TIDE_SHUTDOWN_INTERRUPT stops it. */
  void (*finalizer)(lua_State *L, void *ud);
  /* Called before a worker's state is closed. Must not raise an error. */
  void (*close_state)(lua_State *L, void *ud);
  /* Returns whether the C function may be sent by its address. It would be called in any thread,
  ** with copies of its upvalues. This is called for functions that the receiver does not find by
  ** name: neither in a module that it can require nor, if there is an open_state or an initializer,
  ** under the name that the sender has for it. Called on threads that submit and on workers that
  ** send results, several at a time. Must not raise an error. tide_submit_cfunction does not call
  ** it. NULL: none may be sent, which fails with kind transfer. */
  int (*cfunction)(lua_CFunction fn, void *ud);
  /* Called on each worker thread, as the first and as the last thing. */
  void (*thread_start)(int index, void *ud);
  void (*thread_stop)(int index, void *ud);

  /* Memory of the executor and of its states. Called from many threads at a time, until the last
  ** future of the executor is released. NULL: the C library's realloc and free for small blocks,
  ** the system's memory for large ones. lua_getallocf of a worker's state returns a function of the
  ** library that calls this one. It stays the same as long as the state exists. */
  lua_Alloc alloc;
  void *alloc_ud;

  /* Receives the warnings of workers' states while no lua_State has adopted the executor, and
  ** errors in close_state. Each call has one whole message. Called on any thread. NULL: they are
  ** dropped. See tide_warnings. */
  void (*warn)(const char *message, void *ud);
} tide_config;

/* The least stack_size. It suffices for Lua code that recurses through C functions as deeply as Lua
** allows, which takes half of it, and for values that nest 1,000 tables. Four times as much if the
** library is built with AddressSanitizer or ThreadSanitizer. */
#define TIDE_MIN_STACK_SIZE ((size_t)1 << 20)

#define TIDE_SPIN_TIME 0.00005
#define TIDE_MAX_SPIN_TIME 0.001

/* Sets struct_size and the defaults. */
TIDE_API void tide_config_init(tide_config *cfg);

/* Returns why the signal cannot be an interrupt_signal now ("faults of the program raise it"), or
** NULL if it can. Never blocks. */
TIDE_API const char *tide_signal_problem(int sig);

/* Returns how many processors this process may use, at least 1. Respects affinity and cgroup
** quotas. */
TIDE_API int tide_cpu_count(void);

/* Makes an executor; its threads start on demand. The caller owns one handle. Returns TIDE_EARG,
** TIDE_ENOMEM; then *ex is NULL. */
TIDE_API int tide_executor_new(tide_executor **ex, const tide_config *cfg);

/* Takes package.path, package.cpath and the C functions in package.preload from L, for workers that
** start from now on. A submit with a lua_State does this itself; hosts that submit without one call
** this function. [-0, +0, e] */
TIDE_API void tide_executor_setpaths(tide_executor *ex, lua_State *L);

/* Sets the initializer: takes a function, or "module.function", and nargs arguments from the top of
** the stack. It is called once in each new worker state, before the first task. Must be called
** before the first submit. [-(nargs+1), +0, e] */
TIDE_API void tide_executor_setinitializer(tide_executor *ex, lua_State *L, int nargs);

/* Sets the finalizer: takes a function, or "module.function", from the top of the stack. Must be
** called before the first submit.
**
** The finalizer is called without arguments in each worker state before the state closes, for
** whatever reason, on the worker's thread. It is called even if no task ran, but not if the
** initializer failed. It has the worker's globals. After it come tide_config.finalizer,
** close_state, and the finalizers (__gc) of objects.
**
** Its error is a warning in that state. TIDE_SHUTDOWN_INTERRUPT stops it. If it waits without a
** timeout for a task of its own executor, the wait returns TIDE_EDEADLOCK. [-1, +0, e] */
TIDE_API void tide_executor_setfinalizer(tide_executor *ex, lua_State *L);

/* Sets both: takes an initializer or nil, a finalizer or nil, and the initializer's nargs
** arguments. Upvalues and tables that the two functions share are shared in each worker state, too.
** [-(nargs+2), +0, e] */
TIDE_API void tide_executor_setopening(tide_executor *ex, lua_State *L, int nargs);

/* Lets L adopt the executor. When L closes, the executor is shut down, its queue is finished and
** its threads are joined, whatever references remain. Only the first state that adopts an executor
** does so.
**
** If L is a worker's state, closing it does not wait. The shutdown of the worker's executor then
** includes this one. A worker's state cannot adopt its own executor: kind deadlock.
** [-0, +0, e] */
TIDE_API void tide_executor_adopt(tide_executor *ex, lua_State *L);

/* Passes queued warnings to L's warn function (lua_setwarnf): those of workers of executors that L
** adopted, and of executors that their tasks made. Each is a whole message, in the order of
** arrival. Waits with L do this every few tenths of a second; tide_submit with L and lua_close do
** it, too. A worker that calls warn("@on") or warn("@off") has its own warnings written to stderr,
** or dropped, until its task ends. [-0, +0, e] */
TIDE_API void tide_warnings(lua_State *L);

/* Handles. When the last one is released, the executor takes no more tasks, finishes its queue, and
** its threads end. tide_executor_rele never waits for that. The threads must still be joined: by a
** state that adopted the executor, when it closes (a worker's state leaves it to the worker's
** executor), or by tide_executor_shutdown(ex, NULL, 0, TIDE_FOREVER) before the last rele. */
TIDE_API tide_executor *tide_executor_hold(tide_executor *ex);
TIDE_API void tide_executor_rele(tide_executor *ex);
/* As tide_executor_rele, for a handle that L's collector frees. If it is the last one of an
** executor with run_inline, finalizers of what the executor opened in L are called. Their errors
** are warnings. [-0, +0, m] */
TIDE_API void tide_executor_drop(tide_executor *ex, lua_State *L);

enum {
  TIDE_SHUTDOWN_CANCEL = 1, /* cancel tasks that have not started */
  /* cancel those, and interrupt running tasks and the opening and closing of workers */
  TIDE_SHUTDOWN_INTERRUPT = 2
};

/* Stops taking tasks. Then waits until the queue is finished and the threads are joined, at most
** `timeout` seconds; 0: does not wait. May be called again. L is used as in tide_future_wait, and
** may be NULL. Returns TIDE_OK; TIDE_ETIMEOUT if it is not finished yet. Returns TIDE_EDEADLOCK if
** timeout is not 0 and the caller is one of its own workers, or a worker of an executor that its
** tasks left behind. [-0, +0, e] */
TIDE_API int tide_executor_shutdown(tide_executor *ex, lua_State *L, int flags, double timeout);

typedef struct tide_stats {
  size_t max_workers, workers, idle;             /* threads: limit, alive, waiting for work */
  size_t queued, running;                        /* tasks now */
  size_t submitted, finished, failed, cancelled; /* since the start; finished includes failed */
} tide_stats;

TIDE_API void tide_executor_stats(tide_executor *ex, tide_stats *st);
TIDE_API const char *tide_executor_name(tide_executor *ex); /* its thread_name_prefix */

/* Returns how many of its tasks run. Stores their names in `names`, of `size` bytes, at least 1, as
** far as they have names and there is space: "crunch, 2 without a name". */
TIDE_API int tide_executor_running(tide_executor *ex, char *names, size_t size);

/* Return whether the config has: daemon; a time_limit or a memory_limit; run_inline. */
TIDE_API int tide_executor_daemon(const tide_executor *ex);
TIDE_API int tide_executor_limited(const tide_executor *ex);
TIDE_API int tide_executor_inline(const tide_executor *ex);

/* Returns whether a task of an executor with run_inline runs in L. For bindings: L's own callbacks
** wait until that task ends. [-0, +0, -] */
TIDE_API int tide_current_inline(lua_State *L);
/* In such a task: pushes a table that maps handles of shares to their copies, with weak keys, and
** returns 1. The table belongs to what stands for the task's worker. Elsewhere: returns 0.
** [-0, +(0|1), -] */
TIDE_API int tide_pushinlineshares(lua_State *L);

/* Returns the executor whose worker's state L is, or NULL. The caller owns no reference.
** [-0, +0, m] */
TIDE_API tide_executor *tide_current_executor(lua_State *L);
/* Returns the name of the task that runs in L; "" if the task has none; NULL outside of tasks.
** Valid until the task ends. [-0, +0, m] */
TIDE_API const char *tide_current_name(lua_State *L);

/* Returns the index of the worker whose task runs in L, N where the thread's name is PREFIX_N.
** Returns -1 outside of tasks. [-0, +0, m] */
TIDE_API int tide_current_worker(lua_State *L);
/* Returns the id of the task that runs in L. Ids count from 1 for each executor; a task gets its id
** at the first call. Returns 0 outside of tasks. [-0, +0, m] */
TIDE_API lua_Integer tide_current_id(lua_State *L);

/* Returns why the task that runs in L was requested to stop: TIDE_EINTERRUPTED, TIDE_ETIMELIMIT or
** TIDE_EMEMORYLIMIT; else TIDE_OK. For loops in C that take long. [-0, +0, m] */
TIDE_API int tide_current_stop(lua_State *L);

/* -------------------------------------------------------------- submit -- */

enum { TIDE_SEED_DEFAULT = 0, TIDE_SEED_TASK = 1, TIDE_SEED_ITEM = 2 };

/* Where the random numbers of a map's items begin: see tide_map_stream. */
typedef struct tide_stream {
  unsigned long long bits[2];
} tide_stream;

typedef struct tide_taskopts {
  size_t struct_size; /* set by tide_taskopts_init */
  int priority;       /* higher ones run first, equal ones in the order of submits; default 0 */
  const char *name;   /* copied; NULL: none */
  int nowait;         /* not 0: a full queue refuses with TIDE_EFULL, whatever on_full is */
  double time_limit;  /* seconds of running; 0 or negative: the executor's limit */
  /* Bytes by which the worker's state may grow during the task, not counting garbage; 0: no limit.
  ** The executor's limit holds as well. A task that needs more fails with TIDE_EMEMORYLIMIT, even
  ** if it catches the error. Its state is replaced if it still holds more than half of the memory
  ** that there was room for. */
  size_t memory_limit;
  /* Where Lua's math.random begins. The same values give the same numbers on any worker.
  **   TIDE_SEED_DEFAULT  as the executor's config says
  **   TIDE_SEED_TASK     at `seed` and a number: the next value of *counter, or, if counter is
  **                      NULL, `number`. The counter is incremented atomically; if the submit
  **                      fails, it is as before.
  **   TIDE_SEED_ITEM     as item `number` of the map with that `stream`
  ** A task submitted by one of the first two from a task that is seeded itself begins at a point
  ** that derives from three things: the seed; where the submitting task, or its item, began; and
  ** how many such submits that task had made. */
  int seeding;
  lua_Integer seed;
  lua_Unsigned number;
  unsigned long long *counter;
  tide_stream stream;
} tide_taskopts;

/* Sets struct_size and the defaults. */
TIDE_API void tide_taskopts_init(tide_taskopts *o);

/* Submits a function, or "module.function", and its nargs arguments from the top of L's stack. `o`
** may be NULL. Returns a future that the caller owns. Blocks only if the queue is full, with
** TIDE_ONFULL_BLOCK and without `nowait`. Raises TIDE_ETRANSFER, with the path to a value that
** cannot be sent; TIDE_ESHUTDOWN; TIDE_EBROKEN; TIDE_EFULL.
** [-(nargs+1), +0, e] */
TIDE_API tide_future *tide_submit(tide_executor *ex, lua_State *L, int nargs,
                                  const tide_taskopts *o);

/* For code that maps a function over items. Stores the stream of a map that L makes: from *seed or,
** if seed is NULL, from the executor's seed. Returns 1; or 0 if the executor has no seed either.
** [-0, +0, -] */
TIDE_API int tide_map_stream(lua_State *L, const tide_executor *ex, const lua_Integer *seed,
                             tide_stream *stream);
/* In a seeded task: stores the stream and the number that the task was submitted with, each unless
** NULL, and returns 1. Elsewhere: returns 0. [-0, +0, -] */
TIDE_API int tide_current_stream(lua_State *L, tide_stream *stream, lua_Unsigned *number);
/* In a task that runs several items of a map, submitted with TIDE_SEED_ITEM for the first of them:
** the item that is `offset` after the first begins now. [-0, +0, m] */
TIDE_API void tide_current_item(lua_State *L, lua_Unsigned offset);

/* Checks whether the n values on top could be sent as results. They stay. Returns TIDE_OK, and
** pushes nothing; or TIDE_ETRANSFER, and pushes the error object that says why not.
** [-0, +(0|1), e] */
TIDE_API int tide_sendable(lua_State *L, int n);

/* A value that a C host can send and read without a lua_State. */
typedef struct tide_value {
  tide_type type;
  union {
    int boolean;
    lua_Integer integer;
    lua_Number number;
    struct {
      const char *data;
      size_t len;
    } string;
    void *pointer;
  } u;
} tide_value;

/* Submit without a lua_State: the Lua function `name` ("module.function"), or a C function. It is
** called in the worker with the nargs values. Return TIDE_OK, TIDE_EARG, TIDE_ENOMEM,
** TIDE_ESHUTDOWN, TIDE_EBROKEN, TIDE_EFULL, or TIDE_ETHREAD, which also means that there is a time
** limit but no signal for it. *f is NULL on failure. */
TIDE_API int tide_submit_named(tide_future **f, tide_executor *ex, const char *name,
                               const tide_value *args, size_t nargs, const tide_taskopts *o);
TIDE_API int tide_submit_cfunction(tide_future **f, tide_executor *ex, lua_CFunction fn,
                                   const tide_value *args, size_t nargs, const tide_taskopts *o);

/* -------------------------------------------------------------- future -- */

TIDE_API tide_future *tide_future_hold(tide_future *f);
TIDE_API void tide_future_rele(tide_future *f);

TIDE_API tide_status tide_future_status(const tide_future *f); /* never blocks */
/* Returns the task's name, or NULL if it has none. Valid as long as the future exists. */
TIDE_API const char *tide_future_name(const tide_future *f);

/* Cancels the task if it has not started. Returns 1 if it is cancelled now or was before, else
** 0. */
TIDE_API int tide_future_cancel(tide_future *f);

/* Cancels the task as above or, if it runs, requests it to stop. Never waits.
**
** Returns 1 if its outcome is or will be TIDE_EINTERRUPTED, a limit that it had reached, or
** TIDE_ECANCELLED. Returns 0 if it had ended by itself, or if there is no signal that reaches it
** (see interrupt_signal). In the latter case it stops, with that outcome, only if it waits or calls
** tide_current_stop.
**
** Its Lua code is stopped at the next instruction, in coroutines, finalizers and to-be-closed
** variables, too. Code that catches the error may run for about 10,000 more instructions and is
** stopped again. C functions are not stopped: the task stops when they return. */
TIDE_API int tide_future_interrupt(tide_future *f);

/* Waits until the task is done. With a state L, a hook that is set meanwhile (Ctrl-C in lua.c) runs
** and may raise an error. L is NULL on a thread without a state. Returns TIDE_OK, TIDE_ETIMEOUT;
** TIDE_EDEADLOCK if L's task would wait for itself or forever; TIDE_ENOMEM, TIDE_ETHREAD if no
** thread can be started for queued tasks that the wait depends on.
** [-0, +0, e] */
TIDE_API int tide_future_wait(tide_future *f, lua_State *L, double timeout);

/* Returns how a done future ended: TIDE_OK with values, TIDE_EERROR with the task's own error, or
** another code. TIDE_EINVALIDSTATE: it is not done. Never blocks. */
TIDE_API int tide_future_outcome(const tide_future *f);

/* Pushes what a done future holds, decoded anew by each call. Returns TIDE_OK and pushes *n values;
** or returns TIDE_EERROR and pushes the task's error value; or returns a kind and pushes its error
** object. If a value cannot be rebuilt in L, it returns TIDE_ETRANSFER; or, if code that rebuilds
** it raised a value of its own, TIDE_EERROR and pushes that value.
**
** Before it decodes an outcome of 64 KiB or more, L's collector does the work for it in advance.
** While it decodes, the collector pauses. The library never replaces L's allocator.
** [-0, +*n, m] */
TIDE_API int tide_pushoutcome(lua_State *L, const tide_future *f, int *n);

/* Pushes the values of a future as tide_pushoutcome would, but faster. The outcome must be TIDE_OK
** with a few scalars (nil, booleans, numbers, short strings) and userdata of a tide_reftype with
** `quick`. Returns 1; or 2 if there are userdata, which a later call may push anew unless they are
** kept. Else returns 0, and pushes nothing. [-0, +(*n|0), m] */
TIDE_API int tide_pushplain(lua_State *L, const tide_future *f, int *n);

/* Returns how many bytes the outcome of a done future keeps alive, in its message and in borrowed
** strings. For bindings whose collector does not count that memory. Never blocks. */
TIDE_API size_t tide_future_weight(const tide_future *f);

/* Pushes the worker's traceback of a failed future, or nil. [-0, +1, m] */
TIDE_API void tide_pushtraceback(lua_State *L, const tide_future *f);

/* Reads up to `max` values of a done future without a state. If the outcome is TIDE_OK, stores the
** first values in `out`, and how many there are in all in *n. Strings are valid as long as the
** future exists. For other outcomes out[0] is the error's message, if it is a string. Returns
** tide_future_outcome(f). */
TIDE_API int tide_future_values(const tide_future *f, tide_value *out, size_t max, size_t *n);

/* Pushes a value that tide_future_values has read; nil for TIDE_TOTHER. [-0, +1, m] */
TIDE_API void tide_pushvalue(lua_State *L, const tide_value *v);

/* Makes a promise, which is pending. The caller owns it. Returns TIDE_OK or TIDE_ENOMEM. */
TIDE_API int tide_promise_new(tide_future **f);
/* Makes a pending promise a running one. Returns TIDE_OK; TIDE_ECANCELLED if it was cancelled, and
** its work should not be done; TIDE_EINVALIDSTATE if it runs, is finished, or belongs to an
** executor. */
TIDE_API int tide_promise_begin(tide_future *f);
/* Finishes a promise with the n values on top as its results. Raises TIDE_EINVALIDSTATE if it is
** done or belongs to an executor. [-n, +0, e] */
TIDE_API void tide_promise_setresult(tide_future *f, lua_State *L, int n);
/* The same with the value on top as its error. [-1, +0, e] */
TIDE_API void tide_promise_seterror(tide_future *f, lua_State *L);
/* The same with n values of a host as its results. Returns TIDE_OK, TIDE_EINVALIDSTATE, TIDE_EARG,
** TIDE_ENOMEM. */
TIDE_API int tide_promise_setvalues(tide_future *f, const tide_value *v, size_t n);

/* --------------------------------------------------------------- group -- */

/* A group delivers futures in the order in which they finish. One thread at a time may use it. */

/* Makes a group. With a state L, its waits use L, and it must be freed before L is closed. L may be
** NULL. Returns TIDE_OK or TIDE_ENOMEM; then *g is NULL. [-0, +0, e] */
TIDE_API int tide_group_new(tide_group **g, lua_State *L);
/* Frees it, without waiting for futures. NULL does nothing. */
TIDE_API void tide_group_free(tide_group *g);
/* Adds a future. The group owns a reference to it until it is delivered or the group is freed.
** `tag` is delivered with the future. Returns TIDE_OK or TIDE_ENOMEM. */
TIDE_API int tide_group_add(tide_group *g, tide_future *f, void *tag);
/* Returns how many futures were added and not yet taken with tide_group_next. */
TIDE_API size_t tide_group_size(const tide_group *g);
/* Waits until `need` of the futures that were not yet taken are done. With stop_on_failure, also
** ends when one of them has failed; a cancelled one has not. L is used as in tide_future_wait,
** which has the codes that this returns. [-0, +0, e] */
TIDE_API int tide_group_wait(tide_group *g, lua_State *L, size_t need, int stop_on_failure,
                             double timeout);
/* Takes the next finished future, and stores its tag unless `tag` is NULL. The caller owns the
** reference. Returns NULL if none is done now. Never blocks. */
TIDE_API tide_future *tide_group_next(tide_group *g, void **tag);

/* --------------------------------------------------------------- share -- */

/* A share is a value that is packed once and sent by reference. Each state that uses it has one
** copy. Programs must not change the value. */

/* Packs the value on top. The caller owns one reference. Raises TIDE_ETRANSFER, with the path to
** what cannot be sent. [-1, +0, e] */
TIDE_API tide_share *tide_share_new(lua_State *L);
TIDE_API tide_share *tide_share_hold(tide_share *s);
TIDE_API void tide_share_rele(tide_share *s);

/* Pushes L's copy. The first call decodes it. Later calls push the same value as long as L has a
** handle. The state that a handle was made in has the value itself. Raises TIDE_ETRANSFER if it
** cannot be rebuilt in L; the next call tries again. [-0, +1, e] */
TIDE_API void tide_pushshared(lua_State *L, tide_share *s);

/* For code that makes handles of shares: */

/* Pushes a new copy. Raises TIDE_ETRANSFER, or what code that rebuilds values raised.
** [-0, +1, e] */
TIDE_API void tide_share_unpack(lua_State *L, const tide_share *s);
/* In a worker's state: keeps the userdata at idx, a handle of s, alive between tasks, until only
** workers have s. This is checked when a task ends. Returns 1; then the caller's reference to s is
** no longer a user's, and is released by tide_share_unkeep. In other states: returns 0.
** [-0, +0, m] */
TIDE_API int tide_share_keep(lua_State *L, int idx, tide_share *s);
TIDE_API void tide_share_unkeep(tide_share *s);

/* --------------------------------------------------------------- array -- */

/* An array is memory of n numbers of one type, outside of any lua_State, that is sent by reference.
** Elements are counted from 0 here. Functions that make an array return TIDE_OK, and then the
** caller owns one reference; or TIDE_EARG or TIDE_ENOMEM, and then *out is NULL.
**
** Elements are aligned to their size. Scripts read them with atomic loads (acquire) and write them
** with atomic stores (release). The functions tide_array_copy, _fill and _read access them with
** relaxed atomics. A host that uses the memory at the same time must access it atomically, too, or
** keep other threads away from that part. */

/* Returns "u8" for TIDE_U8, and so on; NULL if it is no type. */
TIDE_API const char *tide_element_name(int type);
/* Returns the bytes of an element; 0 if it is no type. */
TIDE_API size_t tide_element_size(int type);

/* Makes an array of n zeros, in memory of the C library. */
TIDE_API int tide_array_new(tide_array **out, tide_element type, size_t n);
/* Makes an array in the host's memory. `data` must be a multiple of the element's size. When the
** last reference is released, those of views included, the thread that releases it calls
** release(ud, data, bytes). If release is NULL, the memory must exist longer than every reference.
** On failure it is not called. */
TIDE_API int tide_array_wrap(tide_array **out, tide_element type, void *data, size_t n,
                             void (*release)(void *ud, void *data, size_t bytes), void *ud);
/* Makes a view of the n elements from `at` on. It has the same memory and keeps it alive. */
TIDE_API int tide_array_slice(tide_array **out, tide_array *a, size_t at, size_t n);

TIDE_API tide_array *tide_array_hold(tide_array *a);
TIDE_API void tide_array_rele(tide_array *a);

TIDE_API void *tide_array_data(const tide_array *a); /* the first element */
TIDE_API size_t tide_array_length(const tide_array *a);
TIDE_API tide_element tide_array_type(const tide_array *a);

/* Sets n elements from `at` on to *element, which has a's type. Returns TIDE_OK; TIDE_EARG if not
** all lie within a. */
TIDE_API int tide_array_fill(tide_array *a, size_t at, size_t n, const void *element);
/* Copies n elements between arrays of one type, or within one array. Returns TIDE_OK; TIDE_EARG if
** the types differ or not all elements lie within the arrays. */
TIDE_API int tide_array_copy(tide_array *to, size_t at, const tide_array *from, size_t first,
                             size_t n);
/* Copies n elements from `at` on to memory that no other thread uses now. Returns TIDE_OK;
** TIDE_EARG if not all lie within a. */
TIDE_API int tide_array_read(const tide_array *a, size_t at, size_t n, void *bytes);

/* Returns how many bytes one reference stands for: its part of the memory that it keeps alive. For
** bindings whose collector does not count that memory. */
TIDE_API size_t tide_array_weight(const tide_array *a);

/* ------------------------------------------------------------- scripts -- */

/* The module `tidepool.core`. */
TIDE_API int luaopen_tidepool_core(lua_State *L);

/* Makes this copy of the library the one that L uses: `require "tidepool"` returns it from now on,
** and not one from a file. The functions below and luaopen_tidepool_core do this themselves, and a
** worker's state uses the copy of its executor. A host whose scripts may require the module before
** that calls this once, when it makes L. `from` is the file that the copy was loaded from, for
** messages, or NULL. Raises an error that says what to do if L uses another copy already.
** [-0, +0, e] */
TIDE_API void tide_makeknown(lua_State *L, const char *from);

/* Push handles that scripts use. Each takes a reference of its own. [-0, +1, e] */
TIDE_API void tide_pushexecutor(lua_State *L, tide_executor *ex);
TIDE_API void tide_pushfuture(lua_State *L, tide_future *f);
TIDE_API void tide_pushshare(lua_State *L, tide_share *s);
TIDE_API void tide_pusharray(lua_State *L, tide_array *a);
/* Returns the array whose handle is at idx, or NULL if the value is none. The handle owns the
** reference. [-0, +0, m] */
TIDE_API tide_array *tide_toarray(lua_State *L, int idx);

/* Chooses how errors of this library appear that are made in L or arrive in it. Not 0: as strings,
** for hosts that print with lua_tostring: "file:line: message (tidepool: timeout)". tide_errorkind
** recognises them by their end, in every state. 0, the default: as error objects. Returns the
** previous choice. [-0, +0, m] */
TIDE_API int tide_stringerrors(lua_State *L, int on);

/* Pushes an error object {kind=, message=}, or the string. [-0, +1, m] */
TIDE_API void tide_pusherror(lua_State *L, int kind, const char *message);
/* Pushes the place of the script that called, as `file:line: `: the innermost line of Lua that is
** not in the library's own files; "" if none is known. [-0, +1, m] */
TIDE_API void tide_pushwhere(lua_State *L);
/* Returns the kind of the error object at idx, or of a string that stands for one; TIDE_OK if the
** value is neither. [-0, +0, m] */
TIDE_API int tide_errorkind(lua_State *L, int idx);
/* Pushes the message of such an error, without the place; "" if the value is none. [-0, +1, m] */
TIDE_API void tide_pusherrormessage(lua_State *L, int idx);

/* A type of userdata that is sent by reference. Userdata can be sent if their metatable is marked
** with such a type, which must exist as long as any message. */
typedef struct tide_reftype {
  const char *name;
  /* Returns the object behind the userdata at idx, with a new reference, or NULL to refuse. Runs on
  ** the state's thread. Must not call Lua code, since a message is being packed. */
  void *(*hold)(lua_State *L, int idx);
  /* Pushes a userdata for the object, with a reference of its own, in another state. Runs on that
  ** state's thread. */
  void (*push)(lua_State *L, void *object);
  /* Releases the reference of hold. Runs on any thread. */
  void (*rele)(void *object);
  /* NULL; or as hold, where no error may be raised and nothing allocated in the state. Has 4 stack
  ** slots. If it returns NULL, hold is called. With it, push raises no errors but those of memory.
  ** As long as the userdata at idx exists, push then pushes that one instead of a new one. */
  void *(*quick)(lua_State *L, int idx);
} tide_reftype;

/* Marks the metatable at idx. [-0, +0, m] */
TIDE_API void tide_setreftype(lua_State *L, int idx, const tide_reftype *type);

/* What is alive, for tests of leaks: of executors that L adopted, and of those that their tasks
** left behind. */
typedef struct tide_live {
  size_t executors; /* not yet freed */
  size_t tasks;     /* not yet freed: queued, running, or with a future */
  size_t states;    /* their workers' lua_States */
  size_t threads;   /* not yet joined */
  size_t groups;    /* of L */
} tide_live;
/* Counts them. [-0, +0, m] */
TIDE_API void tide_live_counts(lua_State *L, tide_live *out);

#ifdef __cplusplus
}
#endif
#endif
