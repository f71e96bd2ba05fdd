/*
** luautil/c_stack: whether the C stack has space for packing and unpacking.
**
** Both recurse for each level of nesting, and call functions of the user in between, which may
** recurse as far as Lua allows. A script may run on a small stack of the host, or be deep in C
** calls already. Both therefore check what is left, and raise an error in time.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_LUAUTIL_C_STACK_H
#define TI_LUAUTIL_C_STACK_H

#include <stdbool.h>
#include <stddef.h>

#include "platform/thread.h"

enum { C_STACK_EVERY = 16 }; /* levels between two checks */

/* What so many levels take, with the functions that the last of them calls. */
#define C_STACK_LEVELS (TI_THREAD_STACK_UNIT / 16)

#define C_STACK_WORDS "nested too deep for the C stack, of which %d KiB are left"
#define C_STACK_LEFT ((int)(ti_thread_stack_room(NULL) >> 10))

/* Returns false if no further level may follow level `depth`, counted from 1. */
static inline bool ti_c_stack_deeper(int depth) {
  return depth % C_STACK_EVERY != 1 || ti_thread_stack_room(NULL) >= C_STACK_LEVELS;
}

/* Returns whether there is space to call a function of the user: as much as Lua code may take or,
** on a small stack, nearly half of it. */
static inline bool ti_c_stack_call(void) {
  size_t size, room = ti_thread_stack_room(&size);
  size_t need = size / 2 > C_STACK_LEVELS ? size / 2 - C_STACK_LEVELS : 0;
  return room >= (need < TI_THREAD_STACK_LUA ? need : TI_THREAD_STACK_LUA);
}

#endif
