/*
** util/errcode: the codes that all floors answer.
**
** SPDX-License-Identifier: MIT
*/
#include "util/errcode.h"

#include <stddef.h>

static const char *const names[FAULT_KINDS] = {
    [FAULT_TIMEOUT] = "timeout",
    [FAULT_CANCELLED] = "cancelled",
    [FAULT_SHUTDOWN] = "shutdown",
    [FAULT_BROKEN] = "broken",
    [FAULT_INVALID_STATE] = "invalid_state",
    [FAULT_TRANSFER] = "transfer",
    [FAULT_INTERRUPTED] = "interrupted",
    [FAULT_TIME_LIMIT] = "time_limit",
    [FAULT_MEMORY_LIMIT] = "memory_limit",
    [FAULT_FULL] = "full",
    [FAULT_DEADLOCK] = "deadlock",
};

const char *ti_errcode_name(int fault) {
  return fault >= 0 && fault < FAULT_KINDS ? names[fault] : NULL;
}
