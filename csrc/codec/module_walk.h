/*
** codec/module_walk: naming what modules hold, by a breadth-first walk from their values.
**
** The walk follows fields with string keys, metatables of tables, and upvalues of functions that
** the module's own files define. It calls no metamethod. An object that several modules hold gets
** the name that it is found by first.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_MODULE_WALK_H
#define TI_CODEC_MODULE_WALK_H

#include "codec/module_builder.h"

TI_INTERNAL_BEGIN

enum { WALK_FUNCTIONS, WALK_TABLES, WALK_POSTPONED, WALK_QUEUES };

/* An item of a queue is four values: object, number of its parent's node, of its module, name. */
struct ti_module_walk {
  struct ti_module_builder *b;
  int queue[WALK_QUEUES]; /* stack indices of tables */
  lua_Integer head[WALK_QUEUES], tail[WALK_QUEUES];
};

/* Fills *w, whose queues it pushes. [-0, +3, m] */
void ti_module_walk_init(struct ti_module_walk *w, struct ti_module_builder *b);

/* Begins at the value of module m, at index `value`. Its name is on top. [-1, +0, m] */
void ti_module_walk_start(struct ti_module_walk *w, int value, int m);

/* Walks until the queues are empty. [-0, +0, m] */
void ti_module_walk_run(struct ti_module_walk *w);

TI_INTERNAL_END

#endif
