/*
** tidepool, floor 2: names, the objects that are sent by name.
**
** SPDX-License-Identifier: MIT
*/
#include "names.h"

#include <lauxlib.h>

#include "error.h"

/* Lua 5.4's own libraries: module, then its fields that may go by name. What a script put
** into one of them is not Lua's own and goes by value. */
static const char *const standard[][2] = {
    {"_G",
     " assert collectgarbage dofile error getmetatable ipairs load loadfile next pairs pcall print"
     " rawequal rawget rawlen rawset require select setmetatable tonumber tostring type warn"
     " xpcall "},
    {"coroutine", " close create isyieldable resume running status wrap yield "},
    {"debug",
     " debug gethook getinfo getlocal getmetatable getregistry getupvalue getuservalue sethook"
     " setcstacklimit setlocal setmetatable setupvalue setuservalue traceback upvalueid"
     " upvaluejoin "},
    {"io", " close flush input lines open output popen read stderr stdin stdout tmpfile type"
           " write "},
    {"math", " abs acos asin atan ceil cos deg exp floor fmod log max min modf rad random"
             " randomseed sin sqrt tan tointeger type ult "},
    {"os", " clock date difftime execute exit getenv remove rename setlocale time tmpname "},
    {"package", " config cpath loaded loadlib path preload searchers searchpath "},
    {"string", " byte char dump find format gmatch gsub len lower match pack packsize rep reverse"
               " sub unpack upper "},
    {"table", " concat insert move pack remove sort unpack "},
    {"utf8", " char codepoint codes len offset "},
};

static const char *standard_fields(const char *module, size_t len) {
  for (size_t i = 0; i < sizeof standard / sizeof *standard; i++)
    if (strlen(standard[i][0]) == len && memcmp(standard[i][0], module, len) == 0)
      return standard[i][1];
  return NULL;
}

/* Whether ` word ` is in the list. */
static bool listed(const char *list, const char *word, size_t len) {
  for (const char *p = list; (p = strchr(p, ' ')) != NULL && p[1] != '\0'; p++)
    if (strncmp(p + 1, word, len) == 0 && p[1 + len] == ' ') return true;
  return false;
}

bool tide_names_isstandard(const char *name, size_t len) {
  return listed(standard[0][1], name, len) || standard_fields(name, len) != NULL ||
         (len == 8 && memcmp(name, "_VERSION", 8) == 0);
}

/* Two bits for an object's address. */
static size_t hash1(const void *p) { return ((uintptr_t)p >> 4) * 0x9E3779B97F4A7C15u >> 51; }
static size_t hash2(const void *p) { return ((uintptr_t)p >> 5) * 0xC2B2AE3D27D4EB4Fu >> 51; }

bool tide_names_maybe(const struct transfer *x, const void *object) {
  size_t a = hash1(object), b = hash2(object);
  return x->filter != NULL && (x->filter[a >> 3] >> (a & 7) & 1) &&
         (x->filter[b >> 3] >> (b & 7) & 1);
}

static void mark_named(struct transfer *x, const void *p) {
  size_t a = hash1(p), b = hash2(p);
  x->filter[a >> 3] |= (unsigned char)(1u << (a & 7));
  x->filter[b >> 3] |= (unsigned char)(1u << (b & 7));
}

struct indexer {
  struct transfer *x;
  int names, indexed; /* stack indices of the tables */
};

/* Gives the object on top the name module.field, unless it has one. [-1, +0, m] */
static void add_name(lua_State *L, struct indexer *ix, const char *module, const char *field) {
  lua_pushvalue(L, -1);
  if (lua_rawget(L, ix->names) == LUA_TNIL) {
    mark_named(ix->x, lua_topointer(L, -2));
    lua_pushvalue(L, -2);
    lua_pushstring(L, module);
    lua_pushlstring(L, "", 1);
    lua_pushstring(L, field);
    lua_concat(L, 3);
    lua_rawset(L, ix->names);
  }
  lua_pop(L, 2);
}

/* Pushes the file that package.searchpath finds for `name` in package[field], or nil.
** [-0, +1, e] */
static bool find_file(lua_State *L, const char *name, const char *field) {
  int top = lua_gettop(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "package") == LUA_TTABLE &&
      lua_getfield(L, -1, "searchpath") == LUA_TFUNCTION) {
    lua_pushstring(L, name);
    if (lua_getfield(L, -3, field) == LUA_TSTRING)
      lua_call(L, 2, 1);
    else
      lua_pushnil(L);
  } else {
    lua_pushnil(L);
  }
  if (lua_type(L, -1) != LUA_TSTRING)
    lua_pushnil(L); /* a script's own searchpath may answer anything */
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  return !lua_isnil(L, -1);
}

/* Where a worker would find a module. */
enum origin { ORIGIN_NONE, ORIGIN_OWN, ORIGIN_LUA, ORIGIN_OTHER };

