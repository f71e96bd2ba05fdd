/*
** tidepool.h: parallel tasks for Lua, for host programs written in C.
**
** An executor is a pool of threads, each with a lua_State of its own. A task is
** a function and its arguments; it is submitted, runs in one of those states,
** and its outcome is read through a future.
**
** Conventions
**   - A parameter `lua_State *L` is the caller's own state, never a worker's
**     (unless the caller is a task and passes the state it runs in).
**   - Functions marked [-o, +p, x] are used like Lua's own API: they pop o and
**     push p values. x is '-' (never raises), 'm' (may raise out of memory), or
**     'e' (may raise an error of this library, or one of the caller's metamethods).
**   - All others never raise; they answer TIDE_OK or one of the TIDE_E... codes.
**   - Times are seconds, as double. A negative timeout means forever (TIDE_FOREVER).
**   - Handles are reference counted: hold adds a reference, rele gives one back;
**     rele(NULL) is legal. Except where said, any thread may call any function.
**   - In a child that fork() made of this process the threads of its parent's executors are not
**     there. It may exec. Submits, waits for futures that are not done, and shutdown answer, or
**     raise, TIDE_EBROKEN, and never wait; giving such objects back frees nothing; outcomes that
**     were there can be read; what the child makes itself works. A child forked by a task ends, by
**     _exit(0), when it comes back out of it. (A promise, and a group or wait without a lua_State,
**     must not be in use by another thread meanwhile.)
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

/* The word for a kind ("timeout"), or NULL for those without one. */
TIDE_API const char *tide_kindname(int kind);

/* ------------------------------------------------------------ executor -- */

enum { TIDE_ONFULL_BLOCK = 0, TIDE_ONFULL_ERROR = 1 };
enum { TIDE_ISOLATION_WORKER = 0, TIDE_ISOLATION_TASK = 1 };
#define TIDE_NOSIGNAL (-1)

