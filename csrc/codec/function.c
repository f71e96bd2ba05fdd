/*
** codec/function: Lua functions to code.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/function.h"

#include <lauxlib.h>

#include "codec/bytecode.h"
#include "codec/module_names.h"
#include "luautil/stdlibs.h"

struct ti_code *ti_function_known(lua_State *L, int idx, int xidx) {
  struct ti_code *c = NULL;
  int top = lua_gettop(L);
  idx = lua_absindex(L, idx);
  if (ti_codec_state_has_table(L, xidx, CODEC_CODES)) {
    lua_pushvalue(L, idx);
    lua_rawget(L, -2);
    c = (struct ti_code *)lua_touserdata(L, -1);
  }
  lua_settop(L, top);
  return c;
}

static int dump_writer(lua_State *L, const void *p, size_t n, void *ud) {
  struct ti_buffer *b = (struct ti_buffer *)ud;
  (void)L;
  if (n == 1 && b->len < b->cap) /* most of what lua_dump writes */
    b->data[b->len++] = *(const unsigned char *)p;
  else
    ti_buffer_put(b, p, n);
  return b->failed;
}

bool ti_function_is_env(lua_State *L, const char *name) {
  bool globals;
  if (!lua_istable(L, -1)) return false;
  lua_pushglobaltable(L);
  globals = lua_rawequal(L, -1, -2);
  lua_pop(L, 1);
  if (globals) return true;
  /* the names of metamethods are always in the state, so luaL_getmetafield allocates nothing */
  if (name == NULL || strcmp(name, "_ENV") != 0 || luaL_getmetafield(L, -1, "__index") == LUA_TNIL)
    return false;
  lua_pop(L, 1);
  return true;
}

/* Sets *envs to the upvalues that are environments, and *nup to the number of upvalues. Returns the
** number (from 1) of that which is _ENV, or may be if names were stripped; 0: none is. A script may
** have the globals in another upvalue, too: `local G = _G`. [-0, +0, -] */
static int find_env(lua_State *L, int idx, int *nup, struct ti_bytecode_set *envs) {
  int env = 0, n = 0;
  bool named = false;
  const char *name;
  memset(envs, 0, sizeof *envs);
  while ((name = lua_getupvalue(L, idx, n + 1)) != NULL) {
    n++;
    if (ti_function_is_env(L, name)) {
      bool is_env = strcmp(name, "_ENV") == 0;
      if (env == 0 || (is_env && !named)) env = n;
      named = named || is_env;
      ti_bytecode_add(envs, (unsigned)(n - 1));
    }
    lua_pop(L, 1);
  }
  *nup = n;
  return env;
}

/* Returns a hash, from eight bytes at a time. Each step is a bijection of the state before, and
** folds in its high half, so that every byte affects the low bits. */
static uint64_t hash_dump(const unsigned char *p, size_t len, const struct ti_bytecode_set *envs) {
  uint64_t h = (uint64_t)len * 0x9E3779B97F4A7C15u + envs->words[0], word;
  for (; len >= sizeof word; p += sizeof word, len -= sizeof word) {
    memcpy(&word, p, sizeof word);
    h = (h ^ word) * 0xC2B2AE3D27D4EB4Fu;
    h ^= h >> 32;
  }
  for (; len > 0; p++, len--) h = (h ^ *p) * 0x100000001B3u;
  return h ^ h >> 32;
}

/* Dumps the function at idx into x->scratch, which any call of Lua may change. Returns false when
** memory runs out. [-0, +0, -] */
static bool dump(lua_State *L, int idx, struct ti_codec_state *x) {
  bool failed;
  x->scratch.len = 0;
  x->scratch.failed = false;
  lua_pushvalue(L, idx);
  failed = lua_dump(L, dump_writer, &x->scratch, 0) != 0;
  lua_pop(L, 1);
  return !failed && !x->scratch.failed;
}

/* Copies to `to` those of the next `count` names that are not those of Lua's own libraries. Returns
** their number. */
static size_t foreign_names(struct ti_buffer *to, struct ti_cursor *names, size_t count) {
  size_t n = 0;
  for (; count > 0; count--) {
    size_t len = (size_t)ti_buffer_get_varint(names);
    const char *name = (const char *)ti_buffer_get(names, len);
    if (name != NULL && !ti_stdlibs_is_global(name, len)) {
      ti_buffer_put_varint(to, len);
      ti_buffer_put(to, name, len);
      n++;
    }
  }
  return n;
}

