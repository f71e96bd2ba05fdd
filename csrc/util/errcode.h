/*
** util/errcode: the codes that all floors answer.
**
** Same order as tide_kind in tidepool.h (floor 3 asserts it).
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_UTIL_ERRCODE_H
#define TI_UTIL_ERRCODE_H

#include <stdbool.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

enum ti_errcode {
  FAULT_NONE = 0,
  FAULT_TIMEOUT,
  FAULT_CANCELLED,
  FAULT_SHUTDOWN,
  FAULT_BROKEN,
  FAULT_INVALID_STATE,
  FAULT_TRANSFER,
  FAULT_INTERRUPTED,
  FAULT_TIME_LIMIT,
  FAULT_MEMORY_LIMIT,
  FAULT_FULL,
  FAULT_DEADLOCK,
  FAULT_KINDS, /* those above have a name */
  FAULT_ERROR = FAULT_KINDS,
  FAULT_NOMEM,
  FAULT_THREAD,
  FAULT_ARG
};

/* The outcome of a task that was stopped (stop_token.h). */
static inline bool ti_errcode_is_stop(int fault) {
  return fault == FAULT_INTERRUPTED || fault == FAULT_TIME_LIMIT || fault == FAULT_MEMORY_LIMIT;
}

/* "timeout"; NULL for those without a name. */
const char *ti_errcode_name(int fault);

TI_INTERNAL_END

#endif
