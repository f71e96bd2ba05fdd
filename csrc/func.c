/*
** tidepool, floor 2: func, Lua functions to code and back.
**
** SPDX-License-Identifier: MIT
*/
#include "func.h"

#include <lauxlib.h>

#include "chunk.h"
#include "error.h"
#include "names.h"

struct code *tide_func_known(lua_State *L, int idx, int xidx) {
  struct code *c;
  idx = lua_absindex(L, idx);
  tide_transfer_table(L, xidx, TRANSFER_CODES);
  lua_pushvalue(L, idx);
  lua_rawget(L, -2);
  c = (struct code *)lua_touserdata(L, -1);
  lua_pop(L, 2);
  return c;
}

static int dump_writer(lua_State *L, const void *p, size_t n, void *ud) {
  struct bytes *b = (struct bytes *)ud;
  (void)L;
  tide_bytes_put(b, p, n);
  return b->failed;
}

bool tide_func_isenv(lua_State *L, const char *name) {
  bool globals;
  lua_pushglobaltable(L);
  globals = lua_rawequal(L, -1, -2);
  lua_pop(L, 1);
  if (globals) return true;
  if (name == NULL || strcmp(name, "_ENV") != 0 || !lua_istable(L, -1) ||
      luaL_getmetafield(L, -1, "__index") == LUA_TNIL)
    return false;
  lua_pop(L, 1);
  return true;
}

/* Number (from 1) of the upvalue that is its environment, 0 if none is. [-0, +0, m] */
static int find_env(lua_State *L, int idx, int *nup) {
  int env = 0, n = 0;
  const char *name;
  while ((name = lua_getupvalue(L, idx, n + 1)) != NULL) {
    n++;
    if (env == 0 && tide_func_isenv(L, name)) env = n;
    lua_pop(L, 1);
  }
  *nup = n;
  return env;
}

/* Copies to `to` the names that are not those of Lua's own libraries; answers their number. */
static size_t foreign_names(struct bytes *to, const struct bytes *names, size_t count) {
  struct cursor c;
  size_t n = 0;
  tide_cursor_init(&c, names->data, names->len);
  for (; count > 0; count--) {
    size_t len = (size_t)tide_cursor_get_varint(&c);
    const char *name = (const char *)tide_cursor_get(&c, len);
    if (name != NULL && !tide_names_isstandard(name, len)) {
      tide_bytes_put_varint(to, len);
      tide_bytes_put(to, name, len);
      n++;
    }
  }
  return n;
}

/* Makes the code of a dump; NULL if out of memory. Cannot raise. */
static struct code *new_code(const void *dump, size_t len, int env, int nup) {
  const struct mem *mem = &tide_mem_default;
  struct bytes all, names, factory;
  struct code *c = NULL;
  size_t count = 0, nglobals = 0;
  tide_bytes_init(&all, mem);
  tide_bytes_init(&names, mem);
  tide_bytes_init(&factory, mem);
  if (env > 0 && tide_chunk_globals(dump, len, (unsigned)(env - 1), &all, &count))
    nglobals = foreign_names(&names, &all, count);
  if (!tide_chunk_factory(dump, len, &factory)) factory.len = 0;
  if (!names.failed && !all.failed && !factory.failed) {
    size_t codelen = factory.len > 0 ? factory.len : len;
    size_t size = sizeof *c + names.len + codelen;
    c = (struct code *)tide_mem_new(mem, size);
    if (c != NULL) {
      ref_init(&c->ref);
      c->mem = mem;
      c->size = size;
      c->factory = factory.len > 0;
      c->env = env;
      c->nup = nup;
      c->nglobals = nglobals;
      c->globals_len = names.len;
      c->len = codelen;
      if (names.len > 0) memcpy(c->data, names.data, names.len);
      memcpy(c->data + names.len, factory.len > 0 ? factory.data : dump, codelen);
    }
  }
  tide_bytes_fini(&all);
  tide_bytes_fini(&names);
  tide_bytes_fini(&factory);
  return c;
}

struct code *tide_func_code(lua_State *L, int idx, int xidx) {
  struct transfer *x = (struct transfer *)lua_touserdata(L, xidx);
  struct code *c = tide_func_known(L, idx, xidx);
  int env, nup, top = lua_gettop(L);
  bool failed;
  if (c != NULL) return c;
  luaL_checkstack(L, 10, NULL);
  idx = lua_absindex(L, idx);
  env = find_env(L, idx, &nup);
  x->scratch.len = 0;
  x->scratch.failed = false;
  lua_pushvalue(L, idx);
  failed = lua_dump(L, dump_writer, &x->scratch, 0) != 0;
  tide_bytes_put_u8(&x->scratch, (unsigned)env);
  if (failed || x->scratch.failed) luaL_error(L, "not enough memory");
  lua_pushlstring(L, (const char *)x->scratch.data, x->scratch.len); /* the content */
  tide_transfer_table(L, xidx, TRANSFER_CONTENT);
  lua_pushvalue(L, -2);
  lua_rawget(L, -2);
  c = (struct code *)lua_touserdata(L, -1);
  if (c == NULL) {
    /* from the string: a finalizer that ran meanwhile may have dumped another function */
    size_t len;
    const char *content = lua_tolstring(L, top + 2, &len);
    tide_transfer_room(L, xidx);
    c = new_code(content, len - 1, env, nup);
    failed = c == NULL || !tide_transfer_keep(L, xidx, c);
    tide_code_rele(c); /* the transfer userdata keeps it now */
    if (failed) luaL_error(L, "not enough memory");
    tide_transfer_table(L, xidx, TRANSFER_CONTENT); /* a new one, if the old was flushed */
    lua_pushvalue(L, top + 2);
    lua_pushlightuserdata(L, c);
    lua_rawset(L, -3);
  }
  tide_transfer_table(L, xidx, TRANSFER_CODES);
  lua_pushvalue(L, idx);
  lua_pushlightuserdata(L, c);
  lua_rawset(L, -3);
  lua_settop(L, top);
  return c;
}

/* Pushes what loading c's bytecode gives. [-0, +1, e] */
static void load_code(lua_State *L, struct code *c) {
  int status = luaL_loadbufferx(L, (const char *)tide_code_bytecode(c), c->len, "=tidepool", "b");
  if (status == LUA_ERRMEM) lua_error(L);
  if (status != LUA_OK) {
    lua_pushfstring(L, "cannot load a function: %s", lua_tostring(L, -1));
    tide_error_raise(L, FAULT_TRANSFER, "%s", lua_tostring(L, -1));
  }
}

void tide_func_push(lua_State *L, struct code *c, int xidx) {
  luaL_checkstack(L, 8, NULL);
  tide_transfer_table(L, xidx, TRANSFER_LOADED);
  if (c->factory) {
    if (lua_rawgetp(L, -1, c) != LUA_TFUNCTION) {
      lua_pop(L, 2);
      load_code(L, c);
      if (!tide_transfer_keep(L, xidx, c)) luaL_error(L, "not enough memory");
      tide_transfer_table(L, xidx, TRANSFER_LOADED);
      lua_pushvalue(L, -2);
      lua_rawsetp(L, -2, c);
      lua_insert(L, -2);
    }
    lua_call(L, 0, 1);
  } else {
    load_code(L, c);
  }
  lua_remove(L, -2);
  if (c->nup > 0 && !c->factory) { /* lua_load makes the first upvalue the globals */
    lua_pushnil(L);
    lua_setupvalue(L, -2, 1);
  }
}