typedef struct tide_config {
  size_t struct_size; /* set by tide_config_init */
  int max_workers;    /* 0: min(32, tide_cpu_count() + 4), at most max_threads */
  /* Threads at most, those included that take the place of workers whose tasks wait; at least
  ** max_workers. 0: 4 * max_workers + 64. */
  int max_threads;
  const char *thread_name_prefix; /* copied; default "tidepool" */
  size_t max_tasks_per_worker;    /* 0: no limit */
  double idle_timeout;            /* seconds; negative: idle threads stay */
  size_t max_queue;               /* 0: unbounded */
  int on_full;                    /* TIDE_ONFULL_... */
  /* Bytes of a worker's C stack, TIDE_MIN_STACK_SIZE at least, else tide_executor_new returns
  ** TIDE_EARG. 0: 2 MiB, whatever the system's default is. Some 300 waits inside tasks nest in what
  ** goes beyond the least. */
  size_t stack_size;
  double spin_time;    /* seconds, 0 to 0.001; see below; default 0.00005, 0: never */
  double time_limit;   /* seconds that a task may run; 0 or negative: any. See _interrupt */
  size_t memory_limit; /* bytes that a worker's state may hold; 0: any. See tide_taskopts */
  int isolation;       /* TIDE_ISOLATION_TASK: each task has a new state, made ahead of need */
  /* not 0: when the adopting state closes, what is pending is cancelled and what runs interrupted,
  ** not awaited. Should the program have all signals for that, lua_close waits for 2 s and warns:
  ** its threads are left running then, and need what the hooks below use */
  int daemon;
  /* The signal by which running tasks are reached. 0: SIGURG or, if the program has it (a handler,
  ** SIG_IGN) or the calling thread blocks it, SIGWINCH, then real-time signals, from the top down.
  ** A number: that one first; TIDE_EARG if tide_signal_problem says why not. TIDE_NOSIGNAL: none;
  ** then nothing that runs can be stopped.
  **
  ** Signals are the program's: none of its handlers is ever replaced, and it may set handlers,
  ** ignore signals, or set them back to SIG_DFL at any time. The library has a handler for this
  ** signal and for two others that are free, which workers take besides; it looks whose each is
  ** before it sends one. What was set back to SIG_DFL gets its handler again; for what is the
  ** program's now, another one that is free is taken. If there is none, tide_future_interrupt
  ** returns 0, and submits with a limit of time fail with TIDE_ETHREAD. A stray signal does
  ** nothing: it only has a worker look whether its task was asked to stop. */
  int interrupt_signal;
  /* Not 0: no threads. A task runs at its submit, on the thread and in the state that submits it,
  ** with its values copied as for a worker, and globals of its own; its future is done then. For
  ** debuggers, coverage, profilers. What is said here of threads and workers means nothing then;
  ** open_state, close_state, thread_start and thread_stop are not called, nor is `finalizer`; a
  ** time_limit or memory_limit is TIDE_EARG, and so are submits without a lua_State. */
  int run_inline;
  /* `seeded`: each task begins with Lua's math.random seeded from `seed` and the task's number,
  ** counted by the executor from 1; the initializer, too, with the same numbers in each state.
  ** Else, and for tasks after those that say `seeding`, states are seeded from the system's
  ** entropy. See tide_taskopts. */
  int seeded;
  lua_Integer seed;
  void *ud; /* passed to every hook below */

  /* Called on the worker's thread for each new state, after the standard
  ** libraries are open and before the initializer. It runs in protected mode
  ** and may raise: then the executor is broken with that message. */
  void (*open_state)(lua_State *L, void *ud);
  /* Called before a worker's state is closed, and before close_state, if the state's initializer,
  ** or that there is none, came to its end. It runs in protected mode, may raise, which is a
  ** warning in that state, and is stopped by TIDE_SHUTDOWN_INTERRUPT. Tasks' own objects are still
  ** there. */
  void (*finalizer)(lua_State *L, void *ud);
  /* Called before a worker's state is closed; must not raise. */
  void (*close_state)(lua_State *L, void *ud);
  /* Whether this C function may be sent by its address: called in any thread, with copies of its
  ** upvalues. Asked for those that the other side does not find by name, neither in a module that
  ** it can require nor, with open_state or an initializer, under the name that the sender has for
  ** it. NULL: none may; they are refused with kind transfer. Called on threads that submit and on
  ** workers that pack results, several at once; must not raise. tide_submit_cfunction does not
  ** ask. */
  int (*cfunction)(lua_CFunction fn, void *ud);
  /* Called first and last on each worker thread. */
  void (*thread_start)(int index, void *ud);
  void (*thread_stop)(int index, void *ud);

  /* Memory of the executor and of its states; called from many threads at
  ** once, and until the last future of the executor is released. NULL: the C
  ** library's realloc and free for small blocks, the system's memory for large
  ** ones. lua_getallocf of a worker's state returns a function of the library, which calls this
  ** one, and stays the same as long as the state. */
  lua_Alloc alloc;
  void *alloc_ud;

  /* Where warnings go while no lua_State has adopted the executor, those of workers' states as well
  ** as errors in a close_state. Whole messages. NULL: nowhere. Called on any thread. See
  ** tide_warnings. */
  void (*warn)(const char *message, void *ud);
  /* spin_time: how long a thread that waits for a future of this executor, and one idle worker of
  ** it, look for news before they go to sleep. Looking answers in about a microsecond where waking
  ** a sleeper takes tens, and costs that much processor time if nothing comes. It is given up for
  ** longer and longer while it does not pay, lasts up to four times as long (but no longer than 0.5
  ** ms) after sleeps that ended soon, and is never done where the process may use one processor
  ** only. */
} tide_config;

/* What Lua code takes that recurses through C functions as far as Lua lets it (half of it), and
** values of 1,000 levels. (Four times as much if the library is built with AddressSanitizer or
** ThreadSanitizer.) */
#define TIDE_MIN_STACK_SIZE ((size_t)1 << 20)

#define TIDE_SPIN_TIME 0.00005
#define TIDE_MAX_SPIN_TIME 0.001

TIDE_API void tide_config_init(tide_config *cfg);

/* Why a signal cannot be interrupt_signal now, in words ("faults of the program raise it"); NULL:
** it can. Any thread; does not block. */
TIDE_API const char *tide_signal_problem(int sig);

