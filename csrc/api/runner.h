/*
** api/runner: what the pool of an executor runs its tasks with.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_RUNNER_H
#define TI_API_RUNNER_H

#include "api/executor.h"

TI_INTERNAL_BEGIN

/* For a pool whose `ud` is the executor: a worker is a lua_State. `dispose` frees the executor. */
extern const struct ti_pool_runner ti_runner_functions;

/* Delivers a warning of a worker of the executor `user`: to the adopter's queue; without one, to
** the host's function; without one, as a warning of the executor whose worker's state adopted it.
** Returns false if it reaches none of these. Any thread. */
bool ti_runner_warn(void *user, const char *text, size_t len);

TI_INTERNAL_END

#endif
