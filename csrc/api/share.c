/*
** api/share: a value packed once for many states.
**
** A share is a message that never changes, with two counts. Its users are what may still bring the
** value to a state: handles, messages, hosts. Workers retain handles between tasks as long as there
** are users. A retained handle is no user; else two idle workers would retain it for each other.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>

#include "api/executor.h"
#include "vm/retained.h"
#include "codec/pack.h"
#include "util/refcount.h"
#include "codec/unpack.h"

struct tide_share {
  struct ti_refcount ref; /* A: users and retained handles */
  atomic_size_t users; /* A; relaxed: a hint to workers, whose retained handles hold a reference */
  struct ti_message msg; /* I */
};

static tide_share *hold(tide_share *s) {
  ti_refcount_hold(&s->ref);
  return s;
}

static void release(tide_share *s) {
  if (!ti_refcount_release(&s->ref)) return;
  ti_message_fini(&s->msg);
  ti_alloc_free(&ti_alloc_default, s, sizeof *s);
}

tide_share *tide_share_hold(tide_share *s) {
  atomic_fetch_add_explicit(&s->users, 1, memory_order_relaxed);
  return hold(s);
}

void tide_share_rele(tide_share *s) {
  if (s == NULL) return;
  atomic_fetch_sub_explicit(&s->users, 1, memory_order_relaxed);
  release(s);
}

tide_share *tide_share_new(lua_State *L) {
  tide_share *s;
  luaL_checkstack(L, 8, NULL); /* now, as an error below would leak s */
  s = (tide_share *)ti_alloc_new(&ti_alloc_default, sizeof *s);
  if (s == NULL) luaL_error(L, "not enough memory");
  ti_refcount_init(&s->ref);
  atomic_init(&s->users, 1);
  ti_message_init(&s->msg, &ti_alloc_default);
  if (ti_pack_values(L, &s->msg, 1, PACK_SHARED) != LUA_OK) {
    tide_share_rele(s);
    lua_error(L);
  }
  return s;
}

void tide_share_unpack(lua_State *L, const tide_share *s) { ti_unpack_private(L, &s->msg); }

/* ----------------------------------------------------------------- retaining -- */

static bool is_wanted(const void *object) {
  const tide_share *s = (const tide_share *)object;
  return atomic_load_explicit(&s->users, memory_order_relaxed) > 0;
}

static void drop(void *object) { release((tide_share *)object); }

static const struct ti_retained_type retained = {is_wanted, drop};

int tide_share_keep(lua_State *L, int idx, tide_share *s) {
  struct ti_retained *k = ti_worker_state_retained(L);
  if (k == NULL) return 0;
  if (!ti_retained_add(k, L, idx, &retained, s, s->msg.bytes.len))
    luaL_error(L, "not enough memory");
  hold(s); /* only now, as adding may raise an error */
  /* The caller's reference is no longer a user's. */
  atomic_fetch_sub_explicit(&s->users, 1, memory_order_relaxed);
  return 1;
}

void tide_share_unkeep(tide_share *s) {
  if (s != NULL) release(s);
}
