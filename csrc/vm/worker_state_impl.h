/*
** vm/worker_state_impl: what the files of a worker's state share.
**
** worker_state.c makes and frees it and runs tasks, worker_state_open.c opens its lua_State,
** worker_state_close.c closes that. Only the worker's own thread uses it.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_VM_WORKER_STATE_IMPL_H
#define TI_VM_WORKER_STATE_IMPL_H

#include "vm/worker_state.h"

#include "codec/pack.h"
#include "luautil/interrupt.h"
#include "luautil/lua_alloc.h"
#include "vm/worker_debug.h"
#include "vm/worker_lib.h"

TI_INTERNAL_BEGIN

/* I: immutable */
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

/* Keys of the registry, by their addresses: of the worker's state, and of the finalizer that came
** with the executor's message. */
extern const char ti_worker_state_key, ti_worker_state_final_key;

/* Applies the package paths; NULL: unchanged. [-0, +0, e] */
void ti_worker_state_use_paths(struct ti_worker_state *vm, struct ti_package_paths *paths);
/* Message handler: stores the traceback and leaves the error value unchanged. */
int ti_worker_state_handler(lua_State *L);

/* Opens vm->L, which is new, as ti_worker_state_new says. On failure returns false, with *why and
** *whysize as there. */
bool ti_worker_state_open_lua(struct ti_worker_state *vm, struct ti_stop_token *stop,
                              struct ti_package_paths *paths, const struct ti_worker_calls *given,
                              char **why, size_t *whysize);
/* Calls the finalizers of script and host, unless opening failed; then close_state; and closes
** vm->L. */
void ti_worker_state_close_lua(struct ti_worker_state *vm);

TI_INTERNAL_END

#endif
