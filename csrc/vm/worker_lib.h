/*
** vm/worker_lib: what Lua's libraries do differently in a worker.
**
** print writes each line with one write; os.exit raises; warnings are delivered as whole lines.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_VM_WORKER_LIB_H
#define TI_VM_WORKER_LIB_H

#include <lua.h>

#include <stdbool.h>

#include "util/buffer.h"

TI_INTERNAL_BEGIN

/* What is done with a state's warnings. */
enum ti_warn_mode {
  WARN_FOLLOW, /* delivered to the script, which shows them or not */
  WARN_ON,     /* after warn("@on"): written to stderr */
  WARN_OFF     /* after warn("@off") */
};

struct ti_worker_warn {
  /* Takes a complete message, of len bytes and a zero. Returns false if it has no receiver. */
  bool (*deliver)(void *user, const char *text, size_t len);
  void *user;
  enum ti_warn_mode mode, before; /* now, and when the state was opened, for each new task */
  bool open;                      /* a message has begun, and parts are still to come */
  struct ti_buffer line;          /* the parts so far */
};

/* A lua_WarnFunction; `warn` is a struct ti_worker_warn. */
void ti_worker_lib_warn(void *warn, const char *message, int more);
/* Notes that the state is open: its mode is that of each new task. */
void ti_worker_lib_warn_opened(struct ti_worker_warn *w);
/* Ends a task: restores the mode, and completes a message that it left unfinished. */
void ti_worker_lib_warn_reset(struct ti_worker_warn *w);

/* Replaces print, os.exit and the searcher of package.preload in L. [-0, +0, m] */
void ti_worker_lib_open(lua_State *L);

TI_INTERNAL_END

#endif
