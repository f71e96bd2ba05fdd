/*
** api/owner: what belongs to one lua_State that submits and waits.
**
** SPDX-License-Identifier: MIT
*/
#include "api/owner.h"

#include <lauxlib.h>
#include <string.h>

#include "codec/codec_state.h"
#include "luautil/error.h"

static const char registry_key = 0;

lua_State *ti_owner_main_thread(lua_State *L) {
  lua_State *main;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return main;
}

/* Returns whether this process is a forked child of the one that made o. */
static bool is_forked(const struct ti_owner *o) {
  return ti_fork_guard_forked(&o->waiter.fork_guard);
}

/* The sentinel's finalizer. */
static int finalise(lua_State *L) {
  struct ti_owner *o = (struct ti_owner *)lua_touserdata(L, 1);
  if (!o->open) return 0;
  o->open = false;
  if (is_forked(o)) { /* the threads are in the parent, which still uses everything else */
    ti_owner_warnings_forget(&o->warnings);
    return 0;
  }
  ti_adopted_end(L, &o->adopted, ti_executor_of_worker(L));
  ti_owner_warnings_close(L, &o->warnings);
  ti_fork_guard_fini(&o->waiter.fork_guard);
  ti_waiter_fini(&o->waiter);
  return 0;
}

/* Makes the owner and enters it in the registry. [-0, +0, e] */
static struct ti_owner *new_owner(lua_State *L) {
  struct ti_owner *o;
  int err;
  /* The codec state is made first, to be finalised last: when no task is left, no task refers to
  ** strings borrowed from this state. */
  ti_codec_state_get(L);
  lua_pop(L, 1);
  o = (struct ti_owner *)lua_newuserdatauv(L, sizeof *o, 0);
  memset(o, 0, sizeof *o);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, finalise);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  err = ti_waiter_init(&o->waiter);
  if (err != 0) {
    char why[128];
    luaL_error(L, "cannot make a waiter: %s", strerror_r(err, why, sizeof why));
  }
  ti_fork_guard_init(&o->waiter.fork_guard);
  ti_hold_back_init(&o->hold_back, ti_owner_main_thread(L));
  o->open = true;
  lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
  return o;
}

struct ti_owner *ti_owner_of(lua_State *L) {
  luaL_checkstack(L, 4, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key) == LUA_TUSERDATA) {
    struct ti_owner *o = (struct ti_owner *)lua_touserdata(L, -1);
    if (!o->open || !is_forked(o)) {
      lua_pop(L, 1);
      return o->open ? o : NULL;
    }
    /* The child gets an owner of its own. Groups made before the fork still use this one. */
    lua_rawsetp(L, LUA_REGISTRYINDEX, o);
  } else {
    lua_pop(L, 1);
  }
  /* lua_gc returns -1 inside a finalizer. The state may be closing, and would not finalise what is
  ** made now. */
  if (lua_gc(L, LUA_GCISRUNNING) < 0) return NULL;
  return new_owner(L);
}

struct ti_owner *ti_owner_known(lua_State *L) {
  struct ti_owner *o;
  if (L == NULL) return NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
  o = (struct ti_owner *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  return o != NULL && o->open && !is_forked(o) ? o : NULL;
}

void tide_executor_adopt(tide_executor *ex, lua_State *L) {
  struct tide_executor *parent = ti_executor_of_worker(L);
  struct ti_owner *o;
  ti_executor_check_forked(L, ex);
  o = ti_owner_of(L);
  if (o == NULL) luaL_error(L, "the state is closing, or a finalizer makes its first executor");
  if (ex == parent) ti_error_raise(L, TIDE_EDEADLOCK, "a task cannot adopt its own executor");
  ti_adopted_trim(&o->adopted);
  if (!ti_adopted_reserve(&o->adopted) ||
      (parent == NULL &&
       !ti_owner_warnings_open(&o->warnings, o->hold_back.main, &o->waiter.fork_guard)))
    luaL_error(L, "not enough memory");
  if (!ti_adopted_add(&o->adopted, ex)) return;
  ti_mutex_lock(&ex->lock);
  if (parent == NULL)
    ex->warnings = ti_warnings_hold(o->warnings.queue);
  else
    ex->adopted_by = parent;
  ti_mutex_unlock(&ex->lock);
  if (parent == NULL) atomic_store_explicit(&ex->hold_back, &o->hold_back, memory_order_release);
}

void tide_live_counts(lua_State *L, tide_live *out) {
  struct ti_owner *o = ti_owner_of(L);
  memset(out, 0, sizeof *out);
  if (o == NULL) return;
  ti_adopted_trim(&o->adopted);
  out->groups = o->groups;
  ti_adopted_count(&o->adopted, out);
}

int ti_owner_warn(lua_State *L) {
  struct ti_owner *o;
  if (!ti_warnings_any() || !lua_checkstack(L, 4)) return LUA_OK;
  o = ti_owner_known(L);
  return o != NULL && o->warnings.queue != NULL ? ti_owner_warnings_give(L, &o->warnings) : LUA_OK;
}

void tide_warnings(lua_State *L) {
  if (ti_owner_warn(L) != LUA_OK) lua_error(L);
}
