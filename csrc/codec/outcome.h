/*
** codec/outcome: how a call ended, as a task's message.
**
** The formats are in task.h and worker_state.h. All functions are for the state's own thread.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_OUTCOME_H
#define TI_CODEC_OUTCOME_H

#include <lua.h>

#include "util/errcode.h"
#include "util/message.h"

TI_INTERNAL_BEGIN

/* Pushes the error value at index 1 as text. Errors of its __tostring are caught. [-0, +1, m] */
void ti_outcome_push_text(lua_State *L);

/* For message handlers: replaces the content of *b by the traceback of the error value at index 1,
** with the task's name (NULL and "": none). Leaves that value alone on the stack. [-n, +1, m] */
void ti_outcome_trace(lua_State *L, const char *name, struct ti_buffer *b);

/* Appends a text with its length. */
void ti_outcome_put_text(struct ti_buffer *b, const char *s, size_t len);

/* Empties a message that was filled in part. */
void ti_outcome_restart(struct ti_message *out);

/* Fills *out with the outcome of a failed call, whose error value is on top. `task_code`: the
** task's own function raised it, not the writing of its message. Returns the outcome's error code.
** [-1, +0, -] */
int ti_outcome_fail(lua_State *L, const struct ti_buffer *traceback, bool task_code,
                    struct ti_message *out);

/* Protected: warns of the error value in argument 1, which a worker's finalizer raised. Argument 2
** is a struct ti_buffer with the traceback, or empty. */
int ti_outcome_warn_final(lua_State *L);

TI_INTERNAL_END

#endif
