/*
** tidepool, floor 2: large, what is done for large results, so that they are not made in fresh memory each time.
**
** SPDX-License-Identifier: MIT
*/
#include "large.h"

#include <lauxlib.h>

#include "halt.h"
#include "lend.h"
#include "sys.h"

/* KiB. A value takes as much more memory than its message as GROWTH says, if not much more. */
enum { MOST = 1 << 20, GROWTH = 64 };

static bool is_ours(lua_Alloc alloc, const void *ud) {
  return alloc == tide_blocks_alloc && ((const struct blocks *)ud)->around;
}

bool tide_large_base(lua_State *L, struct mem *base) {
  void *lua_ud;
  lua_Alloc lua_alloc;
  lua_State *probe;
  base->alloc = tide_halt_allocf(L, &base->ud);
  if (base->alloc == tide_blocks_alloc) {
    if (!is_ours(base->alloc, base->ud)) return false; /* a worker's */
    *base = ((const struct blocks *)base->ud)->small;
    return true;
  }
  probe = luaL_newstate(); /* has Lua's own allocator; there is no other way to ask for it */
  if (probe == NULL) return false;
  lua_alloc = lua_getallocf(probe, &lua_ud);
  lua_close(probe);
  return base->alloc == lua_alloc && base->ud == lua_ud;
}

/* Has the state keep large blocks, if its allocator is Lua's own and there is the memory for that. [-0, +0, -] */
static void keep_warm(lua_State *L, struct transfer *x) {
  struct mem base;
  struct blocks *b = NULL;
  if (x->tried_warm) return;
  x->tried_warm = true;
  if (!x->worker && !x->late && tide_large_base(L, &base))
    b = (struct blocks *)tide_mem_new(&tide_mem_default, sizeof *b);
  if (b == NULL) return;
  tide_blocks_init_around(b, &base, BLOCKS_STATE);
  x->warm = b;
  lua_setallocf(L, tide_blocks_alloc, b);
}

static int least(int a, int b) { return a < b ? a : b; }

size_t tide_large_weight(const struct message *m) {
  size_t weight = m->bytes.cap;
  for (size_t i = 0; i < m->nparts; i++) {
    const struct part *part = tide_message_part(m, i);
    if (part->type == &tide_loan_part) weight += ((const struct loan *)part->object)->len;
  }
  return weight;
}

void tide_large_begin(lua_State *L, const struct message *m, struct large *l) {
  size_t weight = tide_large_weight(m);
  int kib = weight / 1024 < MOST ? (int)(weight / 1024) : MOST;
  struct transfer *x;
  l->rest = 0;
  if (weight < BLOCKS_LARGE) return;
  l->x = x = tide_transfer_get(L);
  keep_warm(L, x);
  if (lua_gc(L, LUA_GCISRUNNING) == 1) {
    int owed = x->owed;
    x->owed = 0; /* a finalizer may come here, too */
    l->worked = 2 * kib;
    lua_gc(L, LUA_GCSTEP, least(owed, MOST) + least(l->worked, MOST));
    l->rest = least(kib, MOST / GROWTH) * GROWTH;
    l->before = lua_gc(L, LUA_GCCOUNT);
    lua_gc(L, LUA_GCSTEP, -l->rest);
  }
  lua_pop(L, 1);
}

void tide_large_end(lua_State *L, struct large *l) {
  int made;
  if (l->rest == 0) return;
  if (lua_gc(L, LUA_GCISRUNNING) == 1) { /* else it is forgotten with what else it owes */
    made = lua_gc(L, LUA_GCCOUNT) - l->before;
    if (made < 0) made = 0;
    /* not now, when it would look at what is needed: before the next */
    if (made > l->worked) l->x->owed = least(l->x->owed, MOST) + least(made - l->worked, MOST);
    lua_gc(L, LUA_GCSTEP, l->rest - least(made, l->rest));
  }
  l->rest = 0;
}

void tide_large_close(lua_State *L, struct transfer *x) {
  struct blocks *b = x->warm;
  lua_Alloc alloc;
  void *ud;
  if (b == NULL) return;
  x->warm = NULL;
  tide_blocks_fini(b);
  alloc = lua_getallocf(L, &ud);
  if (alloc == tide_blocks_alloc && ud == b) {
    lua_setallocf(L, b->small.alloc, b->small.ud);
  } else if (alloc != b->small.alloc || ud != b->small.ud) {
    b->least = 0; /* somebody's allocator goes through this one, to the end */
    tide_sys_stay_loaded();
    return;
  }
  tide_mem_free(&tide_mem_default, b, sizeof *b);
}
