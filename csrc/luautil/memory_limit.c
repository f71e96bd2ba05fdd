/*
** luautil/memory_limit: how far a worker's state may grow while a task runs.
**
** SPDX-License-Identifier: MIT
*/
#include "luautil/memory_limit.h"

#include <stdint.h>

#include "luautil/interrupt.h"

/* Bytes beyond the limit for a task that exceeded it, so that errors and tracebacks can be made. */
#define RELIEF ((size_t)64 << 10)

size_t ti_memory_limit_used(lua_State *L) {
  return ((size_t)lua_gc(L, LUA_GCCOUNT) << 10) + (size_t)lua_gc(L, LUA_GCCOUNTB);
}

void ti_memory_limit_begin(struct ti_memory_limit *m, struct ti_interrupt *h, size_t limit) {
  m->used = ti_memory_limit_used(h->main);
  m->limit = limit < SIZE_MAX - RELIEF ? limit : SIZE_MAX - RELIEF;
  m->refused = 0;
  m->interrupt = h;
}

/* Ends the task, since it needs more than its limit, whatever it does about the error. */
static void exceed(struct ti_memory_limit *m) {
  if (ti_interrupt_exceeded(m->interrupt)) m->limit += RELIEF;
}

void ti_memory_limit_end(struct ti_memory_limit *m) {
  if (m->interrupt == NULL) return;
  if (m->refused != 0) exceed(m);
  m->interrupt = NULL;
}

bool ti_memory_limit_allows(struct ti_memory_limit *m, size_t osize, size_t nsize) {
  bool twice = m->refused != 0, over;
  if (nsize <= osize) return true;
  over = m->used > m->limit || nsize - osize > m->limit - m->used;
  if (twice && (over || m->refused != nsize)) exceed(m);
  m->refused = over ? nsize : 0;
  return !over;
}
