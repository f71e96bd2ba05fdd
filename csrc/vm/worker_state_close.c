/*
** vm/worker_state_close: closing the lua_State of a worker.
**
** SPDX-License-Identifier: MIT
*/
#include "vm/worker_state_impl.h"

#include "codec/outcome.h"

/* Protected: calls the finalizer of the message. */
static int final_body(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &ti_worker_state_final_key) == LUA_TNIL) return 0;
  lua_call(L, 0, 0);
  return 0;
}

/* Protected: calls the finalizer of the configuration. */
static int host_final_body(lua_State *L) {
  const struct ti_worker_state *vm = (const struct ti_worker_state *)lua_touserdata(L, 1);
  vm->cfg->finalizer(L, vm->cfg->ud);
  return 0;
}

/* Calls one of the two. Its error becomes a warning. [-0, +0, -] */
static void finalize(struct ti_worker_state *vm, lua_CFunction body) {
  lua_State *L = vm->L;
  vm->traceback.len = 0;
  lua_settop(L, 0);
  lua_pushcfunction(L, ti_worker_state_handler);
  lua_pushcfunction(L, body);
  lua_pushlightuserdata(L, vm);
  if (lua_pcall(L, 1, 0, 1) != LUA_OK) {
    lua_pushcfunction(L, ti_outcome_warn_final);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, &vm->traceback);
    (void)lua_pcall(L, 2, 0, 0); /* without memory for its text there is no warning */
  }
  lua_settop(L, 0);
}

/* Protected: calls close_state. */
static int close_body(lua_State *L) {
  const struct ti_worker_state *vm = (const struct ti_worker_state *)lua_touserdata(L, 1);
  vm->cfg->close_state(L, vm->cfg->ud);
  return 0;
}

void ti_worker_state_close_lua(struct ti_worker_state *vm) {
  lua_State *L = vm->L;
  vm->closing = true;
  if (vm->interrupt.main != NULL)
    ti_interrupt_begin(&vm->interrupt); /* until the last finalizer has run */
  if (vm->opened) {
    finalize(vm, final_body);
    if (vm->cfg->finalizer != NULL) finalize(vm, host_final_body);
  }
  if (vm->cfg->close_state != NULL) {
    lua_pushcfunction(L, close_body);
    lua_pushlightuserdata(L, vm);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK && vm->cfg->warn != NULL)
      vm->cfg->warn("tidepool: error in close_state", vm->cfg->ud);
  }
  lua_close(L);
  /* a signal for a state that was requested to end may come until the caller has left */
  if (vm->interrupt.main != NULL) ti_stop_token_set_hook(vm->interrupt.stop, NULL, NULL);
}
