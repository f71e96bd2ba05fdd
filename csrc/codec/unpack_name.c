/*
** codec/unpack_name: module names and paths of a message to Lua.
**
** SPDX-License-Identifier: MIT
*/
#include <string.h>

#include "codec/cfunction.h"
#include "codec/module_names.h"
#include "codec/module_values.h"
#include "codec/reftype.h"
#include "codec/unpack_impl.h"

const char *ti_unpack_name_get_path(struct ti_unpacker *U, size_t *len, lua_CFunction *fn) {
  uint64_t i = ti_buffer_get_varint(&U->c);
  const char *path;
  *fn = NULL;
  if (i != WIRE_NO_PART) {
    const struct ti_message_part *part;
    if (U->c.failed || i >= U->m->nparts) ti_unpack_damaged(U, "no such part");
    part = ti_message_part(U->m, (size_t)i);
    if (part->type != &ti_reftype_cfunction_part)
      ti_unpack_damaged(U, "a part that is no C function");
    memcpy(fn, &part->object, sizeof *fn);
  }
  path = ti_unpack_string_get(U, len);
  if (path == NULL || *len < 2) ti_unpack_damaged(U, "no path");
  return path;
}

void ti_unpack_name_path(struct ti_unpacker *U) {
  size_t len;
  lua_CFunction fn;
  const char *path = ti_unpack_name_get_path(U, &len, &fn);
  ti_cfunction_resolve(U->L, path, len, fn, U->xidx);
}

void ti_unpack_name_either(struct ti_unpacker *U, size_t offset, bool shared) {
  size_t len;
  const char *name = ti_unpack_string_get(U, &len);
  unsigned byte = ti_buffer_get_u8(&U->c), tag = WIRE_TAG(byte);
  if (tag == WIRE_FUNCTION)
    ti_unpack_function_get(U, offset, shared);
  else if (tag == WIRE_TABLE || tag == WIRE_TABLE_INTS || tag == WIRE_TABLE_FLOATS)
    ti_unpack_table_get(U, (byte & ~WIRE_SHARED) | (shared ? WIRE_SHARED : 0), offset);
  else
    ti_unpack_damaged(U, "no table or function beside a name");
  if (ti_module_values_prefer(U->L, name, len, U->xidx) && shared) ti_unpack_remember(U, offset);
}
