/*
** codec/unpack_string: strings of a message to Lua.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <string.h>

#include "codec/borrow.h"
#include "codec/unpack_impl.h"

const char *ti_unpack_string_get(struct ti_unpacker *U, size_t *len) {
  *len = ti_unpack_count(U);
  U->claimed -= *len;
  return (const char *)ti_buffer_get(&U->c, *len);
}

/* Returns where the place of `offset` is, or would be. */
static size_t place_of(const struct ti_unpacker *U, size_t offset) {
  size_t i = (offset * 0x9E3779B97F4A7C15u >> 32) % UNPACK_PLACES;
  while (U->places[i].offset != 0 && U->places[i].offset != offset) i = (i + 1) % UNPACK_PLACES;
  return i;
}

void ti_unpack_string_remember(struct ti_unpacker *U, size_t offset) {
  size_t i;
  if (U->slots == 0 || U->nslots == UNPACK_SLOTS || offset > UINT32_MAX) {
    ti_unpack_remember(U, offset);
    return;
  }
  i = place_of(U, offset);
  U->places[i].offset = (uint32_t)offset;
  U->places[i].idx = U->slots + U->nslots++;
  lua_copy(U->L, -1, U->places[i].idx);
}

void ti_unpack_string_backref(struct ti_unpacker *U) {
  lua_Integer offset = ti_unpack_offset(U);
  if (U->slots > 0) {
    size_t i = place_of(U, (size_t)offset);
    if (U->places[i].offset != 0) {
      lua_pushvalue(U->L, U->places[i].idx);
      return;
    }
  }
  ti_unpack_recall(U, offset, LUA_TNONE);
}

struct pinned {
  const char *data;
  size_t len;
};

static int push_pinned(lua_State *L) {
  const struct pinned *p = (const struct pinned *)lua_touserdata(L, 1);
  lua_pushlstring(L, p->data, p->len);
  return 1;
}

/* Pushes a string whose bytes this thread has pinned, and unpins it. Neither finalizers nor hooks
** may run meanwhile (borrowed.h). So the collector is paused, and an error is raised afterwards.
** [-0, +1, m] */
static void push_and_unpin(lua_State *L, struct ti_borrowed *borrowed, const char *data) {
  enum { GC_CREDIT = 1 << 20 }; /* KiB: more than one string */
  struct pinned p = {data, borrowed->len};
  bool collects = lua_gc(L, LUA_GCISRUNNING) == 1;
  int status;
  if (collects) lua_gc(L, LUA_GCSTEP, -GC_CREDIT);
  lua_pushcfunction(L, push_pinned);
  lua_pushlightuserdata(L, &p);
  status = lua_pcall(L, 1, 1, 0);
  ti_borrowed_done(borrowed);
  if (collects) lua_gc(L, LUA_GCSTEP, GC_CREDIT);
  if (status != LUA_OK) lua_error(L);
}

/* Does the same by way of one more copy, in a state with a hook for calls: that would run while the
** string is pinned. [-0, +1, m] */
static void push_with_hook(lua_State *L, struct ti_borrowed *borrowed) {
  char *copy = (char *)lua_newuserdatauv(L, borrowed->len, 0);
  bool pinned;
  const char *data = ti_borrowed_read(borrowed, &pinned);
  if (data != NULL) memcpy(copy, data, borrowed->len);
  if (pinned) ti_borrowed_done(borrowed);
  if (data == NULL) luaL_error(L, "not enough memory");
  lua_pushlstring(L, copy, borrowed->len);
  lua_remove(L, -2);
}

void ti_unpack_string_borrowed(struct ti_unpacker *U) {
  const struct ti_message_part *part = ti_unpack_part(U);
  struct ti_borrowed *borrowed = (struct ti_borrowed *)part->object;
  const char *data;
  bool pinned;
  if (part->type != &ti_borrowed_part) ti_unpack_damaged(U, "a part that is no string");
  if (ti_borrow_push_own(U->L, borrowed, U->xidx)) return;
  if (borrowed->moves && (lua_gethookmask(U->L) & (LUA_MASKCALL | LUA_MASKRET)) != 0) {
    push_with_hook(U->L, borrowed);
    return;
  }
  data = ti_borrowed_read(borrowed, &pinned);
  if (data == NULL) luaL_error(U->L, "not enough memory");
  if (pinned)
    push_and_unpin(U->L, borrowed, data);
  else
    lua_pushlstring(U->L, data, borrowed->len);
}
