/*
** tidepool, floor 2: cstack, whether the C stack has room for what packs and unpacks.
**
** Both recurse, a level of C stack for each level of nesting, and call functions of the user's in
** between, which may recurse as far as Lua lets them. A script may run on a small stack of the host's,
** or be deep in C calls already. So both check what is left, and refuse with an error in time.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_CSTACK_H
#define TIDE_CSTACK_H

#include "sys.h"

enum { CSTACK_EVERY = 16 }; /* levels between two looks */

/* For so many levels, and for what the last of them calls. */
#define CSTACK_LEVELS (SYS_STACK_UNIT / 16)

#define CSTACK_WORDS "nested too deep for the C stack, of which %d KiB are left"
#define CSTACK_LEFT ((int)(tide_thread_room(NULL) >> 10))

/* False: at level `depth`, counted from 1, no others may follow. */
static inline bool tide_cstack_deeper(int depth) {
  return depth % CSTACK_EVERY != 1 || tide_thread_room(NULL) >= CSTACK_LEVELS;
}

/* Whether there is room to call a function of the user's: as much as Lua code may take, or, on a
** small stack, nearly half of it. */
static inline bool tide_cstack_call(void) {
  size_t size, room = tide_thread_room(&size);
  size_t need = size / 2 > CSTACK_LEVELS ? size / 2 - CSTACK_LEVELS : 0;
  return room >= (need < SYS_STACK_LUA ? need : SYS_STACK_LUA);
}

#endif
