/*
** util/errcode: the names of the error codes.
**
** SPDX-License-Identifier: MIT
*/
#include "util/errcode.h"

#include <stddef.h>

static const char *const names[TI_ERRCODE_NAMED] = {
    [TIDE_ETIMEOUT] = "timeout",
    [TIDE_ECANCELLED] = "cancelled",
    [TIDE_ESHUTDOWN] = "shutdown",
    [TIDE_EBROKEN] = "broken",
    [TIDE_EINVALIDSTATE] = "invalid_state",
    [TIDE_ETRANSFER] = "transfer",
    [TIDE_EINTERRUPTED] = "interrupted",
    [TIDE_ETIMELIMIT] = "time_limit",
    [TIDE_EMEMORYLIMIT] = "memory_limit",
    [TIDE_EFULL] = "full",
    [TIDE_EDEADLOCK] = "deadlock",
};

const char *ti_errcode_name(int code) {
  return code >= 0 && code < TI_ERRCODE_NAMED ? names[code] : NULL;
}