/* Processors this process may use: affinity and cgroup quotas respected; >= 1. */
TIDE_API int tide_cpu_count(void);

/* Makes an executor; threads start on demand. On failure *ex is NULL. The
** caller owns one reference, which counts as a user's (see _rele). */
TIDE_API int tide_executor_new(tide_executor **ex, const tide_config *cfg);

/* Workers made from now on take package.path, package.cpath and the C functions
** in package.preload from L. A submit from a state does this by itself; this
** is for hosts that submit without one. [-0, +0, e] */
TIDE_API void tide_executor_setpaths(tide_executor *ex, lua_State *L);

/* Takes a function (or "module.function") and nargs arguments from the top of
** the stack, to be called once in each new worker state before its first task.
** Before the first submit only. [-(nargs+1), +0, e] */
TIDE_API void tide_executor_setinitializer(tide_executor *ex, lua_State *L, int nargs);

/* Takes a function (or "module.function") from the top of the stack. It is called, without
** arguments, in each worker state before that is closed, whatever the reason, on the worker's
** thread: not where the initializer failed, but also where no task ran. Then come
** tide_config.finalizer, close_state, and the finalizers (__gc) of objects. It has the worker's
** globals. Its error is a warning in that state; TIDE_SHUTDOWN_INTERRUPT stops it. A wait for a
** task of its own executor, as long as it takes, answers TIDE_EDEADLOCK. Before the first submit
** only. [-1, +0, e] */
TIDE_API void tide_executor_setfinalizer(tide_executor *ex, lua_State *L);

/* Both at once: takes an initializer or nil, a finalizer or nil, and the initializer's nargs
** arguments. What the two functions share (upvalues, tables) they share in each worker state, too.
** [-(nargs+2), +0, e] */
TIDE_API void tide_executor_setopening(tide_executor *ex, lua_State *L, int nargs);

/* When L closes, the executor is shut down, its queue is finished and its
** threads are joined, whatever references remain. If L is a worker's, the worker does not wait for
** that: the shutdown of its executor does, which cancels and interrupts both. Only the first state
** that adopts it does so. A worker's state cannot adopt its own executor (kind deadlock). [-0, +0,
** e] */
TIDE_API void tide_executor_adopt(tide_executor *ex, lua_State *L);

/* Gives out, by L's warn function (lua_setwarnf), the warnings of the workers of executors that L
** adopted, and of those that their tasks made: whole messages, in the order in which they came.
** Functions that wait with L do so meanwhile, tenths of a second apart, and lua_close does in the
** end; tide_submit with L does, too. A worker that says warn("@on") or warn("@off") has its own
** written on stderr, or dropped, until its task ends. [-0, +0, e] */
TIDE_API void tide_warnings(lua_State *L);

/* Users' references. When the last goes, the executor takes no more tasks,
** finishes its queue, and its threads end; this never waits. Someone must still
** join them: an adopting state does when it closes (a worker's has its executor do it), else call
** tide_executor_shutdown(ex, NULL, 0, TIDE_FOREVER) before the last rele. */
TIDE_API tide_executor *tide_executor_hold(tide_executor *ex);
TIDE_API void tide_executor_rele(tide_executor *ex);
/* As rele, for a handle that L's collector frees: if it is the last of an executor with run_inline,
** the finalizers of what it opened in L are called. Errors in them are warnings. [-0, +0, m] */
TIDE_API void tide_executor_drop(tide_executor *ex, lua_State *L);

enum {
  TIDE_SHUTDOWN_CANCEL = 1, /* cancel what has not started */
  TIDE_SHUTDOWN_INTERRUPT =
      2 /* that too, and interrupt what runs, workers' opening and closing included */
};

/* Stops taking tasks, then waits until the queue is finished and the threads
** are joined, `timeout` seconds at most (0: does not wait). Idempotent. L as in
** tide_future_wait. TIDE_OK; TIDE_ETIMEOUT: not finished yet; TIDE_EDEADLOCK:
** called with a timeout other than 0 from one of its own workers, or of an executor that its tasks
** left. [-0, +0, e] */
TIDE_API int tide_executor_shutdown(tide_executor *ex, lua_State *L, int flags, double timeout);

