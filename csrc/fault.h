/*
** tidepool, floor 0: fault, the codes that all floors answer.
**
** Same order as tide_kind in tidepool.h (floor 3 asserts it).
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_FAULT_H
#define TIDE_FAULT_H

#include <stdbool.h>

#include "internal.h"

TIDE_INTERNAL_BEGIN

enum fault {
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

/* The outcome of a task that was stopped (stop.h). */
static inline bool tide_fault_stops(int fault) {
  return fault == FAULT_INTERRUPTED || fault == FAULT_TIME_LIMIT || fault == FAULT_MEMORY_LIMIT;
}

/* "timeout"; NULL for those without a name. */
const char *tide_fault_name(int fault);

TIDE_INTERNAL_END

#endif