/* With ORIGIN_LUA pushes the name of its file, else nil. [-0, +1, e] */
static enum origin find_origin(lua_State *L, const char *name) {
  enum origin origin = ORIGIN_NONE;
  int top = lua_gettop(L);
  if (standard_fields(name, strlen(name)) != NULL) {
    origin = ORIGIN_OWN;
  } else {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    if (lua_getfield(L, -1, name) != LUA_TNIL) {
      if (lua_iscfunction(L, -1)) origin = ORIGIN_OTHER;
    } else if (find_file(L, name, "path")) {
      lua_replace(L, top + 1);
      lua_settop(L, top + 1);
      return ORIGIN_LUA;
    } else if (find_file(L, name, "cpath")) {
      origin = ORIGIN_OTHER;
    } else if (strchr(name, '.') != NULL) { /* a submodule inside its root's C library */
      const char *root = lua_pushlstring(L, name, (size_t)(strchr(name, '.') - name));
      if (find_file(L, root, "cpath")) origin = ORIGIN_OTHER;
    }
  }
  lua_settop(L, top);
  lua_pushnil(L);
  return origin;
}

/* Whether the function on top was defined in the file whose name is at index `file`; with nil
** there (a C library, which may load Lua code from anywhere) any was. [-0, +0, m] */
static bool is_from(lua_State *L, int file) {
  lua_Debug ar;
  if (lua_isnil(L, file) || lua_iscfunction(L, -1)) return true;
  lua_pushvalue(L, -1);
  lua_getinfo(L, ">S", &ar);
  return ar.source[0] == '@' && strcmp(ar.source + 1, lua_tostring(L, file)) == 0;
}

/* Whether the field on top may go by name; `own` lists those of one of Lua's libraries. A Lua
** function that a script put into a module does not come with it. */
static bool field_counts(lua_State *L, const char *own, const char *field, int file) {
  int t = lua_type(L, -1);
  if (own != NULL)
    return listed(own, field, strlen(field)) &&
           (lua_iscfunction(L, -1) || t == LUA_TTABLE || t == LUA_TUSERDATA);
  return t == LUA_TTABLE || t == LUA_TUSERDATA || (t == LUA_TFUNCTION && is_from(L, file));
}

/* Names the fields of the module on top; its file is at index `file`. [-0, +0, m] */
static void index_fields(lua_State *L, struct indexer *ix, const char *name, int file) {
  const char *own = standard_fields(name, strlen(name));
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    if (lua_type(L, -2) == LUA_TSTRING && field_counts(L, own, lua_tostring(L, -2), file))
      add_name(L, ix, name, lua_tostring(L, -2)); /* pops the value */
    else
      lua_pop(L, 1);
  }
}

/* Modules before fields, and the fields of Lua's libraries before those of others: an object
** with two names gets the one that costs the other side least. Modules in Lua before others: one
** that completes a C library's table (socket, socket.core) names the whole of it. */
enum pass { PASS_LUA_MODULES, PASS_MODULES, PASS_OWN_FIELDS, PASS_FIELDS, PASS_DONE };

/* What INDEXED says of a module. */
enum { MODULE_NAMED = 1, MODULE_FINISHED = 2 };

static void set_progress(lua_State *L, struct indexer *ix, int value, int progress) {
  lua_pushvalue(L, value);
  lua_pushinteger(L, progress);
  lua_rawset(L, ix->indexed);
}

/* Whether the module at index `value` was named `name`, not by another of its names. */
static bool has_name(lua_State *L, struct indexer *ix, int value, const char *name) {
  bool has;
  lua_pushvalue(L, value);
  lua_rawget(L, ix->names);
  has = strcmp(name, "_G") == 0 ||
        (lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), name) == 0);
  lua_pop(L, 1);
  return has;
}

/* One entry (name, value) of package.loaded, name on the stack below value. [-0, +0, e] */
static void index_entry(lua_State *L, struct indexer *ix, enum pass pass) {
  int value = lua_gettop(L), file = value + 1;
  const char *name = lua_tostring(L, value - 1);
  lua_Integer progress;
  enum origin origin;
  lua_pushvalue(L, value);
  lua_rawget(L, ix->indexed);
  progress = lua_tointeger(L, -1);
  lua_pop(L, 1);
  if (progress == MODULE_FINISHED || (progress == MODULE_NAMED) != (pass > PASS_MODULES)) return;
  origin = find_origin(L, name);
  if (pass <= PASS_MODULES) {
    if (origin == ORIGIN_NONE) {
      if (pass == PASS_MODULES) set_progress(L, ix, value, MODULE_FINISHED);
    } else if ((origin == ORIGIN_OTHER) == (pass == PASS_MODULES)) {
      if (strcmp(name, "_G") != 0) { /* _G itself is WIRE_GLOBALS */
        lua_pushvalue(L, value);
        add_name(L, ix, name, "");
      }
      set_progress(L, ix, value, MODULE_NAMED); /* last: if memory ran out, it is looked at again */
    }
  } else if (lua_istable(L, value) && (origin == ORIGIN_OWN) == (pass == PASS_OWN_FIELDS) &&
             has_name(L, ix, value, name)) {
    lua_pushvalue(L, value);
    index_fields(L, ix, name, file);
    set_progress(L, ix, value, MODULE_FINISHED);
  }
  lua_settop(L, value);
}