/* Returns the code of a dump, or NULL when memory runs out. Cannot raise. */
static struct ti_code *new_code(const struct ti_buffer *dump, uint64_t hash, int env,
                                const struct ti_bytecode_set *envs, int nup) {
  const size_t len = dump->len;
  const struct ti_alloc *mem = &ti_alloc_default;
  struct ti_buffer all, names;
  struct ti_bytecode_names found = {0, 0, false};
  struct ti_code *c = NULL;
  struct ti_cursor from;
  size_t nglobals, nmaybe;
  ti_buffer_init(&all, mem);
  ti_buffer_init(&names, mem);
  (void)ti_bytecode_globals_list(dump->data, len, envs, &all, &found);
  ti_buffer_cursor_init(&from, all.data, all.len);
  nglobals = foreign_names(&names, &from, found.sure);
  nmaybe = foreign_names(&names, &from, found.maybe);
  if (!names.failed && !all.failed) {
    size_t size = sizeof *c + names.len + len;
    c = (struct ti_code *)ti_alloc_new(mem, size);
    if (c != NULL) {
      ti_refcount_init(&c->ref);
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
  ti_buffer_fini(&all);
  ti_buffer_fini(&names);
  return c;
}

/* Returns the code of a function of this prototype that is in CODES, or NULL. [-0, +0, -] */
static struct ti_code *code_by_prototype(lua_State *L, const void *prototype, int xidx) {
  struct ti_code *c = NULL;
  int top = lua_gettop(L);
  if (ti_codec_state_has_table(L, xidx, CODEC_PROTOTYPES) &&
      lua_rawgetp(L, -1, prototype) == LUA_TFUNCTION &&
      ti_codec_state_has_table(L, xidx, CODEC_CODES)) {
    lua_insert(L, -2);
    lua_rawget(L, -2);
    c = (struct ti_code *)lua_touserdata(L, -1);
  }
  lua_settop(L, top);
  return c;
}

/* Returns whether no upvalue except c->env is an environment. */
static bool has_one_env(const struct ti_code *c) {
  struct ti_bytecode_set one;
  memset(&one, 0, sizeof one);
  if (c->env > 0) ti_bytecode_add(&one, (unsigned)c->env - 1);
  return memcmp(&c->envs, &one, sizeof one) == 0;
}

struct ti_code *ti_function_find(lua_State *L, int idx, int xidx, bool single_env) {
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(L, xidx);
  const void *address = lua_topointer(L, idx);
  const void *prototype = ti_lua_internals_prototype(&x->internals, address);
  const void *key = prototype != NULL ? prototype : address;
  const void **found = &x->found[((uintptr_t)key >> 4) % CODEC_FOUND];
  struct ti_bytecode_set envs;
  struct ti_code *c = NULL;
  int nup;
  if (x->ncodes == 0) return NULL;
  if (prototype != NULL) c = code_by_prototype(L, prototype, xidx);
  if (c == NULL && *found == key) return NULL;
  if (c == NULL || !single_env || !has_one_env(c)) {
    (void)find_env(L, idx, &nup, &envs);
    if (c == NULL || memcmp(&c->envs, &envs, sizeof envs) != 0) {
      if (!dump(L, idx, x)) return NULL;
      c = ti_codec_state_find(x, hash_dump(x->scratch.data, x->scratch.len, &envs), &envs,
                              x->scratch.data, x->scratch.len);
      if (c == NULL || c->file) return NULL; /* a module that was loaded again has such code */
      *found = key; /* the next function with this key gets entries in CODES and PROTOTYPES */
    }
  }
  return c;
}

bool ti_function_moved(lua_State *L, int idx, const struct ti_code *c) {
  struct ti_bytecode_set envs;
  int nup;
  if (!has_one_env(c)) { /* `local G = _G`, which may be another table by now */
    (void)find_env(L, idx, &nup, &envs);
    return memcmp(&envs, &c->envs, sizeof envs) != 0;
  }
  if (c->env > 0) {
    const char *name = lua_getupvalue(L, idx, c->env);
    bool still = ti_function_is_env(L, name);
    lua_pop(L, 1);
    if (still) return false;
  }
  return find_env(L, idx, &nup, &envs) != c->env;
}

struct ti_code *ti_function_code(lua_State *L, int idx, int xidx) {
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(L, xidx);
  struct ti_code *c;
  struct ti_bytecode_set envs;
  const void *prototype;
  uint64_t hash;
  int env, nup;
  bool library, file;
  luaL_checkstack(L, 10, NULL);
  idx = lua_absindex(L, idx);
  library =
      ti_module_names_in_file(L, idx, xidx, &file); /* before the dump, which any call may change */
  env = find_env(L, idx, &nup, &envs);
  if (!dump(L, idx, x)) luaL_error(L, "not enough memory");
  hash = hash_dump(x->scratch.data, x->scratch.len, &envs);
  c = ti_codec_state_find(x, hash, &envs, x->scratch.data, x->scratch.len);
  if (c == NULL) {
    bool kept;
    c = new_code(&x->scratch, hash, env, &envs, nup);
    if (c != NULL) {
      c->library = library;
      c->file = file;
    }
    kept = c != NULL && ti_codec_state_keep(L, xidx, c);
    ti_code_release(c); /* the codec state keeps it now */
    if (!kept) luaL_error(L, "not enough memory");
  }
  ti_codec_state_table(L, xidx, CODEC_CODES);
  lua_pushvalue(L, idx);
  lua_pushlightuserdata(L, c);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  prototype = ti_lua_internals_prototype(&x->internals, lua_topointer(L, idx));
  if (prototype != NULL) {
    ti_codec_state_table(L, xidx, CODEC_PROTOTYPES);
    lua_pushvalue(L, idx);
    lua_rawsetp(L, -2, prototype);
    lua_pop(L, 1);
  }
  return c;
}
