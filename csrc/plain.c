/*
** tidepool, floor 2: plain, calls and results as most are, written the short way.
**
** SPDX-License-Identifier: MIT
*/
#include "plain.h"

#include <string.h>

#include "func.h"
#include "lend.h"
#include "names.h"
#include "wire.h"

enum {
  MAX_STRING = 64, /* bytes; of longer ones the other way is to write a second as a reference */
  MAX_UPVALUES = 8
};

static bool put_string(lua_State *L, int idx, struct bytes *b) {
  size_t len;
  const char *s = lua_tolstring(L, idx, &len);
  if (len > MAX_STRING) return false;
  tide_bytes_put_u8(b, WIRE_STRING);
  tide_bytes_put_varint(b, len);
  tide_bytes_put(b, s, len);
  return true;
}

static void put_number(lua_State *L, int idx, struct bytes *b) {
  if (lua_isinteger(L, idx)) {
    tide_bytes_put_u8(b, WIRE_INT);
    tide_bytes_put_varint(b, WIRE_ZIGZAG(lua_tointeger(L, idx)));
  } else {
    lua_Number f = lua_tonumber(L, idx);
    uint64_t bits;
    memcpy(&bits, &f, sizeof bits);
    tide_bytes_put_u8(b, WIRE_FLOAT);
    tide_bytes_put_u64(b, bits);
  }
}

/* False if the value is not plain; then it may have been put in part. */
static bool put_value(lua_State *L, int idx, struct bytes *b) {
  switch (lua_type(L, idx)) {
    case LUA_TNIL: tide_bytes_put_u8(b, WIRE_NIL); return true;
    case LUA_TBOOLEAN:
      tide_bytes_put_u8(b, lua_toboolean(L, idx) ? WIRE_TRUE : WIRE_FALSE);
      return true;
    case LUA_TNUMBER: put_number(L, idx, b); return true;
    case LUA_TSTRING: return put_string(L, idx, b);
    case LUA_TLIGHTUSERDATA:
      tide_bytes_put_u8(b, WIRE_POINTER);
      tide_bytes_put_u64(b, (uint64_t)(uintptr_t)lua_touserdata(L, idx));
      return true;
    default: return false;
  }
}

/* Upvalue i of the function at idx, which c says is its environment. */
static bool put_globals(lua_State *L, int idx, int i, struct bytes *b) {
  bool globals;
  lua_getupvalue(L, idx, i);
  lua_pushglobaltable(L);
  globals = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  tide_bytes_put_u8(b, WIRE_GLOBALS);
  return globals;
}

static bool put_upvalues(lua_State *L, int idx, const struct code *c, struct bytes *b) {
  const void *cells[MAX_UPVALUES];
  for (int i = 0; i < c->nup; i++) {
    bool plain;
    cells[i] = c->nup > 1 ? lua_upvalueid(L, idx, i + 1) : NULL;
    for (int j = 0; j < i; j++) /* debug.upvaluejoin */
      if (cells[j] == cells[i]) return false;
    tide_bytes_put_u8(b, WIRE_UPVALUE);
    if (i + 1 == c->env) {
      plain = put_globals(L, idx, i + 1, b);
    } else {
      lua_getupvalue(L, idx, i + 1);
      plain = put_value(L, -1, b);
      lua_pop(L, 1);
    }
    if (!plain) return false;
  }
  return true;
}

/* Puts the Lua function at idx with its code as part `part`; the code, borrowed, or NULL if it is
** not plain. The transfer userdata is at xidx. */
static struct code *put_function(lua_State *L, int idx, int xidx, struct bytes *b, size_t part) {
  struct code *c = tide_func_known(L, idx, xidx);
  if (c == NULL && !tide_names_maybe(L, idx, xidx)) c = tide_func_find(L, idx, xidx);
  if (c == NULL || c->nglobals > 0 || c->nup > MAX_UPVALUES) return NULL;
  tide_bytes_put_u8(b, WIRE_FUNCTION);
  tide_bytes_put_varint(b, part);
  tide_bytes_put_varint(b, (uint64_t)c->nup);
  return put_upvalues(L, idx, c, b) ? c : NULL;
}

bool tide_plain_pack(lua_State *L, struct message *m, int n, bool call) {
  struct bytes *b = &m->bytes;
  size_t start = b->len, part = m->nparts;
  int end = lua_gettop(L), first = end - n, i = first;
  struct transfer *x = (struct transfer *)lua_touserdata(L, end);
  struct code *c = NULL;
  bool plain = true;
  if (!lua_checkstack(L, 8)) return false;
  if (x != NULL) tide_lend_look(L, x, end);
  tide_bytes_put_varint(b, (uint64_t)n);
  if (call && lua_isfunction(L, i)) {
    if (x != NULL && !lua_iscfunction(L, i)) c = put_function(L, i, end, b, part);
    plain = c != NULL;
    i++;
  }
  for (; plain && i < end; i++) plain = put_value(L, i, b);
  tide_bytes_put_u8(b, WIRE_END);
  if (plain && c != NULL) /* last: nothing is to be given back if the rest is not plain */
    plain =
        tide_message_addpart(m, &tide_code_part, tide_transfer_spend(x, c), tide_code_rele, &part);
  if (!plain || b->failed) {
    lua_settop(L, end);
    b->len = start;
    return false;
  }
  lua_settop(L, first - 1);
  return true;
}
