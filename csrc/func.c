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
  struct code *c = NULL;
  int top = lua_gettop(L);
  idx = lua_absindex(L, idx);
  if (tide_transfer_hastable(L, xidx, TRANSFER_CODES)) {
    lua_pushvalue(L, idx);
    lua_rawget(L, -2);
    c = (struct code *)lua_touserdata(L, -1);
  }
  lua_settop(L, top);
  return c;
}

static int dump_writer(lua_State *L, const void *p, size_t n, void *ud) {
  struct bytes *b = (struct bytes *)ud;
  (void)L;
  if (n == 1 && b->len < b->cap) /* most of what lua_dump writes */
    b->data[b->len++] = *(const unsigned char *)p;
  else
    tide_bytes_put(b, p, n);
  return b->failed;
}

bool tide_func_isenv(lua_State *L, const char *name) {
  bool globals;
  if (!lua_istable(L, -1)) return false;
  lua_pushglobaltable(L);
  globals = lua_rawequal(L, -1, -2);
  lua_pop(L, 1);
  if (globals) return true;
  /* the name of a metamethod is always in the state: looking for it allocates nothing */
  if (name == NULL || strcmp(name, "_ENV") != 0 || luaL_getmetafield(L, -1, "__index") == LUA_TNIL)
    return false;
  lua_pop(L, 1);
  return true;
}

/* The upvalues that are environments, and the number (from 1) of that which is _ENV, or may be if
** names were stripped; 0 if none is. A script may have the globals in another upvalue, too: `local G =
** _G`. [-0, +0, -] */
static int find_env(lua_State *L, int idx, int *nup, struct chunk_set *envs) {
  int env = 0, n = 0;
  bool named = false;
  const char *name;
  memset(envs, 0, sizeof *envs);
  while ((name = lua_getupvalue(L, idx, n + 1)) != NULL) {
    n++;
    if (tide_func_isenv(L, name)) {
      bool is_env = strcmp(name, "_ENV") == 0;
      if (env == 0 || (is_env && !named)) env = n;
      named = named || is_env;
      tide_chunk_add(envs, (unsigned)(n - 1));
    }
    lua_pop(L, 1);
  }
  *nup = n;
  return env;
}

/* Eight bytes at a time; each step is a bijection of what came before, and the high half is
** folded in, so that every byte moves the low bits. */
static uint64_t hash_dump(const unsigned char *p, size_t len, const struct chunk_set *envs) {
  uint64_t h = (uint64_t)len * 0x9E3779B97F4A7C15u + envs->words[0], word;
  for (; len >= sizeof word; p += sizeof word, len -= sizeof word) {
    memcpy(&word, p, sizeof word);
    h = (h ^ word) * 0xC2B2AE3D27D4EB4Fu;
    h ^= h >> 32;
  }
  for (; len > 0; p++, len--) h = (h ^ *p) * 0x100000001B3u;
  return h ^ h >> 32;
}

/* Dumps the function at idx into the scratch bytes, which any call of Lua may change. False: out
** of memory. [-0, +0, -] */
static bool dump(lua_State *L, int idx, struct transfer *x) {
  bool failed;
  x->scratch.len = 0;
  x->scratch.failed = false;
  lua_pushvalue(L, idx);
  failed = lua_dump(L, dump_writer, &x->scratch, 0) != 0;
  lua_pop(L, 1);
  return !failed && !x->scratch.failed;
}

/* Copies to `to` those of the next names that are not those of Lua's own libraries; answers their
** number. */
static size_t foreign_names(struct bytes *to, struct cursor *names, size_t count) {
  size_t n = 0;
  for (; count > 0; count--) {
    size_t len = (size_t)tide_cursor_get_varint(names);
    const char *name = (const char *)tide_cursor_get(names, len);
    if (name != NULL && !tide_names_isstandard(name, len)) {
      tide_bytes_put_varint(to, len);
      tide_bytes_put(to, name, len);
      n++;
    }
  }
  return n;
}