typedef struct tide_stats {
  size_t max_workers, workers, idle;             /* threads: limit, alive, waiting for work */
  size_t queued, running;                        /* tasks now */
  size_t submitted, finished, failed, cancelled; /* since the start; failed is part of finished */
} tide_stats;

TIDE_API void tide_executor_stats(tide_executor *ex, tide_stats *st);
TIDE_API const char *tide_executor_name(tide_executor *ex); /* its thread_name_prefix */

/* How many of its tasks run; and in `names`, of `size` bytes (1 at least), the names of those, as
** far as they have some and there is room: "crunch, 2 without a name". */
TIDE_API int tide_executor_running(tide_executor *ex, char *names, size_t size);

TIDE_API int tide_executor_daemon(const tide_executor *ex); /* not 0: it is, by its config */

/* Not 0: its config has a time_limit or a memory_limit. */
TIDE_API int tide_executor_limited(const tide_executor *ex);
/* Not 0: its config has run_inline. */
TIDE_API int tide_executor_inline(const tide_executor *ex);
/* Not 0: what runs in L is a task of an executor with run_inline. For bindings: callbacks of L's
** own wait until it is over. [-0, +0, -] */
TIDE_API int tide_current_inline(lua_State *L);
/* Then pushes a table, handle of a share -> its copy, with weak keys, of that task's worker, and 1.
** Else 0. [-0, +(0|1), -] */
TIDE_API int tide_pushinlineshares(lua_State *L);

/* The executor whose worker state L is, or NULL; borrowed. [-0, +0, m] */
TIDE_API tide_executor *tide_current_executor(lua_State *L);
/* The name of the task that runs in L: "" if it has none, NULL outside a task.
** Valid until the task ends. [-0, +0, m] */
TIDE_API const char *tide_current_name(lua_State *L);

/* Of the task that runs in L: the index of its worker, N where the thread's name is PREFIX_N; -1
** outside a task. And a number from 1 that no other task of the executor has, given when it is
** first asked for, and the same from then on; 0 outside a task. [-0, +0, m] */
TIDE_API int tide_current_worker(lua_State *L);
TIDE_API lua_Integer tide_current_id(lua_State *L);

/* What the task that runs in L was asked to end for, TIDE_EINTERRUPTED, TIDE_ETIMELIMIT or
** TIDE_EMEMORYLIMIT, or TIDE_OK: for loops in C that take long. [-0, +0, m] */
TIDE_API int tide_current_stop(lua_State *L);

/* -------------------------------------------------------------- submit -- */

enum { TIDE_SEED_DEFAULT = 0, TIDE_SEED_TASK = 1, TIDE_SEED_ITEM = 2 };

/* Where the random numbers of a map's items begin: see tide_map_stream. */
typedef struct tide_stream {
  unsigned long long bits[2];
} tide_stream;

typedef struct tide_taskopts {
  size_t struct_size; /* set by tide_taskopts_init */
  int priority;       /* higher first, FIFO within one; default 0 */
  const char *name;   /* copied; NULL: none */
  int nowait;         /* not 0: a full queue refuses with TIDE_EFULL, whatever on_full says */
  double time_limit;  /* seconds of running; 0 or negative: the executor's */
  /* Bytes by which the worker's state may grow during the task, its garbage not counted; 0: any.
  ** The executor's limit holds besides. A task that needs more fails with TIDE_EMEMORYLIMIT,
  ** whatever it catches; its state is replaced if it keeps more than half of what there was room
  ** for. */
  size_t memory_limit;
  /* Where Lua's math.random begins. TIDE_SEED_DEFAULT: as the executor's config says.
  ** TIDE_SEED_TASK: from `seed` and `number`, or, if `counter` is not NULL, its next value: it is
  ** raised by 1, atomically, and stays as it was if the submit fails. TIDE_SEED_ITEM: as item
  ** `number` of the map of that stream. The same values give the same numbers, on any worker. A
  ** task that is submitted (by the first two) from a task that is itself seeded begins below that:
  ** from the seed, where the submitting task or item began, and the number of such submits it
  ** made. */
  int seeding;
  lua_Integer seed;
  lua_Unsigned number;
  unsigned long long *counter;
  tide_stream stream;
} tide_taskopts;

