/*
** api/inline_place_impl: what the files inline_place*.c share.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_INLINE_PLACE_IMPL_H
#define TI_API_INLINE_PLACE_IMPL_H

#include "api/inline_place.h"

TI_INTERNAL_BEGIN

/* The fields of a place. */
enum {
  PLACE_GLOBALS = 1,
  PLACE_GOT, /* this and the next two: the place's tables for codec/globals */
  PLACE_CAME,
  PLACE_NATIVE,
  PLACE_FINAL, /* the finalizer; nil: none */
  PLACE_TASKS, /* how many tasks have run */
  PLACE_SHARED /* handle of a share -> its copy; weak keys */
};

/* Each place takes some of the 200 nested C calls that Lua allows, so no task nests deeper. */
enum { MAX_DEPTH = 200 };

/* Pushes the table of places. The first call in a state makes it. It has three kinds of entries:
**   executor (light userdata) -> list of its places, by the depth of the run
**   globals of a place -> the place
**   0 -> the state's own globals
** [-0, +1, m] */
void ti_inline_place_push_all(lua_State *L);

/* Protected: makes a new closer, the userdata that closes all places with the state, in place of
** the one before. */
int ti_inline_place_new_closer(lua_State *L);

TI_INTERNAL_END

#endif