/* Makes the code of a dump; NULL if out of memory. Cannot raise. */
static struct code *new_code(const struct bytes *dump, uint64_t hash, int env,
                             const struct chunk_set *envs, int nup) {
  const size_t len = dump->len;
  const struct mem *mem = &tide_mem_default;
  struct bytes all, names;
  struct chunk_names found = {0, 0, false};
  struct code *c = NULL;
  struct cursor from;
  size_t nglobals, nmaybe;
  tide_bytes_init(&all, mem);
  tide_bytes_init(&names, mem);
  (void)tide_chunk_globals(dump->data, len, envs, &all, &found);
  tide_cursor_init(&from, all.data, all.len);
  nglobals = foreign_names(&names, &from, found.sure);
  nmaybe = foreign_names(&names, &from, found.maybe);
  if (!names.failed && !all.failed) {
    size_t size = sizeof *c + names.len + len;
    c = (struct code *)tide_mem_new(mem, size);
    if (c != NULL) {
      ref_init(&c->ref);
      c->mem = mem;
      c->size = size;
      c->hash = hash;
      c->envs = *envs;
      c->env = env;
      c->nup = nup;
      c->library = c->file = false;
      c->loose = found.loose;
      c->nglobals = nglobals;
      c->nmaybe = nmaybe;
      c->globals_len = names.len;
      c->len = len;
      if (names.len > 0) memcpy(c->data, names.data, names.len);
      memcpy(c->data + names.len, dump->data, len);
    }
  }
  tide_bytes_fini(&all);
  tide_bytes_fini(&names);
  return c;
}

/* The code of a function of the same prototype that is in CODES; NULL: there is none. */
static struct code *code_of_kin(lua_State *L, const void *prototype, int xidx) {
  struct code *c = NULL;
  int top = lua_gettop(L);
  if (tide_transfer_hastable(L, xidx, TRANSFER_KIN) &&
      lua_rawgetp(L, -1, prototype) == LUA_TFUNCTION &&
      tide_transfer_hastable(L, xidx, TRANSFER_CODES)) {
    lua_insert(L, -2);
    lua_rawget(L, -2);
    c = (struct code *)lua_touserdata(L, -1);
  }
  lua_settop(L, top);
  return c;
}

/* The place of an address among some that were seen last. */
static const void **last_seen(const void **seen, const void *address) {
  return &seen[((uintptr_t)address >> 4) % TRANSFER_SEEN];
}

/* Whether no upvalue but c->env is an environment. */
static bool has_one_env(const struct code *c) {
  struct chunk_set one;
  memset(&one, 0, sizeof one);
  if (c->env > 0) tide_chunk_add(&one, (unsigned)c->env - 1);
  return memcmp(&c->envs, &one, sizeof one) == 0;
}

struct code *tide_func_find(lua_State *L, int idx, int xidx, bool plain) {
  struct transfer *x = (struct transfer *)lua_touserdata(L, xidx);
  const void *address = lua_topointer(L, idx);
  const void *prototype = tide_layout_prototype(&x->layout, address);
  const void **seen = last_seen(x->seen, address), **kind = last_seen(x->kinds, prototype);
  struct chunk_set envs;
  struct code *c = NULL;
  int nup;
  if (x->ncodes == 0) return NULL;
  if (prototype != NULL) c = code_of_kin(L, prototype, xidx);
  if (c == NULL && (*seen == address || (prototype != NULL && *kind == prototype))) return NULL;
  if (c == NULL || !plain || !has_one_env(c)) {
    (void)find_env(L, idx, &nup, &envs);
    if (c == NULL || memcmp(&c->envs, &envs, sizeof envs) != 0) {
      if (!dump(L, idx, x)) return NULL;
      c = tide_transfer_find(x, hash_dump(x->scratch.data, x->scratch.len, &envs), &envs,
                             x->scratch.data, x->scratch.len);
      if (c == NULL || c->file) return NULL; /* a module that was loaded again has such code */
      *kind = prototype; /* if another of its kind comes, this one is worth an entry in KIN */
    }
  }
  *seen = address; /* if it comes again, it is worth an entry in CODES */
  return c;
}

bool tide_func_moved(lua_State *L, int idx, const struct code *c) {
  struct chunk_set envs;
  int nup;
  if (!has_one_env(c)) { /* `local G = _G`, which may be another table by now */
    (void)find_env(L, idx, &nup, &envs);
    return memcmp(&envs, &c->envs, sizeof envs) != 0;
  }
  if (c->env > 0) {
    const char *name = lua_getupvalue(L, idx, c->env);
    bool still = tide_func_isenv(L, name);
    lua_pop(L, 1);
    if (still) return false;
  }
  return find_env(L, idx, &nup, &envs) != c->env;
}

