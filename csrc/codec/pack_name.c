/*
** codec/pack_name: module names and paths into a message.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>

#include "codec/cfunction.h"
#include "codec/cfunction_index.h"
#include "codec/module_changes.h"
#include "codec/module_filter.h"
#include "codec/module_names.h"
#include "codec/module_values.h"
#include "codec/pack_impl.h"
#include "codec/reftype.h"

/* Classifies the open table or function at idx. One with a __transfer is sent as that says, not by
** name. [-0, +0, m] */
static enum ti_module_value classify(struct ti_packer *P, int idx) {
  if (lua_istable(P->L, idx) && luaL_getmetafield(P->L, idx, "__transfer") != LUA_TNIL) {
    lua_pop(P->L, 1);
    return MODULE_VALUE_SCRIPT;
  }
  return ti_module_values_classify(P->L, idx, P->xidx);
}

void ti_pack_name_index(struct ti_packer *P) {
  if (!P->indexed) {
    if (ti_module_changes_any(P->L, P->xidx)) {
      ti_pack_guard_require(P); /* package.searchpath may be the script's own */
      ti_pack_guard_lua_begin(P);
      ti_module_changes_apply(P->L, P->xidx);
      ti_pack_guard_lua_end(P);
    }
    P->indexed = true;
    if (P->rules->objects) ti_cfunction_index_refresh(P->L, P->xidx, false);
  }
}

bool ti_pack_name_put(struct ti_packer *P, int idx, const void *address) {
  size_t len;
  const char *name;
  enum ti_module_value kind = MODULE_VALUE_OTHER;
  ti_pack_name_index(P);
  if (!ti_module_filter_maybe(P->x, address)) return false;
  switch (ti_module_names_find(P->L, idx, P->xidx)) {
    case NAMES_NONE:
      return P->rules->objects && !lua_isfunction(P->L, idx) && ti_pack_name_path(P, idx, NULL);
    case NAMES_OWN: break;
    case NAMES_OPEN: kind = classify(P, idx);
  }
  if (kind != MODULE_VALUE_SCRIPT) {
    name = lua_tolstring(P->L, -1, &len) + 1;
    ti_pack_tag(P, kind == MODULE_VALUE_DATA ? WIRE_EITHER : WIRE_NAME);
    ti_buffer_put_varint(P->b, len - 1);
    ti_buffer_put(P->b, name, len - 1);
  }
  lua_pop(P->L, 1);
  return kind == MODULE_VALUE_OTHER;
}

bool ti_pack_name_path(struct ti_packer *P, int idx, void *fn) {
  size_t len;
  const char *path;
  if (!ti_cfunction_find(P->L, idx, P->xidx)) return false;
  path = lua_tolstring(P->L, -1, &len);
  ti_pack_tag(P, WIRE_PATH);
  if (fn != NULL)
    ti_pack_part(P, &ti_reftype_cfunction_part, fn, NULL);
  else
    ti_buffer_put_varint(P->b, WIRE_NO_PART);
  ti_buffer_put_varint(P->b, len);
  ti_buffer_put(P->b, path, len);
  lua_pop(P->L, 1);
  return true;
}
