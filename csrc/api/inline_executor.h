/*
** api/inline_executor: submitting to an executor without threads.
**
** A task of such an executor runs at its submit, on the thread and in the state that submits it. It
** is packed and unpacked all the same, so it gets copies, and its errors are those of a worker's
** task. It runs in a place (inline_place.h).
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_INLINE_EXECUTOR_H
#define TI_API_INLINE_EXECUTOR_H

#include "api/executor.h"

TI_INTERNAL_BEGIN

/* As tide_submit, for an executor with run_inline. The future that it returns is done.
** [-(nargs+1), +0, e] */
tide_future *ti_inline_executor_submit(tide_executor *ex, lua_State *L, int nargs,
                                       const tide_taskopts *o);

TI_INTERNAL_END

#endif
