/*
** codec/pack_function: functions into a message.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>

#include "codec/function.h"
#include "codec/module_filter.h"
#include "codec/cfunction.h"
#include "codec/cfunction_index.h"
#include "codec/pack_impl.h"
#include "codec/reftype.h"

/* Puts the C function at idx as its address, which is `object`, and its upvalues. */
static void pack_address(struct ti_packer *P, int idx, void *object,
                         const struct ti_value_path *up) {
  lua_State *L = P->L;
  int n = 0;
  ti_pack_tag(P, WIRE_CFUNCTION);
  ti_pack_part(P, &ti_reftype_cfunction_part, object, NULL);
  while (lua_getupvalue(L, idx, n + 1) != NULL) {
    n++;
    lua_pop(L, 1);
  }
  ti_buffer_put_varint(P->b, (uint64_t)n);
  for (int i = 1; i <= n; i++) {
    struct ti_value_path at = {up, STEP_UPVALUE, 0, i, NULL};
    lua_getupvalue(L, idx, i);
    ti_pack_value(P, lua_gettop(L), &at);
    lua_pop(L, 1);
  }
}

#define OR_ADDRESS \
  ", or send C functions by their address (cfunctions), if this one may run in any thread"

/* Raises why the C function at idx cannot be sent. Its path is on top, or nil. [-0, +0, e] */
static void refuse_cfunction(struct ti_packer *P, int idx, const struct ti_value_path *up) {
  lua_State *L = P->L;
  if (lua_isstring(L, -1)) {
    lua_pushvalue(L, -1);
    ti_cfunction_words(L);
    lua_pushvalue(L, -2);
    ti_cfunction_owner(L);
    ti_value_path_refuse(L, up,
                         "cannot send the C function '%s': workers do not have %s, which only this "
                         "program has: " CFUNCTION_ADVICE OR_ADDRESS,
                         lua_tostring(L, -2), lua_tostring(L, -1));
  }
  if (lua_getupvalue(L, idx, 1) != NULL && lua_isthread(L, -1))
    ti_value_path_refuse(L, up, "cannot send a coroutine (a function of coroutine.wrap)");
  ti_value_path_refuse(
      L, up,
      "cannot send a C function that the other side does not find by a name: make it "
      "there, " CFUNCTION_ADVICE OR_ADDRESS);
}

/* Returns whether an upvalue of the C function at idx is a userdata or a coroutine. Such a function
** is sent by its path rather than by its address. [-0, +0, -] */
static bool holds_object(lua_State *L, int idx) {
  bool holds = false;
  for (int i = 1; !holds && lua_getupvalue(L, idx, i) != NULL; i++) {
    holds = lua_type(L, -1) == LUA_TUSERDATA || lua_isthread(L, -1);
    lua_pop(L, 1);
  }
  return holds;
}

/* Puts the C function at idx, which has no module name. */
static void pack_cfunction(struct ti_packer *P, int idx, const struct ti_value_path *up) {
  lua_State *L = P->L;
  const struct ti_pack_rules *rules = P->rules;
  lua_CFunction fn = lua_tocfunction(L, idx);
  bool allowed = rules->cfunction != NULL && rules->cfunction(fn, rules->ud) != 0;
  void *object;
  memcpy(&object, &fn, sizeof object);
  if (allowed && !(rules->named && holds_object(L, idx))) {
    pack_address(P, idx, object, up);
    return;
  }
  ti_cfunction_index_refresh(L, P->xidx, false);
  if (!ti_cfunction_find(L, idx, P->xidx)) {
    if (allowed) {
      pack_address(P, idx, object, up);
      return;
    }
    ti_cfunction_index_refresh(L, P->xidx, true);
    if (!ti_cfunction_find(L, idx, P->xidx)) lua_pushnil(L);
  }
  if (!lua_isstring(L, -1) || !(rules->named || ti_cfunction_required(lua_tostring(L, -1))))
    refuse_cfunction(P, idx, up);
  lua_pop(L, 1);
  (void)ti_pack_name_path(P, idx, object);
}

