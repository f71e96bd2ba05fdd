/*
** vm/worker_state_open: opening the lua_State of a worker.
**
** SPDX-License-Identifier: MIT
*/
#include "vm/worker_state_impl.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "codec/globals.h"
#include "luautil/library_copy.h"
#include "vm/worker_calls.h"
#include "vm/worker_coroutine.h"
#include "vm/worker_io.h"

struct opening {
  struct ti_worker_state *vm;
  struct ti_stop_token *stop;
  const char *what; /* the current step, for the message if it fails */
  struct ti_package_paths *paths;
  const struct ti_worker_calls *given;
};

/* Protected: opens the state. */
static int open_body(lua_State *L) {
  struct opening *o = (struct opening *)lua_touserdata(L, 1);
  struct ti_worker_state *vm = o->vm;
  struct ti_codec_state *x;
  luaL_checkversion(L);
  ti_interrupt_open(&vm->interrupt, L, o->stop);
  ti_interrupt_begin(&vm->interrupt);
  lua_setwarnf(L, ti_worker_lib_warn, &vm->warn);
  luaL_openlibs(L);
  ti_lua_random_open(&vm->random, L);
  ti_worker_lib_open(L);
  ti_worker_io_open(L);
  if (vm->cfg->copy != NULL) ti_library_copy_claim(L, vm->cfg->copy, NULL);
  ti_worker_coroutine_open(L, &vm->interrupt);
  ti_worker_debug_open(L, &vm->debug, &vm->interrupt);
  lua_pushlightuserdata(L, vm);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &ti_worker_state_key);
  vm->rules.cfunction = vm->cfg->cfunction;
  vm->rules.ud = vm->cfg->ud;
  vm->rules.named = true;
  vm->rules.objects = vm->cfg->open_state != NULL;
  x = ti_codec_state_get(L);
  x->rules = &vm->rules;
  if (vm->cfg->alloc == NULL) x->alloc = &vm->alloc;
  lua_settop(L, 1);
  if (vm->cfg->open_state != NULL) {
    o->what = "open_state failed";
    vm->cfg->open_state(L, vm->cfg->ud);
    lua_settop(L, 1);
  }
  o->what = "cannot set package.path";
  ti_worker_state_use_paths(vm, o->paths);
  ti_globals_own(L, vm->cfg->open_state == NULL);
  ti_worker_calls_run(L, o->given, &vm->random, &o->what);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &ti_worker_state_final_key);
  if (o->given->both != NULL || o->given->final != NULL) ti_globals_own(L, false);
  vm->opened = true;
  o->what = "a new state holds more than memory_limit allows";
  if (vm->cfg->memory_limit > 0 && ti_memory_limit_used(L) > vm->cfg->memory_limit)
    luaL_error(L, "%d bytes", (int)ti_memory_limit_used(L));
  ti_worker_debug_opened(L, &vm->debug);
  ti_worker_lib_warn_opened(&vm->warn);
  return 0;
}

/* Returns a copy of the string on top. Calls nothing in Lua that may raise. */
static char *copy_error(struct ti_worker_state *vm, size_t *size) {
  size_t len = 0;
  const char *s = lua_type(vm->L, -1) == LUA_TSTRING ? lua_tolstring(vm->L, -1, &len) : "";
  char *copy = (char *)ti_alloc_new(vm->cfg->mem, len + 1);
  *size = len + 1;
  if (copy != NULL) memcpy(copy, s, len + 1);
  return copy;
}

bool ti_worker_state_open_lua(struct ti_worker_state *vm, struct ti_stop_token *stop,
                              struct ti_package_paths *paths, const struct ti_worker_calls *given,
                              char **why, size_t *whysize) {
  struct opening o = {vm, stop, "cannot open a worker", paths, given};
  lua_State *L = vm->L;
  int status;
  lua_pushcfunction(L, open_body);
  lua_pushlightuserdata(L, &o);
  status = lua_pcall(L, 1, 0, 0);
  ti_interrupt_end(&vm->interrupt);
  if (status == LUA_OK) {
    lua_settop(L, 0);
    return true;
  }
  if (status != LUA_ERRMEM) {
    /* Not a message handler: that would need another protected call around open_body, whose
    ** frames decide whether the stack of an idle worker takes two pages or three. */
    lua_pushcfunction(L, ti_worker_calls_why);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, (void *)(uintptr_t)o.what);
    lua_insert(L, -2);
    status = lua_pcall(L, 2, 1, 0);
  }
  /* Lack of memory, also for the message, is no fault of what opens the state, so there is no
  ** reason. */
  if (status != LUA_ERRMEM) *why = copy_error(vm, whysize);
  return false;
}
