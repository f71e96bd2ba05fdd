/*
** api/submission: what every submit does, with threads or without.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_SUBMISSION_H
#define TI_API_SUBMISSION_H

#include "api/task_seed.h"

TI_INTERNAL_BEGIN

/* A task that is being submitted. */
struct ti_submission {
  struct ti_task *task;      /* a reference, the submitter's */
  struct ti_numbered number; /* that it took for its random numbers */
};

/* Makes a task of ex that L submits; L and o may be NULL. Returns false if out of memory.
** [-0, +0, -] */
bool ti_submission_begin(struct ti_submission *s, tide_executor *ex, lua_State *L,
                         const tide_taskopts *o);

/* The submit failed: releases the task and returns its number. */
void ti_submission_abandon(const struct ti_submission *s);

/* Notes that ex gets its first task: from now on no initializer or finalizer can be set. */
void ti_submission_mark(tide_executor *ex);

/* Raises why the pool took no task. `err` is the errno code of TIDE_ETHREAD. [-0, +0, e] */
int ti_submission_refuse(lua_State *L, tide_executor *ex, int code, int err);

TI_INTERNAL_END

#endif