TIDE_API void tide_taskopts_init(tide_taskopts *o);

/* Submits a function (or "module.function") and its nargs arguments from the top
** of L's stack. Raises TIDE_ETRANSFER with the path to a value that cannot be
** sent, TIDE_ESHUTDOWN, TIDE_EBROKEN, TIDE_EFULL. Blocks only on a full queue
** with TIDE_ONFULL_BLOCK, and not with `nowait`. `o` may be NULL. The caller owns the future.
** [-(nargs+1), +0, e] */
TIDE_API tide_future *tide_submit(tide_executor *ex, lua_State *L, int nargs,
                                  const tide_taskopts *o);

/* For makers of maps. Stores the stream of a map that L makes, of *seed, or, if that is NULL, of
** what ex is seeded with: 1; or 0 if that is nothing. [-0, +0, -] */
TIDE_API int tide_map_stream(lua_State *L, const tide_executor *ex, const lua_Integer *seed,
                             tide_stream *stream);
/* In a seeded task: stores what it was submitted with, each if not NULL, and 1. Else 0. [-0, +0,
** -] */
TIDE_API int tide_current_stream(lua_State *L, tide_stream *stream, lua_Unsigned *number);
/* In a task that runs several items of a map, submitted as TIDE_SEED_ITEM for the first of them:
** the one that lies `offset` behind that begins now. [-0, +0, m] */
TIDE_API void tide_current_item(lua_State *L, lua_Unsigned offset);

/* Whether the n values on top could be sent as results: TIDE_OK and nothing pushed, or
** TIDE_ETRANSFER and the error object that says why not. They stay. [-0, +(0|1), e] */
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

/* Submit without a lua_State: the Lua function `name` ("module.function"), or a
** C function, called in the worker with the nargs values. *f is NULL on failure.
** TIDE_OK, TIDE_EARG, TIDE_ENOMEM, TIDE_ETHREAD (also: a time limit, and no signal for it),
** TIDE_ESHUTDOWN, TIDE_EBROKEN, TIDE_EFULL. */
TIDE_API int tide_submit_named(tide_future **f, tide_executor *ex, const char *name,
                               const tide_value *args, size_t nargs, const tide_taskopts *o);
TIDE_API int tide_submit_cfunction(tide_future **f, tide_executor *ex, lua_CFunction fn,
                                   const tide_value *args, size_t nargs, const tide_taskopts *o);

/* -------------------------------------------------------------- future -- */

TIDE_API tide_future *tide_future_hold(tide_future *f);
TIDE_API void tide_future_rele(tide_future *f);

TIDE_API tide_status tide_future_status(const tide_future *f); /* never blocks */
/* The task's name, or NULL if it has none. Lives as long as the future. */
TIDE_API const char *tide_future_name(const tide_future *f);

/* 1 if it had not started and is cancelled now, or was cancelled before; else 0. */
TIDE_API int tide_future_cancel(tide_future *f);

/* Cancels it as above or, if it runs, asks it to end: 1, and its outcome is or will be
** TIDE_EINTERRUPTED (or a limit that it had reached), or TIDE_ECANCELLED. 0: it ended by itself
** before; or there is no signal by which it can be reached (see interrupt_signal), so that it ends,
** with that outcome, only if it waits or asks tide_current_stop. Its Lua code is stopped at its
** next instruction, in coroutines, finalizers and to-be-closed variables too; code that catches the
** error may tidy up for some 10,000 instructions, and is stopped again. C functions are not
** stopped: it ends when they return. Never waits. */
TIDE_API int tide_future_interrupt(tide_future *f);

/* Waits until it is done. L: the caller's state, whose mailbox is slept on; then
** a hook that was set meanwhile (Ctrl-C in lua.c) runs and may raise. NULL: a
** thread without one. TIDE_OK or TIDE_ETIMEOUT. [-0, +0, e] */
TIDE_API int tide_future_wait(tide_future *f, lua_State *L, double timeout);

