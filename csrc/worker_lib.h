/*
** tidepool, floor 2: worker_lib, what Lua's libraries do differently in a worker.
**
** print writes each line with one write; os.exit raises; warnings are delivered as whole lines.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_WORKER_LIB_H
#define TIDE_WORKER_LIB_H

#include <lua.h>

#include <stdbool.h>

#include "bytes.h"

TIDE_INTERNAL_BEGIN

/* What becomes of a state's warnings. */
enum warn_mode {
  WARN_FOLLOW, /* as the script has it, to which they are delivered */
  WARN_ON,     /* after warn("@on"): they are written on stderr */
  WARN_OFF     /* after warn("@off") */
};

struct worker_warn {
  /* Takes a complete message, of len bytes and a zero; false: nobody is there for it. */
  bool (*deliver)(void *user, const char *text, size_t len);
  void *user;
  enum warn_mode mode, before; /* now; when the state was opened, for each new task */
  bool open;                   /* a message has begun whose other parts are still to come */
  struct bytes line;           /* those that have come */
};

/* A lua_WarnFunction; `warn` is a worker_warn. */
void tide_worker_warn(void *warn, const char *message, int more);
/* The state is open: what was switched until now holds for each task. */
void tide_worker_warn_opened(struct worker_warn *w);
/* A task is over: what it switched holds no more, and what it left unfinished is a message. */
void tide_worker_warn_reset(struct worker_warn *w);

/* Replaces them in L. [-0, +0, m] */
void tide_worker_lib_open(lua_State *L);

TIDE_INTERNAL_END

#endif
