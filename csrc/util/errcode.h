/*
** util/errcode: the names of the error codes, which are those of enum tide_kind.
**
** Functions that can fail return a code as an int, TIDE_OK for success. Each says which.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_UTIL_ERRCODE_H
#define TI_UTIL_ERRCODE_H

#include <stdbool.h>

#include "include/tidepool_types.h"
#include "platform/compiler.h"

TI_INTERNAL_BEGIN

/* The codes below this one have a name. */
enum { TI_ERRCODE_NAMED = TIDE_EERROR };

/* Returns whether `code` is the outcome of a task that was stopped (sched/stop_token.h). */
static inline bool ti_errcode_is_stop(int code) {
  return code == TIDE_EINTERRUPTED || code == TIDE_ETIMELIMIT || code == TIDE_EMEMORYLIMIT;
}

/* Returns the name of a code, for instance "timeout"; NULL for a code without one, and for any
** other number. */
const char *ti_errcode_name(int code);

TI_INTERNAL_END

#endif