/* How a done future ended: TIDE_OK (values), TIDE_EERROR (the task's own error),
** or a kind; TIDE_EINVALIDSTATE if it is not done. Never blocks. */
TIDE_API int tide_future_outcome(const tide_future *f);

/* Pushes what a done future holds: TIDE_OK and *n values, TIDE_EERROR and the
** task's error value, or a kind and its error object. Every call decodes anew. What
** cannot be rebuilt in L answers TIDE_ETRANSFER or, if code that rebuilds raised a value of
** its own, TIDE_EERROR and that value. Before large outcomes (64 KiB) L's collector does the work
** for them, and waits meanwhile. L's allocator is its host's: the library never exchanges it.
** [-0, +*n, m] */
TIDE_API int tide_pushoutcome(lua_State *L, const tide_future *f, int *n);

/* If it has outcome TIDE_OK and a few plain values (nil, booleans, numbers, short strings; userdata
** of a tide_reftype with `quick`), pushes them as tide_pushoutcome would, only quicker: *n, and 1,
** or 2 if there are userdata among them, which the next call may push anew unless they are kept.
** Else 0, and nothing is pushed. [-0, +(*n|0), m] */
TIDE_API int tide_pushplain(lua_State *L, const tide_future *f, int *n);

/* How many bytes a done future's outcome keeps alive, in its message and lent strings. For bindings
** whose collector does not see that memory. Never blocks. */
TIDE_API size_t tide_future_weight(const tide_future *f);

/* Pushes the worker's traceback of a failed future, or nil. [-0, +1, m] */
TIDE_API void tide_pushtraceback(lua_State *L, const tide_future *f);

/* Reads the first `max` values of a future with outcome TIDE_OK without a state
** and stores their full count in *n; strings live as long as the future. For
** other outcomes out[0] is the error's message if it is a string.
** Answers tide_future_outcome(f). */
TIDE_API int tide_future_values(const tide_future *f, tide_value *out, size_t max, size_t *n);

/* Pushes a value that tide_future_values has read: nil for TIDE_TOTHER. [-0, +1, m] */
TIDE_API void tide_pushvalue(lua_State *L, const tide_value *v);

/* Promises: futures that no executor runs. TIDE_ENOMEM. */
TIDE_API int tide_promise_new(tide_future **f);
/* TIDE_OK: running now. TIDE_ECANCELLED: it was cancelled, do not run it.
** TIDE_EINVALIDSTATE: it is running or finished, or belongs to an executor. */
TIDE_API int tide_promise_begin(tide_future *f);
/* Finish it with the top n values / the top value as the error. Raise
** TIDE_EINVALIDSTATE if it is done or belongs to an executor. [-n, +0, e], [-1, +0, e] */
TIDE_API void tide_promise_setresult(tide_future *f, lua_State *L, int n);
TIDE_API void tide_promise_seterror(tide_future *f, lua_State *L);
TIDE_API int tide_promise_setvalues(tide_future *f, const tide_value *v, size_t n);

/* --------------------------------------------------------------- group -- */

/* A group delivers futures in the order in which they finish. One thread at a
** time may use a group. Sleeps on L's mailbox, or on its own if L is NULL; a
** group made with L must be freed before L is closed. *g is NULL on failure. [-0, +0, e] */
TIDE_API int tide_group_new(tide_group **g, lua_State *L);
/* Does not wait, whatever is still running; tide_group_free(NULL) is legal. */
TIDE_API void tide_group_free(tide_group *g);
/* Adds a future; the group holds a reference until it is delivered or freed.
** `tag` comes back with it. TIDE_ENOMEM. */
TIDE_API int tide_group_add(tide_group *g, tide_future *f, void *tag);
/* Number of futures added and not yet taken with _next. */
TIDE_API size_t tide_group_size(const tide_group *g);
/* Waits until `need` of the futures not yet taken are done or, if stop_on_failure, until one of
** them failed (was cancelled does not count). L as in tide_future_wait. [-0, +0, e] */
TIDE_API int tide_group_wait(tide_group *g, lua_State *L, size_t need, int stop_on_failure,
                             double timeout);
