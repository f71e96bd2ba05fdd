/*
** vm/retained: userdata that a worker's state keeps between its tasks.
**
** A worker's collector would take what a task leaves behind. An entry anchors a userdata and holds
** a reference to its object while that object is wanted elsewhere. A task checks CHECKS_PER_TASK
** entries when it ends: unwanted ones leave in turn, and no task pays for many.
**
** Threads: the state's own. `wanted` and `rele` may be called by any thread.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_VM_RETAINED_H
#define TI_VM_RETAINED_H

#include <lua.h>
#include <stdbool.h>

#include "util/alloc.h"

TI_INTERNAL_BEGIN

struct ti_retained_type {
  bool (*wanted)(const void *object); /* except by workers that retain it */
  void (*rele)(void *object);
};

struct ti_retained_handle {
  const struct ti_retained_type *type;
  void *object; /* a reference is held */
  size_t size;
};

struct ti_retained {
  const struct ti_alloc *mem;
  struct ti_retained_handle *entries;
  size_t n, cap;
  size_t next;    /* the entry to check next */
  size_t dropped; /* sizes of what was dropped since the last collection here */
};

void ti_retained_init(struct ti_retained *k, const struct ti_alloc *mem);
/* Releases all references, after the state is closed. */
void ti_retained_fini(struct ti_retained *k);

/* Retains the userdata at idx. Returns true and takes the reference in `object`, or returns false
** if out of memory. `size`: about how many bytes dropping it will free. [-0, +0, m] */
bool ti_retained_add(struct ti_retained *k, lua_State *L, int idx,
                     const struct ti_retained_type *type, void *object, size_t size);
/* Drops entries that are no longer wanted, and collects if these were many bytes. Call only if k->n
** > 0, with 4 free slots. [-0, +0, -] */
void ti_retained_sweep(struct ti_retained *k, lua_State *L);

TI_INTERNAL_END

#endif