struct code *tide_func_code(lua_State *L, int idx, int xidx) {
  struct transfer *x = (struct transfer *)lua_touserdata(L, xidx);
  struct code *c;
  struct chunk_set envs;
  const void *prototype;
  uint64_t hash;
  int env, nup;
  bool library, file;
  luaL_checkstack(L, 10, NULL);
  idx = lua_absindex(L, idx);
  library = tide_names_infile(L, idx, xidx, &file); /* before the dump, which any call may change */
  env = find_env(L, idx, &nup, &envs);
  if (!dump(L, idx, x)) luaL_error(L, "not enough memory");
  hash = hash_dump(x->scratch.data, x->scratch.len, &envs);
  c = tide_transfer_find(x, hash, &envs, x->scratch.data, x->scratch.len);
  if (c == NULL) {
    bool kept;
    c = new_code(&x->scratch, hash, env, &envs, nup);
    if (c != NULL) {
      c->library = library;
      c->file = file;
    }
    kept = c != NULL && tide_transfer_keep(L, xidx, c);
    tide_code_rele(c); /* the transfer userdata keeps it now */
    if (!kept) luaL_error(L, "not enough memory");
  }
  tide_transfer_table(L, xidx, TRANSFER_CODES);
  lua_pushvalue(L, idx);
  lua_pushlightuserdata(L, c);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  prototype = tide_layout_prototype(&x->layout, lua_topointer(L, idx));
  if (prototype != NULL) {
    tide_transfer_table(L, xidx, TRANSFER_KIN);
    lua_pushvalue(L, idx);
    lua_rawsetp(L, -2, prototype);
    lua_pop(L, 1);
  }
  return c;
}

/* Raises if what is on top is the error of loading, not a function. [-0, +0, e] */
static void check_loaded(lua_State *L, int status) {
  if (status == LUA_ERRMEM) lua_error(L);
  if (status != LUA_OK) {
    lua_pushfstring(L, "cannot load a function: %s", lua_tostring(L, -1));
    tide_error_raise(L, FAULT_TRANSFER, "%s", lua_tostring(L, -1));
  }
}

/* Pushes c's function, loaded anew. [-0, +1, e] */
static void load_once(lua_State *L, const struct code *c) {
  check_loaded(L,
               luaL_loadbufferx(L, (const char *)tide_code_bytecode(c), c->len, "=tidepool", "b"));
  if (c->nup > 0) { /* lua_load makes the first upvalue the globals */
    lua_pushnil(L);
    lua_setupvalue(L, -2, 1);
  }
}

/* Pushes c's factory, or true if it can have none. [-0, +1, e] */
static void load_factory(lua_State *L, const struct code *c) {
  struct bytes factory;
  int status;
  tide_bytes_init(&factory, &tide_mem_default);
  if (tide_chunk_factory(tide_code_bytecode(c), c->len, &factory)) {
    /* lua_load does not raise: the block is freed in any case */
    status = luaL_loadbufferx(L, (const char *)factory.data, factory.len, "=tidepool", "b");
    tide_bytes_fini(&factory);
    check_loaded(L, status);
  } else {
    bool failed = factory.failed;
    tide_bytes_fini(&factory);
    if (failed) luaL_error(L, "not enough memory");
    lua_pushboolean(L, 1);
  }
}

void tide_func_push(lua_State *L, struct code *c, int xidx) {
  int type;
  luaL_checkstack(L, 8, NULL);
  tide_transfer_table(L, xidx, TRANSFER_LOADED);
  type = lua_rawgetp(L, -1, c);
  if (type == LUA_TNIL) {
    lua_pop(L, 2);
    load_factory(L, c);
    if (!tide_transfer_keep(L, xidx, c)) luaL_error(L, "not enough memory");
    tide_transfer_table(L, xidx, TRANSFER_LOADED);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, c);
    lua_insert(L, -2);
    type = lua_type(L, -1);
  }
  if (type == LUA_TFUNCTION) {
    lua_call(L, 0, 1);
  } else {
    lua_pop(L, 1);
    load_once(L, c);
  }
  lua_remove(L, -2);
}