/* The next finished future (the caller owns the reference), or NULL if none is
** done now. Never blocks. */
TIDE_API tide_future *tide_group_next(tide_group *g, void **tag);

/* --------------------------------------------------------------- share -- */

/* A value that is packed once and sent by reference; each state that asks for it
** has one copy. To be treated as immutable. */

/* Packs the value on top. Raises TIDE_ETRANSFER with the path to what cannot be
** sent. The caller owns one reference. [-1, +0, e] */
TIDE_API tide_share *tide_share_new(lua_State *L);
TIDE_API tide_share *tide_share_hold(tide_share *s);
TIDE_API void tide_share_rele(tide_share *s);

/* Pushes L's copy. The first call decodes it, then it is the same value as long as
** a handle lives in L; the state that a handle was made in has the value itself.
** Raises TIDE_ETRANSFER if it cannot be rebuilt in L; the next call tries again.
** [-0, +1, e] */
TIDE_API void tide_pushshared(lua_State *L, tide_share *s);

/* For makers of handles: pushes a fresh copy. Raises TIDE_ETRANSFER, or what code
** that rebuilds raised. [-0, +1, e] */
TIDE_API void tide_share_unpack(lua_State *L, const tide_share *s);
/* For makers of handles: in a worker's state the userdata at idx, which stands for
** s, is kept alive between tasks until nobody but workers has s: looked at when
** a task ends. 1 if so: then the caller's reference to s is no longer a user's,
** and goes back by tide_share_unkeep. 0 in other states. [-0, +0, m] */
TIDE_API int tide_share_keep(lua_State *L, int idx, tide_share *s);
TIDE_API void tide_share_unkeep(tide_share *s);

/* --------------------------------------------------------------- array -- */

/* Memory of n numbers of one type, outside any lua_State, that is sent by reference. Here elements
** are counted from 0. Functions that make an array set *out to NULL unless they answer TIDE_OK,
** else the caller owns one reference; they answer TIDE_EARG or TIDE_ENOMEM.
**
** Elements lie on multiples of their size. Scripts read them with atomic loads (acquire) and write
** them with atomic stores (release), those of `copy`, `fill` and `read` are relaxed. A host that
** uses the memory at the same time does as much, or keeps the others away from that part. */
TIDE_API const char *tide_element_name(int type); /* "u8"; NULL for what is no type */
TIDE_API size_t tide_element_size(int type);      /* in bytes; 0 for what is no type */

/* n zeros, in memory of the C library. */
TIDE_API int tide_array_new(tide_array **out, tide_element type, size_t n);
/* An array in memory of the host's own: `data`, a multiple of an element's size. When its last
** reference goes, views included, release(ud, data, bytes) is called, on that thread; NULL: the
** memory outlives every reference. On failure it is not called. */
TIDE_API int tide_array_wrap(tide_array **out, tide_element type, void *data, size_t n,
                             void (*release)(void *ud, void *data, size_t bytes), void *ud);
/* A view of n elements from number `at` on: the same memory, kept alive by the view. */
TIDE_API int tide_array_slice(tide_array **out, tide_array *a, size_t at, size_t n);

TIDE_API tide_array *tide_array_hold(tide_array *a);
TIDE_API void tide_array_rele(tide_array *a);

TIDE_API void *tide_array_data(const tide_array *a); /* its first element */
TIDE_API size_t tide_array_length(const tide_array *a);
TIDE_API tide_element tide_array_type(const tide_array *a);

/* Sets n elements to *element, which is of a's type. TIDE_EARG: not all are within a. */
TIDE_API int tide_array_fill(tide_array *a, size_t at, size_t n, const void *element);
/* Copies n elements between arrays of one type, or within one. TIDE_EARG: not of one type, or not
** all are within them. */
TIDE_API int tide_array_copy(tide_array *to, size_t at, const tide_array *from, size_t first,
                             size_t n);
/* Copies n elements to memory that nobody else uses now. TIDE_EARG: not all are within a. */
TIDE_API int tide_array_read(const tide_array *a, size_t at, size_t n, void *bytes);

