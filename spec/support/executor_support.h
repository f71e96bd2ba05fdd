/*
** executor_support.h: executors of the C API for tests, and a task that waits at a gate.
**
** SPDX-License-Identifier: MIT
*/
#ifndef EXECUTOR_SUPPORT_H
#define EXECUTOR_SUPPORT_H

#include "include/tidepool.h"
#include "support.h"

/* The gate at which wait_at_gate waits; a test inits, opens and finis it. */
static struct gate parked;

/* A task that waits at the gate. */
static inline int wait_at_gate(lua_State *L) {
  (void)L;
  gate_enter(&parked);
  return 0;
}

/* Allows all C functions of the test to be sent. */
static inline int allow_any(lua_CFunction fn, void *ud) {
  (void)fn, (void)ud;
  return 1;
}

/* Fills a configuration with so many workers. */
static inline void executor_config(tide_config *cfg, int workers) {
  tide_config_init(cfg);
  cfg->max_workers = workers;
  cfg->cfunction = allow_any;
}

static inline tide_executor *executor_start(const tide_config *cfg) {
  tide_executor *ex = NULL;
  CHECK(tide_executor_new(&ex, cfg) == TIDE_OK);
  if (ex == NULL) exit(2);
  return ex;
}

#endif
