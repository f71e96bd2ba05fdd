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

/* What becomes of a state's warnings. */
enum ti_warn_mode {
  WARN_FOLLOW, /* as the script has it, to which they are delivered */
  WARN_ON,     /* after warn("@on"): they are written on stderr */
  WARN_OFF     /* after warn("@off") */
};

struct ti_worker_warn {
  /* Takes a complete message, of len bytes and a zero; false: nobody is there for it. */
  bool (*deliver)(void *user, const char *text, size_t len);
  void *user;
  enum ti_warn_mode mode, before; /* now; when the state was opened, for each new task */
  bool open;                      /* a message has begun whose other parts are still to come */
  struct ti_buffer line;          /* those that have come */
};

/* A lua_WarnFunction; `warn` is a worker_warn. */
void ti_worker_lib_warn(void *warn, const char *message, int more);
/* The state is open: what was switched until now holds for each task. */
void ti_worker_lib_warn_opened(struct ti_worker_warn *w);
/* A task is over: what it switched holds no more, and what it left unfinished is a message. */
void ti_worker_lib_warn_reset(struct ti_worker_warn *w);

/* Replaces them in L. [-0, +0, m] */
void ti_worker_lib_open(lua_State *L);

TI_INTERNAL_END

#endif
