/*
** codec/unpack_function: functions of a message to Lua.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <string.h>

#include "codec/private_globals.h"
#include "codec/function_load.h"
#include "codec/reftype.h"
#include "codec/unpack_impl.h"

enum { UPVALUE_LEAST = 2 }; /* bytes: its tag, and a value */

/* Reads upvalue i of the function at f. A cell that several functions share is remembered as the
** function that had it first (under its offset) and its number there (under minus its offset).
** [-0, +0, e] */
static void unpack_upvalue(struct ti_unpacker *U, int f, int i) {
  lua_State *L = U->L;
  size_t offset = (size_t)(U->c.p - U->c.base);
  unsigned byte = ti_buffer_get_u8(&U->c);
  if (WIRE_TAG(byte) == WIRE_UPREF) {
    lua_Integer at = ti_unpack_offset(U);
    int number;
    ti_unpack_recall(U, -at, LUA_TNUMBER);
    number = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    ti_unpack_recall(U, at, LUA_TFUNCTION);
    lua_upvaluejoin(L, f, i, -1, number);
    lua_pop(L, 1);
  } else if (WIRE_TAG(byte) == WIRE_UPVALUE) {
    if (byte & WIRE_SHARED) {
      lua_pushvalue(L, f);
      ti_unpack_remember(U, offset);
      lua_pop(L, 1);
      lua_pushinteger(L, i);
      lua_rawseti(L, U->shared, -(lua_Integer)offset);
    }
    ti_unpack_value(U);
    lua_setupvalue(L, f, i);
  } else {
    ti_unpack_damaged(U, "no upvalue");
  }
}

void ti_unpack_function_get(struct ti_unpacker *U, size_t offset, bool shared) {
  lua_State *L = U->L;
  const struct ti_message_part *part = ti_unpack_part(U);
  struct ti_code *c = (struct ti_code *)part->object;
  int f;
  if (part->type != &ti_code_part) ti_unpack_damaged(U, "a part that is no code");
  if (ti_buffer_get_varint(&U->c) != (uint64_t)c->nup || U->c.failed)
    ti_unpack_damaged(U, "a wrong number of upvalues");
  ti_unpack_claim(U, UPVALUE_LEAST * (uint64_t)c->nup);
  ti_function_load_push(L, c, U->xidx);
  f = lua_gettop(L);
  if (shared) ti_unpack_remember(U, offset);
  for (int i = 1; i <= c->nup; i++) {
    U->claimed -= UPVALUE_LEAST;
    unpack_upvalue(U, f, i);
  }
  for (int i = 1; U->private_list > 0 && i <= c->nup; i++)
    if (ti_bytecode_has(&c->envs, (size_t)i - 1)) ti_private_globals_note(L, U->private_list, i);
}

void ti_unpack_function_get_c(struct ti_unpacker *U, size_t offset, bool shared) {
  lua_State *L = U->L;
  const struct ti_message_part *part = ti_unpack_part(U);
  size_t n = ti_unpack_count(U);
  lua_CFunction fn;
  int f;
  if (part->type != &ti_reftype_cfunction_part)
    ti_unpack_damaged(U, "a part that is no C function");
  if (n > 255) ti_unpack_damaged(U, "too many upvalues");
  memcpy(&fn, &part->object, sizeof fn);
  luaL_checkstack(L, (int)n + 2, NULL);
  for (size_t i = 0; i < n; i++) lua_pushnil(L);
  lua_pushcclosure(L, fn, (int)n);
  f = lua_gettop(L);
  if (shared) ti_unpack_remember(U, offset);
  for (int i = 1; i <= (int)n; i++) {
    ti_unpack_claimed(U, 1);
    lua_setupvalue(L, f, i);
  }
}
