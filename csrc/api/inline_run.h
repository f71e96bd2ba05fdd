/*
** api/inline_run: the tasks that executors without threads run in a state now.
**
** Such tasks nest: a task may submit to its own executor or to another one without threads. Each
** run lies in a C frame. The registry has the innermost one.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_INLINE_RUN_H
#define TI_API_INLINE_RUN_H

#include "api/executor.h"

TI_INTERNAL_BEGIN

/* A task, an initializer or a finalizer that runs in a state. */
struct ti_inline_run {
  struct ti_inline_run *outer; /* NULL: none */
  tide_executor *ex;
  const char *name; /* of the task, perhaps ""; NULL: it is no task */
  uint64_t id;      /* of the task (tide_current_id); 0: not given yet */
  struct ti_buffer traceback;
  struct ti_lua_random rng;       /* the task's, if it is seeded */
  struct ti_random_state outside; /* the state's generator, as it was before */
};

void ti_inline_run_init(struct ti_inline_run *r, tide_executor *ex, const struct ti_alloc *mem);
void ti_inline_run_fini(struct ti_inline_run *r);

/* Makes the entry in the registry, in a state without runs. [-0, +0, m] */
void ti_inline_run_prepare(lua_State *L);

/* Around a run. Only after _prepare in this state. [-0, +0, -] */
void ti_inline_run_begin(lua_State *L, struct ti_inline_run *r);
void ti_inline_run_end(lua_State *L, const struct ti_inline_run *r);

/* Returns the innermost run in L, or NULL. Needs a free stack slot. [-0, +0, -] */
struct ti_inline_run *ti_inline_run_top(lua_State *L);

/* Returns how many runs of ex there are in L. [-0, +0, -] */
int ti_inline_run_depth(lua_State *L, const tide_executor *ex);

/* Message handler: stores the traceback in the innermost run. */
int ti_inline_run_trace(lua_State *L);

TI_INTERNAL_END

#endif
