/*
** tidepool, floor 2: outcome, how a call ended, as a task's message.
**
** The formats are in task.h and vm.h. Only the thread of the state uses these.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_OUTCOME_H
#define TIDE_OUTCOME_H

#include <lua.h>

#include "fault.h"
#include "message.h"

TIDE_INTERNAL_BEGIN

/* Pushes the error value at index 1 as text; its __tostring may raise, which is caught. [-0, +1, m] */
void tide_outcome_pushtext(lua_State *L);
/* For message handlers: puts the traceback of the error value at index 1, with the task's name (NULL
** and "": none), in place of what *b holds, and leaves the value as the only one. [-n, +1, m] */
void tide_outcome_trace(lua_State *L, const char *name, struct bytes *b);
/* Appends a text with its length. */
void tide_outcome_puttext(struct bytes *b, const char *s, size_t len);
/* Empties a message that was filled in part. */
void tide_outcome_restart(struct message *out);
/* Fills *out with the outcome of a failed call, whose error value is on top, and returns that. `task_code`: the
** task's own function raised it, not the packing around it. [-1, +0, -] */
int tide_outcome_fail(lua_State *L, const struct bytes *traceback, bool task_code,
                      struct message *out);
/* Protected: warns of the error value in argument 1, which a finalizer of a worker raised, with the traceback in the
** struct bytes in argument 2, if it is not empty. */
int tide_outcome_warnfinal(lua_State *L);

TIDE_INTERNAL_END

#endif
