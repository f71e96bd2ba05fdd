/*
** codec/unpack_globals: the globals of a message.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/globals.h"
#include "codec/private_globals.h"
#include "codec/unpack_impl.h"

/* Skips a path that comes for a global which the state has itself, or which its initializer may
** set: the path may lead to nothing here. Returns false, and reads nothing, if it is not so.
** [-0, +0, e] */
static bool unpack_own(struct ti_unpacker *U, const char *name, size_t len) {
  lua_State *L = U->L;
  size_t offset = (size_t)(U->c.p - U->c.base), pathlen;
  lua_CFunction fn;
  unsigned byte = offset < U->m->bytes.len ? *U->c.p : (unsigned)WIRE_END;
  const struct ti_codec_state *x = (const struct ti_codec_state *)lua_touserdata(L, U->xidx);
  if (WIRE_TAG(byte) != WIRE_PATH) return false;
  if (!(x->opening && x->worker) && !ti_globals_keeps(L, U->xidx, name, len)) return false;
  U->c.p++;
  (void)ti_unpack_name_get_path(U, &pathlen, &fn);
  if (byte & WIRE_SHARED) {
    lua_pushglobaltable(L);
    lua_pushlstring(L, name, len);
    lua_rawget(L, -2);
    ti_unpack_remember(U, offset);
    lua_pop(L, 2);
  }
  return true;
}

void ti_unpack_globals_get(struct ti_unpacker *U) {
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(U->L, U->xidx);
  lua_Integer serial =
      ++x->serial; /* a function that rebuilds a value may unpack another message */
  unsigned byte = ti_buffer_get_u8(&U->c);
  bool loose;
  for (; !U->c.failed && WIRE_TAG(byte) == WIRE_STRING; byte = ti_buffer_get_u8(&U->c)) {
    size_t len;
    const char *name;
    if (U->allowed == UNPACK_DATA) ti_unpack_refuse(U, "a global");
    name = ti_unpack_string_get(U, &len);
    if (unpack_own(U, name, len)) continue;
    ti_unpack_value(U);
    if (U->private_list > 0)
      ti_private_globals_put(U->L, U->private_list, U->xidx, name, len);
    else
      ti_globals_install(U->L, U->xidx, serial, name, len);
  }
  loose = WIRE_TAG(byte) == WIRE_LOOSE;
  if (loose) byte = ti_buffer_get_u8(&U->c);
  if (U->c.failed || WIRE_TAG(byte) != WIRE_END) ti_unpack_damaged(U, "no end");
  if (U->private_list > 0)
    ti_private_globals_finish(U->L, U->private_list);
  else
    ti_globals_sweep(U->L, U->xidx, serial, U->m, loose);
}