/* How many bytes one reference answers for: its share of the memory it keeps alive. For bindings
** whose collector does not see that memory. */
TIDE_API size_t tide_array_weight(const tide_array *a);

/* ------------------------------------------------------------- scripts -- */

/* The module `tidepool.core`. */
TIDE_API int luaopen_tidepool_core(lua_State *L);

/* Makes this copy of the library the one that L uses: `require "tidepool"` gives it from now on,
** not one from a file. The functions below and luaopen_tidepool_core do so by themselves, and each
** worker's state has that of its executor; a host whose scripts may require the module before calls
** it once, when it makes L. `from`: the file that it was loaded from, for messages, or NULL.
** Raises, with what to do, if L uses another copy already. [-0, +0, e] */
TIDE_API void tide_makeknown(lua_State *L, const char *from);

/* Push handles that scripts use; each takes a reference of its own. [-0, +1, e] */
TIDE_API void tide_pushexecutor(lua_State *L, tide_executor *ex);
TIDE_API void tide_pushfuture(lua_State *L, tide_future *f);
TIDE_API void tide_pushshare(lua_State *L, tide_share *s);
TIDE_API void tide_pusharray(lua_State *L, tide_array *a);
/* The array at idx, borrowed from its handle, or NULL if there is none. [-0, +0, m] */
TIDE_API tide_array *tide_toarray(lua_State *L, int idx);

/* Not 0: the errors of this library that are made in L, or arrive in it, are strings from now on,
** for hosts that print with lua_tostring: "file:line: message (tidepool: timeout)". tide_errorkind
** knows them by their end, in every state. 0, as at first: error objects. Answers what was so
** before. [-0, +0, m] */
TIDE_API int tide_stringerrors(lua_State *L, int on);

/* Pushes an error object {kind=, message=}, or the string. [-0, +1, m] */
TIDE_API void tide_pusherror(lua_State *L, int kind, const char *message);
/* Pushes where the script that called is, as `file:line: `: the innermost line of Lua that is not
** in the library's own files; "" if none is known. [-0, +1, m] */
TIDE_API void tide_pushwhere(lua_State *L);
/* The kind of the error object at idx, or of a string that stands for one, or TIDE_OK if it is
** neither. [-0, +0, m] */
TIDE_API int tide_errorkind(lua_State *L, int idx);
/* Pushes its message, without the place; "" for what is no error of this library. [-0, +1, m] */
TIDE_API void tide_pusherrormessage(lua_State *L, int idx);

/* Userdata sent by reference. A metatable with such a type makes its userdata
** sendable: `hold` takes a reference to the object behind the userdata at idx
** (NULL refuses it), `push` pushes a userdata for it in another state and takes
** a reference of its own, `rele` gives back the one from hold. The type must
** live as long as any message. hold and push run on the state's thread, rele on any.
** hold calls no Lua code: while a message is packed that may change nothing.
** `quick` may be NULL. Else it is hold for where nothing may raise or allocate in the state, with 4
** stack slots (NULL: hold is asked), and then push raises nothing but memory errors and finds the
** userdata that quick was asked for, as long as that lives, instead of making another one. */
typedef struct tide_reftype {
  const char *name;
  void *(*hold)(lua_State *L, int idx);
  void (*push)(lua_State *L, void *object);
  void (*rele)(void *object);
  void *(*quick)(lua_State *L, int idx);
} tide_reftype;

/* Marks the metatable at idx. [-0, +0, m] */
TIDE_API void tide_setreftype(lua_State *L, int idx, const tide_reftype *type);

/* What is alive of the executors that L adopted, and of those that their tasks left, for leak
** tests. [-0, +0, m] */
typedef struct tide_live {
  size_t executors; /* not yet freed */
  size_t tasks;     /* their tasks not yet freed: queued, running, or held by a future */
  size_t states;    /* their workers' lua_States */
  size_t threads;   /* their threads not yet joined */
  size_t groups;    /* of L */
} tide_live;
TIDE_API void tide_live_counts(lua_State *L, tide_live *out);

#ifdef __cplusplus
}
#endif
#endif
