/*
** tidepool, floor 2: unpack_func, functions of a message to Lua.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <string.h>

#include "enclose.h"
#include "func.h"
#include "reftype.h"
#include "unpacker.h"

enum { UPVALUE_LEAST = 2 }; /* bytes */

/* An upvalue cell that several functions share is remembered as the function that has it
** (at its offset) and its number there (at minus its offset). */
static void unpack_upvalue(struct unpacker *U, int f, int i) {
  lua_State *L = U->L;
  size_t offset = (size_t)(U->c.p - U->c.base);
  unsigned byte = tide_cursor_get_u8(&U->c);
  if (WIRE_TAG(byte) == WIRE_UPREF) {
    lua_Integer at = tide_unpacker_offset(U);
    int number;
    tide_unpacker_recall(U, -at, LUA_TNUMBER);
    number = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    tide_unpacker_recall(U, at, LUA_TFUNCTION);
    lua_upvaluejoin(L, f, i, -1, number);
    lua_pop(L, 1);
  } else if (WIRE_TAG(byte) == WIRE_UPVALUE) {
    if (byte & WIRE_SHARED) {
      lua_pushvalue(L, f);
      tide_unpacker_remember(U, offset);
      lua_pop(L, 1);
      lua_pushinteger(L, i);
      lua_rawseti(L, U->shared, -(lua_Integer)offset);
    }
    tide_unpacker_value(U);
    lua_setupvalue(L, f, i);
  } else {
    tide_unpacker_damaged(U, "no upvalue");
  }
}

void tide_unpacker_function(struct unpacker *U, size_t offset, bool shared) {
  lua_State *L = U->L;
  const struct part *part = tide_unpacker_part(U);
  struct code *c = (struct code *)part->object;
  int f;
  if (part->type != &tide_code_part) tide_unpacker_damaged(U, "a part that is no code");
  if (tide_cursor_get_varint(&U->c) != (uint64_t)c->nup || U->c.failed)
    tide_unpacker_damaged(U, "a wrong number of upvalues");
  tide_unpacker_owe(U, UPVALUE_LEAST * (uint64_t)c->nup);
  tide_func_push(L, c, U->transfer);
  f = lua_gettop(L);
  if (shared) tide_unpacker_remember(U, offset);
  for (int i = 1; i <= c->nup; i++) {
    U->owed -= UPVALUE_LEAST;
    unpack_upvalue(U, f, i);
  }
  for (int i = 1; U->enclosed > 0 && i <= c->nup; i++)
    if (tide_chunk_has(&c->envs, (size_t)i - 1)) tide_enclose_note(L, U->enclosed, i);
}

void tide_unpacker_cfunction(struct unpacker *U, size_t offset, bool shared) {
  lua_State *L = U->L;
  const struct part *part = tide_unpacker_part(U);
  size_t n = tide_unpacker_count(U);
  lua_CFunction fn;
  int f;
  if (part->type != &tide_cfunction_part) tide_unpacker_damaged(U, "a part that is no C function");
  if (n > 255) tide_unpacker_damaged(U, "too many upvalues");
  memcpy(&fn, &part->object, sizeof fn);
  luaL_checkstack(L, (int)n + 2, NULL);
  for (size_t i = 0; i < n; i++) lua_pushnil(L);
  lua_pushcclosure(L, fn, (int)n);
  f = lua_gettop(L);
  if (shared) tide_unpacker_remember(U, offset);
  for (int i = 1; i <= (int)n; i++) {
    tide_unpacker_owed(U, 1);
    lua_setupvalue(L, f, i);
  }
}