/* Keeps the cell of upvalue i of the function at f alive, whose address the memo knows, whatever
** becomes of the function: makes it the one upvalue of an empty chunk, and keeps that.
** [-0, +0, e] */
static void keep_cell(struct ti_packer *P, int f, int i) {
  lua_State *L = P->L;
  if (luaL_loadbufferx(L, "", 0, "=tidepool", "t") != LUA_OK) lua_error(L);
  lua_upvaluejoin(L, -1, 1, f, i);
  ti_pack_guard_keep(P);
}

static void pack_luafunction(struct ti_packer *P, int idx, struct ti_code *c,
                             const struct ti_value_path *up) {
  lua_State *L = P->L;
  size_t part = ti_memo_add(&P->memo, c, P->m->nparts);
  ti_pack_tag(P, WIRE_FUNCTION);
  if (part == MEMO_FULL) ti_pack_no_memory(P);
  if (part == MEMO_NEW)
    ti_pack_part(P, &ti_code_part, ti_code_hold(c), ti_code_release);
  else
    ti_buffer_put_varint(P->b, part);
  ti_buffer_put_varint(P->b, (uint64_t)c->nup);
  for (int i = 1; i <= c->nup; i++) {
    struct ti_value_path at = {up, STEP_UPVALUE, 0, i, NULL};
    bool env;
    at.text = lua_getupvalue(L, idx, i);
    env = i == c->env && ti_function_is_env(L, at.text);
    if (env) ti_pack_globals_note(P, c); /* also where its cell is shared with another function */
    /* `local G = _G`, which the code was followed for */
    env = env || (lua_topointer(L, -1) == P->env && ti_bytecode_has(&c->envs, (size_t)i - 1));
    if (!ti_pack_known(P, lua_upvalueid(L, idx, i), WIRE_UPREF)) {
      struct ti_pack_opened cell = {P->opened, P->b->len};
      if (P->guarded) keep_cell(P, idx, i);
      ti_pack_tag(P, WIRE_UPVALUE);
      P->opened = &cell;
      if (env)
        ti_pack_tag(P, WIRE_GLOBALS);
      else
        ti_pack_value(P, lua_gettop(L), &at);
      P->opened = cell.outer;
    }
    lua_pop(L, 1);
  }
  if (c->env == 0 &&
      c->nglobals > 0) { /* it gets the table of globals otherwise than by an upvalue */
    lua_pushglobaltable(L);
    ti_pack_globals_note(P, c);
    lua_pop(L, 1);
  }
  if (c->loose) P->loose = true;
}

void ti_pack_function_put(struct ti_packer *P, int idx, const struct ti_value_path *up) {
  const void *address = lua_topointer(P->L, idx);
  struct ti_code *c;
  if (ti_pack_backref(P, idx, address)) return;
  if (lua_iscfunction(P->L, idx)) {
    if (!ti_pack_name_put(P, idx, address)) pack_cfunction(P, idx, up);
    return;
  }
  c = ti_function_known(P->L, idx, P->xidx);
  if (c != NULL && ti_function_moved(P->L, idx, c)) c = ti_function_code(P->L, idx, P->xidx);
  /* Code that was sent before is no module's. This is checked first because it takes less time than
  ** to bring the index of names up to date. */
  if (c == NULL && !ti_module_filter_maybe(P->x, address))
    c = ti_function_find(P->L, idx, P->xidx, false);
  if (c == NULL || c->library) {
    if (ti_pack_name_put(P, idx, address)) return;
    c = ti_function_known(P->L, idx, P->xidx); /* the index may have flushed the code */
    if (c == NULL) c = ti_function_code(P->L, idx, P->xidx);
  }
  pack_luafunction(P, idx, c, up);
}
