/*
** vm/retained: userdata that a worker's state keeps between its tasks.
**
** SPDX-License-Identifier: MIT
*/
#include "vm/retained.h"

#include <lauxlib.h>

enum { CHECKS_PER_TASK = 16 };

/* A state is collected when it dropped this many bytes and this part of its memory. A collection
** then costs no more than making what was dropped, and a state that runs few tasks does not keep
** the rest. */
enum { MUCH = 64 * 1024, PART = 8 };

/* Key in the registry: a table from an object's address to its userdata. */
static const char registry_key = 0;

void ti_retained_init(struct ti_retained *k, const struct ti_alloc *mem) {
  k->mem = mem;
  k->entries = NULL;
  k->n = k->cap = k->next = k->dropped = 0;
}

void ti_retained_fini(struct ti_retained *k) {
  while (k->n > 0) {
    struct ti_retained_handle *e = &k->entries[--k->n];
    e->type->rele(e->object);
  }
  ti_alloc_free(k->mem, k->entries, k->cap * sizeof *k->entries);
  k->entries = NULL;
  k->cap = 0;
}

static bool grow(struct ti_retained *k) {
  size_t cap = k->cap > 0 ? k->cap * 2 : 4;
  struct ti_retained_handle *p = (struct ti_retained_handle *)ti_alloc_resize(
      k->mem, k->entries, k->cap * sizeof *p, cap * sizeof *p);
  if (p == NULL) return false;
  k->entries = p;
  k->cap = cap;
  return true;
}

bool ti_retained_add(struct ti_retained *k, lua_State *L, int idx,
                     const struct ti_retained_type *type, void *object, size_t size) {
  struct ti_retained_handle entry = {type, object, size};
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 4, NULL);
  if (k->n == k->cap && !grow(k)) return false;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
  }
  lua_pushvalue(L, idx);
  lua_rawsetp(L, -2, object);
  lua_pop(L, 1);
  k->entries[k->n++] = entry;
  return true;
}

/* Drops entry i; the last one takes its place. */
static void drop(struct ti_retained *k, lua_State *L, size_t i) {
  struct ti_retained_handle entry = k->entries[i];
  k->entries[i] = k->entries[--k->n];
  lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
  if (lua_rawgetp(L, -1, entry.object) !=
      LUA_TNIL) { /* nil for a key that is there: there was no memory */
    lua_pushnil(L);
    lua_rawsetp(L, -3, entry.object);
  }
  lua_pop(L, 2);
  k->dropped += entry.size;
  entry.type->rele(entry.object);
}

void ti_retained_sweep(struct ti_retained *k, lua_State *L) {
  for (size_t checks = k->n < CHECKS_PER_TASK ? k->n : CHECKS_PER_TASK; checks > 0; checks--) {
    struct ti_retained_handle *e;
    if (k->next >= k->n) k->next = 0;
    e = &k->entries[k->next];
    if (e->type->wanted(e->object))
      k->next++;
    else
      drop(k, L, k->next);
  }
  if (k->dropped >= MUCH && lua_gc(L, LUA_GCISRUNNING) == 1 &&
      k->dropped / 1024 >= (size_t)lua_gc(L, LUA_GCCOUNT) / PART) {
    k->dropped = 0;
    lua_gc(L, LUA_GCCOLLECT); /* runs the finalizers of what was dropped, … */
    lua_gc(L, LUA_GCCOLLECT); /* … which keep the values until the next collection */
  }
}