static size_t count_entries(lua_State *L) {
  size_t n = 0;
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    n++;
    lua_pop(L, 1);
  }
  return n;
}

void tide_names_refresh(lua_State *L, int xidx) {
  struct transfer *x = (struct transfer *)lua_touserdata(L, xidx);
  int top = lua_gettop(L);
  size_t n;
  luaL_checkstack(L, 16, NULL);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  n = count_entries(L);
  if (n != x->nmodules) {
    struct indexer ix;
    int loaded = lua_gettop(L);
    ix.x = x;
    if (x->filter == NULL)
      x->filter = (unsigned char *)tide_mem_zero(&tide_mem_default, TRANSFER_FILTER);
    if (x->filter == NULL) luaL_error(L, "not enough memory");
    tide_transfer_table(L, xidx, TRANSFER_NAMES);
    ix.names = lua_gettop(L);
    tide_transfer_table(L, xidx, TRANSFER_INDEXED);
    ix.indexed = lua_gettop(L);
    for (int pass = PASS_LUA_MODULES; pass < PASS_DONE; pass++) {
      lua_pushnil(L);
      while (lua_next(L, loaded) != 0) {
        int t = lua_type(L, -1);
        if (lua_type(L, -2) == LUA_TSTRING &&
            (t == LUA_TTABLE || t == LUA_TFUNCTION || t == LUA_TUSERDATA))
          index_entry(L, &ix, (enum pass)pass);
        lua_pop(L, 1);
      }
    }
    x->nmodules = n;
  }
  lua_settop(L, top);
}

bool tide_names_find(lua_State *L, int idx, int xidx) {
  idx = lua_absindex(L, idx);
  tide_transfer_table(L, xidx, TRANSFER_NAMES);
  lua_pushvalue(L, idx);
  if (lua_rawget(L, -2) == LUA_TNIL) {
    lua_pop(L, 2);
    return false;
  }
  lua_remove(L, -2);
  return true;
}

/* Pushes what require(name) answers. [-0, +1, e] */
static void require_module(lua_State *L, const char *name, size_t len) {
  luaL_checkstack(L, 8, NULL);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushlstring(L, name, len);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) == LUA_TNIL) {
    lua_pop(L, 1);
    if (lua_getglobal(L, "require") != LUA_TFUNCTION)
      tide_error_raise(L, FAULT_TRANSFER, "cannot load module '%s': there is no 'require' here",
                       lua_tostring(L, -2));
    lua_insert(L, -2);
    lua_call(L, 1, 1);
    lua_remove(L, -2);
  } else {
    lua_replace(L, -3);
    lua_pop(L, 1);
  }
}

void tide_names_resolve(lua_State *L, const char *name, size_t len) {
  const char *sep = (const char *)memchr(name, '\0', len);
  size_t mlen = sep != NULL ? (size_t)(sep - name) : len;
  size_t flen = sep != NULL ? len - mlen - 1 : 0;
  require_module(L, name, mlen);
  if (flen > 0) {
    if (lua_type(L, -1) == LUA_TTABLE) {
      lua_pushlstring(L, sep + 1, flen);
      lua_rawget(L, -2);
    } else {
      lua_pushnil(L);
    }
    if (lua_isnil(L, -1)) {
      lua_pushlstring(L, name, mlen);
      lua_pushlstring(L, sep + 1, flen);
      tide_error_raise(L, FAULT_TRANSFER, "module '%s' has no field '%s' in the receiving state",
                       lua_tostring(L, -2), lua_tostring(L, -1));
    }
    lua_remove(L, -2);
  }
}

void tide_names_function(lua_State *L, const char *name, size_t len) {
  const char *dot = NULL;
  for (const char *p = name; p < name + len; p++)
    if (*p == '.') dot = p;
  luaL_checkstack(L, 8, NULL);
  if (dot == NULL || dot == name || dot == name + len - 1) {
    lua_pushlstring(L, name, len);
    tide_error_raise(L, FAULT_TRANSFER, "'%s' is not of the form 'module.function'",
                     lua_tostring(L, -1));
  } else {
    require_module(L, name, (size_t)(dot - name));
    if (lua_type(L, -1) == LUA_TTABLE) {
      lua_pushlstring(L, dot + 1, (size_t)(name + len - dot - 1));
      lua_gettable(L, -2);
    } else {
      lua_pushnil(L);
    }
    if (lua_isnil(L, -1)) {
      lua_pushlstring(L, name, (size_t)(dot - name));
      lua_pushlstring(L, dot + 1, (size_t)(name + len - dot - 1));
      tide_error_raise(L, FAULT_TRANSFER, "module '%s' has no function '%s'", lua_tostring(L, -2),
                       lua_tostring(L, -1));
    }
    lua_remove(L, -2);
  }
}
