/*
** vm/worker_state: one worker's lua_State.
**
** Opens it, runs one task at a time in it, closes it. Only the worker's own thread uses it.
** Loading, unpacking, running and packing the results of a task happen in one protected call: a
** failure there fails that task and nothing else.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_VM_WORKER_STATE_H
#define TI_VM_WORKER_STATE_H

#include <lua.h>
#include <stdint.h>

#include "vm/retained.h"
#include "util/message.h"
#include "codec/package_paths.h"
#include "luautil/lua_random.h"
#include "sched/stop_token.h"

TI_INTERNAL_BEGIN

struct ti_worker_config {
  lua_Alloc alloc; /* NULL: the C library's */
  void *alloc_ud;
  const struct ti_alloc *mem;
  void (*open_state)(lua_State *L, void *ud);   /* may be NULL; may raise */
  void (*finalizer)(lua_State *L, void *ud);    /* may be NULL; may raise */
  void (*close_state)(lua_State *L, void *ud);  /* may be NULL */
  int (*cfunction)(lua_CFunction fn, void *ud); /* may be NULL; see struct ti_pack_rules (pack.h) */
  void (*warn)(const char *message, void *ud);  /* receives errors of close_state; may be NULL */
  /* Takes a warning of a state. Returns false if it has no receiver. Called by any worker's
  ** thread. */
  bool (*deliver)(void *user, const char *text, size_t len);
  void *ud;
  /* the copy of the library that `require` returns in the state; may be NULL */
  const struct ti_library_copy *copy;
  void *user;          /* for ti_worker_state_user */
  size_t memory_limit; /* bytes that a state may hold; 0: any */
};

struct ti_worker_state;
struct ti_worker_calls;

/* Opens a state: Lua's libraries, those that differ in a worker, open_state, `paths` (may be NULL)
** and the initializer of `given`, in this order. Returns NULL on failure. Then *why is a message of
** *whysize bytes from cfg->mem, or NULL if out of memory. cfg and stop must outlive the state. */
struct ti_worker_state *ti_worker_state_new(const struct ti_worker_config *cfg,
                                            struct ti_stop_token *stop,
                                            struct ti_package_paths *paths,
                                            const struct ti_worker_calls *given, char **why,
                                            size_t *whysize);
/* Sets the worker's index, which is 0 before. */
void ti_worker_state_set_index(struct ti_worker_state *vm, int index);
/* Calls the finalizers of script and host, unless opening failed; then close_state; and closes the
** state. NULL is legal. */
void ti_worker_state_free(struct ti_worker_state *vm);

/* A call to be run. */
struct ti_worker_call {
  const struct ti_message *in;
  struct ti_package_paths *paths;   /* NULL: unchanged */
  const char *name;                 /* NULL: none */
  size_t memory_limit;              /* bytes that the state may grow by; 0: any */
  const struct ti_seeding *seeding; /* where its random numbers begin; NULL: anywhere */
};

/* Runs the call, and closes the stop token. Returns the outcome (errcode.h) and fills the empty
** message *out:
**   TIDE_OK      packed values
**   TIDE_EERROR  varint length and traceback, then the packed error value
**   others       varint length and message, varint length and traceback */
int ti_worker_state_run(struct ti_worker_state *vm, const struct ti_worker_call *call,
                        struct ti_message *out);

/* Returns whether its last task left it over its memory limit, or a finalizer was stopped in it. */
bool ti_worker_state_over_limit(const struct ti_worker_state *vm);
/* Returns whether a finalizer was stopped in it. */
bool ti_worker_state_stopped_in_finalizer(const struct ti_worker_state *vm);

/* Return, for a worker's state, cfg->user; and the name of the running task ("": none), NULL
** outside of tasks. NULL for other states. [-0, +0, -] */
void *ti_worker_state_user(lua_State *L);
const char *ti_worker_state_task_name(lua_State *L);
/* Return the index of the worker whose task runs in L, -1 outside of tasks; and where a number for
** that task can be kept (0 when it begins), NULL outside of tasks. [-0, +0, -] */
int ti_worker_state_index(lua_State *L);
uint64_t *ti_worker_state_task_id(lua_State *L);
/* Returns the kind that was requested of the running task (stop_token.h), TIDE_OK outside of tasks.
** [-0, +0, -] */
int ti_worker_state_stop_requested(lua_State *L);
/* Returns whether L is a worker's state that is being closed. [-0, +0, -] */
bool ti_worker_state_closing(lua_State *L);
/* Returns the stop token of the running task, NULL outside of tasks. [-0, +0, -] */
struct ti_stop_token *ti_worker_state_stop(lua_State *L);
/* Returns the generator of the worker's state L if a seeded task runs in it, else NULL.
** [-0, +0, -] */
struct ti_lua_random *ti_worker_state_random(lua_State *L);
/* Returns what a worker's state retains between its tasks; NULL for other states. [-0, +0, -] */
struct ti_retained *ti_worker_state_retained(lua_State *L);

TI_INTERNAL_END

#endif
