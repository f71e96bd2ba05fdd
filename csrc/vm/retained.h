/*
** vm/retained: userdata that a worker's state keeps between its tasks.
**
** A worker's collector would take what a task leaves behind. An entry here anchors one userdata
** and holds a reference to the object that it stands for, as long as that object is still wanted
** by someone else. A task looks at LOOKS entries when it ends, so dead ones leave in turn and no
** task pays for many. Only the state's own thread touches it; `wanted` and `rele` are of any
** thread.
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
  bool (*wanted)(const void *object); /* by anyone but workers that keep it */
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
  size_t next;    /* the entry to look at next */
  size_t dropped; /* sizes of what was let go since the last collection that we asked for */
};

void ti_retained_init(struct ti_retained *k, const struct ti_alloc *mem);
void ti_retained_fini(struct ti_retained *k); /* after the state is closed */

/* Keeps the userdata at idx. Takes the reference in `object` if it answers true; false: out of
** memory. `size`: about how many bytes letting it go will free. [-0, +0, m] */
bool ti_retained_add(struct ti_retained *k, lua_State *L, int idx,
                     const struct ti_retained_type *type, void *object, size_t size);
/* Lets go of what is no longer wanted; with much of it, collects. Call it only if k->n > 0, with
** room on the stack. [-0, +0, -] */
void ti_retained_sweep(struct ti_retained *k, lua_State *L);

TI_INTERNAL_END

#endif
