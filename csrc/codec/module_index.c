/*
** codec/module_index: which objects the loaded modules hold, and their names.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/module_index.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/bytecode.h"
#include "luautil/stdlibs.h"
#include "platform/file.h"

/* Longer names are not worth a look-up; so lists of a million links cost no square of that. */
enum { MAX_NAME = 2000, MAX_OBJECTS = 20000 };

/* Where a worker would find a module; in the order in which canonical names are chosen. */
enum origin { ORIGIN_OWN, ORIGIN_LUA, ORIGIN_OTHER, ORIGIN_NONE };

/* An entry of package.loaded. Its name is kept alive by the state's table of origins. */
struct entry {
  const char *name;
  size_t len;
  enum origin origin;
  bool made; /* a function of its file is directly in the value */
};

struct module {
  enum origin origin;
  bool own;     /* its value has evidence of its own files */
  bool dropped; /* its value is not what a worker would load */
  int script;   /* functions of no module's file directly in it */
  int others;   /* things of other modules directly in it */
  int natives;  /* C functions and userdata named in it */
  int nobjects;
};

struct node {
  int parent, module; /* parent: -1 for a module's value */
  bool own;
  bool nested; /* a function that a call of another made */
};

/* A Lua function that a module's own file defines. */
struct span {
  const char *source;
  int first, last, node;
};

/* An array in a userdata at stack index `idx`. */
struct array {
  void *at;
  int n, cap, idx;
};

struct builder {
  lua_State *L;
  struct ti_codec_state *x;
  int xidx, loaded, names, files, origins;
  int modules;  /* value -> number of its module */
  int parts;    /* number of a module -> the part of names that says it */
  int sources;  /* number of a module -> its files as sources -> true */
  int objects;  /* number of a node -> object */
  int queue[3]; /* functions, tables, postponed tables: object, parent, module, name */
  lua_Integer head[3], tail[3];
  struct array mods, nodes, spans;
  bool new_files; /* functions of theirs may have been sent by value */
};

enum { FUNCTIONS, TABLES, POSTPONED };

/* Whose a function is. */
enum whose { WHOSE_OWN, WHOSE_OTHER, WHOSE_SCRIPT };

/* One more item, which is zero; raises when out of memory. [-0, +0, m] */
static void *grow(lua_State *L, struct array *a, size_t size) {
  if (a->n == a->cap) {
    int cap = a->cap > 0 ? a->cap * 2 : 64;
    void *at = lua_newuserdatauv(L, (size_t)cap * size, 0);
    if (a->n > 0) memcpy(at, a->at, (size_t)a->n * size);
    lua_replace(L, a->idx);
    a->at = at;
    a->cap = cap;
  }
  memset((char *)a->at + (size_t)a->n * size, 0, size);
  return (char *)a->at + (size_t)a->n++ * size;
}

static struct module *module(struct builder *b, int m) { return (struct module *)b->mods.at + m; }
static struct node *node(struct builder *b, int n) { return (struct node *)b->nodes.at + n; }

/* ------------------------------------------------------------------ origins -- */

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

/* With ORIGIN_LUA pushes the name of its file, else nil. [-0, +1, e] */
static enum origin look_for(lua_State *L, const char *name) {
  enum origin origin = ORIGIN_NONE;
  int top = lua_gettop(L);
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
  lua_settop(L, top);
  lua_pushnil(L);
  return origin;
}

/* Pushes the source that functions of the file with this source say they are of: another if it is
** precompiled. [-0, +1, m] */
static void push_source(lua_State *L, const char *source) {
  FILE *file = fopen(source + 1, "rb");
  int first = file != NULL ? fgetc(file) : EOF;
  if (file != NULL) fclose(file);
  if (first == LUA_SIGNATURE[0] && luaL_loadfilex(L, source + 1, "b") == LUA_OK) {
    lua_Debug ar;
    lua_getinfo(L, ">S", &ar);
    lua_pushstring(L, ar.source);
    return;
  }
  if (first == LUA_SIGNATURE[0]) lua_pop(L, 1);
  lua_pushstring(L, source);
}

/* The same from the table of origins, which remembers "@file", true or false by name. Pushes the
** file as a source, or nil. [-0, +1, e] */
static enum origin find_origin(struct builder *b, const char *name) {
  lua_State *L = b->L;
  enum origin origin;
  switch (lua_getfield(L, b->origins, name)) {
    case LUA_TSTRING: return ORIGIN_LUA;
    case LUA_TBOOLEAN:
      origin = lua_toboolean(L, -1) ? ORIGIN_OTHER : ORIGIN_NONE;
      lua_pop(L, 1);
      lua_pushnil(L);
      return origin;
    default: lua_pop(L, 1);
  }
  origin = look_for(L, name);
  if (origin == ORIGIN_LUA) {
    lua_pushfstring(L, "@%s", lua_tostring(L, -1));
    push_source(L, lua_tostring(L, -1));
    lua_replace(L, -3);
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
  } else {
    lua_pushboolean(L, origin == ORIGIN_OTHER);
  }
  lua_setfield(L, b->origins, name);
  return origin;
}

/* ------------------------------------------------------------------ modules -- */

/* Whether the value on top may be Lua's own library with these fields: most are there, and some are
** C functions. [-0, +0, m] */
static bool looks_standard(lua_State *L, const char *fields) {
  int all = 0, there = 0, functions = 0;
  if (!lua_istable(L, -1)) return false;
  for (const char *p = fields; p[1] != '\0'; all++) {
    size_t len = strcspn(p + 1, " ");
    lua_pushlstring(L, p + 1, len);
    lua_rawget(L, -2);
    there += !lua_isnil(L, -1);
    functions += lua_iscfunction(L, -1);
    lua_pop(L, 1);
    p += 1 + len;
  }
  return 2 * there >= all && functions >= 2;
}

static int compare_entries(const void *a, const void *b) {
  const struct entry *x = (const struct entry *)a, *y = (const struct entry *)b;
  if (x->origin != y->origin) return x->origin < y->origin ? -1 : 1;
  if (x->made != y->made) return x->made ? -1 : 1;
  if (x->len != y->len) return x->len < y->len ? -1 : 1;
  return memcmp(x->name, y->name, x->len);
}

static bool may_be_named(lua_State *L, int idx) {
  int t = lua_type(L, idx);
  return t == LUA_TTABLE || t == LUA_TFUNCTION || t == LUA_TUSERDATA;
}

static bool is_from(lua_State *L, int idx, const char *source) {
  lua_Debug ar;
  if (!lua_isfunction(L, idx) || lua_iscfunction(L, idx)) return false;
  lua_pushvalue(L, idx);
  lua_getinfo(L, ">S", &ar);
  return strcmp(ar.source, source) == 0;
}

/* Whether the value at idx is a function of the file with the source on top, or has one directly in
** it. [-0, +0, m] */
static bool is_made_by(lua_State *L, int idx) {
  int top = lua_gettop(L);
  const char *source = lua_tostring(L, top);
  bool made = is_from(L, idx, source);
  if (!lua_istable(L, idx)) return made;
  lua_pushnil(L);
  while (!made && lua_next(L, idx) != 0) {
    made = is_from(L, top + 2, source);
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  return made;
}

/* The entry (name, value) on top. [-0, +0, e] */
static void add_entry(struct builder *b, struct array *entries) {
  lua_State *L = b->L;
  struct entry *e;
  const char *name, *fields;
  size_t len;
  enum origin origin;
  bool made = false;
  if (lua_type(L, -2) != LUA_TSTRING || !may_be_named(L, -1)) return;
  name = lua_tolstring(L, -2, &len);
  if (strlen(name) != len || strchr(name, '\1') != NULL || len > MAX_NAME / 2) return;
  fields = ti_stdlibs_fields(name, len);
  if (fields != NULL) {
    origin = looks_standard(L, fields) ? ORIGIN_OWN : ORIGIN_NONE;
  } else {
    origin = find_origin(b, name);
    if (origin == ORIGIN_LUA) made = is_made_by(L, lua_gettop(L) - 1);
    lua_pop(L, 1);
  }
  e = (struct entry *)grow(L, entries, sizeof *e);
  e->name = name;
  e->len = len;
  e->origin = origin;
  e->made = made;
}

/* Adds a module, or an alias to the module that has its value already. The value is on top.
** [-0, +0, m] */
static void add_module(struct builder *b, const struct entry *e) {
  lua_State *L = b->L;
  int top = lua_gettop(L), m;
  bool is_new;
  lua_pushvalue(L, top);
  is_new = lua_rawget(L, b->modules) == LUA_TNIL;
  if (is_new) {
    if (e->origin == ORIGIN_NONE) {
      lua_settop(L, top);
      return;
    }
    m = b->mods.n;
    ((struct module *)grow(L, &b->mods, sizeof(struct module)))->origin = e->origin;
    lua_pushvalue(L, top);
    lua_pushinteger(L, m);
    lua_rawset(L, b->modules);
    lua_newtable(L);
    lua_rawseti(L, b->sources, m);
    lua_pushlstring(L, e->name, e->len);
  } else {
    m = (int)lua_tointeger(L, -1);
    lua_rawgeti(L, b->parts, m);
  }
  lua_rawgeti(L, b->sources, m);
  if (e->origin == ORIGIN_LUA)
    find_origin(b, e->name);
  else
    lua_pushnil(L);
  /* part, sources, source */
  if (!is_new) {
    bool load = e->origin == ORIGIN_OTHER;
    if (e->origin == ORIGIN_LUA) {
      lua_pushvalue(L, -1);
      load = lua_rawget(L, -3) == LUA_TNIL; /* the same file under two names: it ran once */
      lua_pop(L, 1);
    }
    if (ti_stdlibs_fields(e->name, e->len) == NULL) {
      lua_pushvalue(L, -3);
      lua_pushstring(L, load ? "\1l" : "\1s");
      lua_pushlstring(L, e->name, e->len);
      lua_concat(L, 3);
      lua_replace(L, -4);
    }
  }
  if (!lua_isnil(L, -1)) {
    lua_pushvalue(L, -1);
    lua_pushboolean(L, 1);
    lua_rawset(L, -4);
    lua_pushvalue(L, -1);
    lua_rawget(L, b->files);
    if (lua_isnil(L, -1)) {
      b->new_files = true;
      lua_pushvalue(L, -2);
      lua_pushboolean(L, 1);
      lua_rawset(L, b->files);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  lua_rawseti(L, b->parts, m);
  lua_settop(L, top);
}

/* [-0, +0, e] */
static void add_modules(struct builder *b) {
  lua_State *L = b->L;
  struct array entries = {NULL, 0, 0, 0};
  struct entry *e;
  int n, top = lua_gettop(L);
  lua_pushnil(L);
  entries.idx = top + 1;
  lua_newtable(L); /* the names, which must stay alive whatever happens to package.loaded */
  lua_pushnil(L);
  for (n = 0; lua_next(L, b->loaded) != 0; n++) {
    lua_pushvalue(L, -2);
    lua_rawseti(L, top + 2, n + 1);
    add_entry(b, &entries);
    lua_pop(L, 1);
  }
  e = (struct entry *)entries.at;
  if (entries.n > 0) qsort(e, (size_t)entries.n, sizeof *e, compare_entries);
  for (int i = 0; i < entries.n; i++) {
    lua_pushlstring(L, e[i].name, e[i].len);
    lua_rawget(L, b->loaded);
    if (may_be_named(L, -1)) add_module(b, &e[i]);
    lua_pop(L, 1);
  }
  lua_settop(L, top);
}

/* -------------------------------------------------------------------- names -- */

/* Pushes name .. step. [-0, +1, m] */
static void push_step(lua_State *L, int name, int kind, int number, const char *s, size_t len) {
  luaL_Buffer buffer;
  unsigned char head[24];
  size_t n = 0;
  head[n++] = (unsigned char)kind;
  if (kind == NAME_UPVALUE) {
    size_t v = (size_t)number;
    for (; v >= 0x80; v >>= 7) head[n++] = (unsigned char)(v | 0x80);
    head[n++] = (unsigned char)v;
  }
  if (kind != NAME_METATABLE) {
    size_t v = len;
    for (; v >= 0x80; v >>= 7) head[n++] = (unsigned char)(v | 0x80);
    head[n++] = (unsigned char)v;
  }
  luaL_buffinit(L, &buffer);
  lua_pushvalue(L, name);
  luaL_addvalue(&buffer);
  luaL_addlstring(&buffer, (const char *)head, n);
  if (kind != NAME_METATABLE) luaL_addlstring(&buffer, s, len);
  luaL_pushresult(&buffer);
}

/* Whether the object at idx has a name. [-0, +0, -] */
static bool is_named(struct builder *b, int idx) {
  bool named;
  lua_pushvalue(b->L, idx);
  named = lua_rawget(b->L, b->names) != LUA_TNIL;
  lua_pop(b->L, 1);
  return named;
}

/* Gives the object at idx the name at `name`; its node. [-0, +0, m] */
static int give_name(struct builder *b, int idx, int name, int parent, int m, char flag) {
  lua_State *L = b->L;
  int n = b->nodes.n;
  struct node *nd = (struct node *)grow(L, &b->nodes, sizeof *nd);
  nd->parent = parent;
  nd->module = m;
  lua_pushvalue(L, idx);
  lua_rawseti(L, b->objects, n);
  lua_pushvalue(L, idx);
  lua_pushlstring(L, &flag, 1);
  lua_pushvalue(L, name);
  lua_concat(L, 2);
  lua_rawset(L, b->names);
  return n;
}

/* n and what holds it are the module's own; but what a call made tells nothing of what holds
** that. */
static void mark_own(struct builder *b, int n) {
  for (; n >= 0 && !node(b, n)->own && !node(b, n)->nested; n = node(b, n)->parent) {
    node(b, n)->own = true;
    if (node(b, n)->parent < 0) module(b, node(b, n)->module)->own = true;
  }
}

/* Whose the function at idx is, for module m. A C library may load Lua code from anywhere but
** from a file. [-0, +0, m] */
static enum whose whose(struct builder *b, int idx, int m, lua_Debug *ar) {
  lua_State *L = b->L;
  enum whose w = WHOSE_SCRIPT;
  lua_pushvalue(L, idx);
  lua_getinfo(L, ">S", ar);
  lua_rawgeti(L, b->sources, m);
  lua_pushstring(L, ar->source);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) != LUA_TNIL) {
    w = WHOSE_OWN;
  } else {
    lua_pushvalue(L, -2);
    if (lua_rawget(L, b->files) != LUA_TNIL)
      w = WHOSE_OTHER;
    else if (module(b, m)->origin == ORIGIN_OTHER &&
             ((ar->source[0] == '=' && strcmp(ar->source, "=stdin") != 0 &&
               strcmp(ar->source, "=(command line)") != 0) ||
              (ar->source[0] == '@' && !ti_file_readable(ar->source + 1))))
      w = WHOSE_OWN;
    lua_pop(L, 1);
  }
  lua_pop(L, 3);
  return w;
}

/* Appends (object at idx, parent, module, name on top) to a queue. [-1, +0, m] */
static void enqueue(struct builder *b, int q, int idx, int parent, int m) {
  lua_State *L = b->L;
  lua_Integer at = b->tail[q];
  lua_rawseti(L, b->queue[q], at + 4);
  lua_pushvalue(L, idx);
  lua_rawseti(L, b->queue[q], at + 1);
  lua_pushinteger(L, parent);
  lua_rawseti(L, b->queue[q], at + 2);
  lua_pushinteger(L, m);
  lua_rawseti(L, b->queue[q], at + 3);
  b->tail[q] = at + 4;
}

/* Pushes object, name; false if the queue is empty. [-0, +(0|2), m] */
static bool dequeue(struct builder *b, int q, int *parent, int *m) {
  lua_State *L = b->L;
  lua_Integer at = b->head[q];
  if (at == b->tail[q]) return false;
  lua_rawgeti(L, b->queue[q], at + 2);
  lua_rawgeti(L, b->queue[q], at + 3);
  *parent = (int)lua_tointeger(L, -2);
  *m = (int)lua_tointeger(L, -1);
  lua_pop(L, 2);
  lua_rawgeti(L, b->queue[q], at + 1);
  lua_rawgeti(L, b->queue[q], at + 4);
  for (int i = 1; i <= 4; i++) {
    lua_pushnil(L);
    lua_rawseti(L, b->queue[q], at + i);
  }
  b->head[q] = at + 4;
  return true;
}

/* ----------------------------------------------------------------- the walk -- */

/* The object at idx was found in module m, in `parent`; its name is on top. [-1, +0, m] */
static void found(struct builder *b, int idx, int parent, int m) {
  lua_State *L = b->L;
  int name = lua_gettop(L);
  lua_Debug ar;
  struct module *mod = module(b, m);
  if (lua_rawlen(L, name) > MAX_NAME || mod->nobjects >= MAX_OBJECTS) {
    lua_pop(L, 1);
    return;
  }
  if (lua_istable(L, idx)) {
    mod->nobjects++;
    enqueue(b, TABLES, idx, parent, m); /* named when its turn comes: the nearest module first */
    return;
  }
  if (!is_named(b, idx)) {
    mod->nobjects++;
    if (lua_isuserdata(L, idx) || lua_iscfunction(L, idx)) {
      int n = give_name(b, idx, name, parent, m, INDEX_OWN);
      module(b, m)->natives++;
      if (module(b, m)->origin == ORIGIN_OTHER) mark_own(b, n);
    } else if (whose(b, idx, m, &ar) == WHOSE_OWN) {
      int n = give_name(b, idx, name, parent, m, INDEX_OPEN);
      struct span *s = (struct span *)grow(L, &b->spans, sizeof *s);
      s->source = ar.source; /* the function keeps it alive */
      s->first = ar.linedefined;
      s->last = ar.lastlinedefined;
      s->node = n;
      lua_pushvalue(L, name);
      enqueue(b, FUNCTIONS, idx, n, m);
    }
  }
  lua_settop(L, name - 1);
}

static bool worth(lua_State *L, int idx) {
  int t = lua_type(L, idx);
  return t == LUA_TTABLE || t == LUA_TUSERDATA || t == LUA_TFUNCTION;
}

/* A Lua function of module m, on the stack below its name: its upvalues. [-0, +0, m] */
static void walk_function(struct builder *b, int n, int m) {
  lua_State *L = b->L;
  int name = lua_gettop(L), f = name - 1;
  const char *up;
  for (int i = 1; (up = lua_getupvalue(L, f, i)) != NULL; i++) {
    if (worth(L, -1)) {
      push_step(L, name, NAME_UPVALUE, i, up, strlen(up));
      found(b, name + 1, n, m);
    }
    lua_settop(L, name);
  }
}

/* What lies directly in the table at t: functions of m's files, and others. For a module's value
** also fills what is to be known of it. [-0, +0, m] */
static void count_content(struct builder *b, int t, int m, bool root, int *own, int *other) {
  lua_State *L = b->L;
  lua_Debug ar;
  *own = *other = 0;
  lua_pushnil(L);
  while (lua_next(L, t) != 0) {
    int value = lua_gettop(L);
    if (lua_type(L, value) == LUA_TFUNCTION && !lua_iscfunction(L, value)) {
      switch (whose(b, value, m, &ar)) {
        case WHOSE_OWN: ++*own; break;
        case WHOSE_OTHER: ++*other; break;
        case WHOSE_SCRIPT:
          if (root) module(b, m)->script++;
      }
    } else if (root && lua_istable(L, value)) {
      lua_pushvalue(L, value);
      if (lua_rawget(L, b->modules) != LUA_TNIL) module(b, m)->others++;
    }
    lua_settop(L, value - 1);
  }
  if (root) module(b, m)->others += *other;
}

/* Whether the table at t is never to be walked through as part of something. [-0, +0, -] */
static bool is_foreign(struct builder *b, int t, bool root) {
  lua_State *L = b->L;
  bool foreign;
  lua_pushglobaltable(L);
  foreign = lua_rawequal(L, -1, t) || lua_rawequal(L, b->loaded, t) ||
            lua_topointer(L, t) == lua_topointer(L, LUA_REGISTRYINDEX);
  if (!root && !foreign) {
    lua_pushvalue(L, t);
    foreign = lua_rawget(L, b->modules) != LUA_TNIL; /* it has a walk of its own */
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return foreign;
}

/* A table, on the stack below its name. [-0, +0, m] */
static void walk_table(struct builder *b, int parent, int m, bool postponed) {
  lua_State *L = b->L;
  int name = lua_gettop(L), t = name - 1, n, own, other;
  if (is_named(b, t) || is_foreign(b, t, parent < 0)) return;
  count_content(b, t, m, parent < 0, &own, &other);
  if (own == 0 && other > 0 && parent >= 0 && !postponed) {
    lua_pushvalue(L, name); /* it looks like another module's: that one first */
    enqueue(b, POSTPONED, t, parent, m);
    return;
  }
  n = give_name(b, t, name, parent, m, INDEX_OPEN);
  lua_pushnil(L);
  while (lua_next(L, t) != 0) {
    if (lua_type(L, -2) == LUA_TSTRING && worth(L, -1)) {
      int value = lua_gettop(L);
      size_t len;
      const char *key = lua_tolstring(L, value - 1, &len);
      push_step(L, name, NAME_FIELD, 0, key, len);
      found(b, value, n, m);
    }
    lua_pop(L, 1);
  }
  if (lua_getmetatable(L, t)) {
    push_step(L, name, NAME_METATABLE, 0, "", 0);
    found(b, name + 1, n, m);
  }
  lua_settop(L, name);
}

/* Functions first: what their upvalues hold is nearer to the module than what its tables hold,
** which may be filled by scripts. [-0, +0, m] */
static void walk_all(struct builder *b) {
  lua_State *L = b->L;
  int top = lua_gettop(L), parent, m;
  for (;;) {
    if (dequeue(b, FUNCTIONS, &parent, &m))
      walk_function(b, parent, m);
    else if (dequeue(b, TABLES, &parent, &m))
      walk_table(b, parent, m, false);
    else if (dequeue(b, POSTPONED, &parent, &m))
      walk_table(b, parent, m, true);
    else
      break;
    lua_settop(L, top);
  }
}

/* Pushes the name of module m's value. [-0, +1, m] */
static void push_root(struct builder *b, int m) {
  lua_rawgeti(b->L, b->parts, m);
  lua_pushlstring(b->L, "", 1);
  lua_concat(b->L, 2);
}

static bool is_module(struct builder *b, int idx) {
  bool is;
  lua_pushvalue(b->L, idx);
  is = lua_rawget(b->L, b->modules) != LUA_TNIL;
  lua_pop(b->L, 1);
  return is;
}

/* One of Lua's own libraries, at `value`: itself and the fields listed. [-0, +0, m] */
static void name_standard(struct builder *b, int value, int m, const char *lib,
                          const char *fields) {
  lua_State *L = b->L;
  int top = lua_gettop(L), name = top + 1, field = top + 2;
  lua_pushfstring(L, "%s", lib);
  lua_pushlstring(L, "", 1);
  lua_concat(L, 2);
  lua_pushglobaltable(L);
  if (is_module(b, value) && !lua_rawequal(L, value, -1) &&
      !is_named(b, value)) /* _G itself is WIRE_GLOBALS */
    give_name(b, value, name, -1, m, INDEX_OWN);
  lua_pop(L, 1);
  for (const char *p = fields; p[1] != '\0';) {
    size_t len = strcspn(p + 1, " ");
    lua_pushlstring(L, p + 1, len);
    lua_rawget(L, value);
    if ((lua_iscfunction(L, field) || lua_istable(L, field) || lua_isuserdata(L, field)) &&
        !is_named(b, field)) {
      push_step(L, name, NAME_FIELD, 0, p + 1, len);
      give_name(b, field, field + 1, -1, m, lua_iscfunction(L, field) ? INDEX_FIXED : INDEX_OWN);
    }
    lua_settop(L, name);
    p += 1 + len;
  }
  lua_settop(L, top);
}

/* The value of module m is on top. [-0, +0, m] */
static void start_module(struct builder *b, int m) {
  lua_State *L = b->L;
  int value = lua_gettop(L);
  const char *part;
  if (module(b, m)->origin == ORIGIN_OWN) {
    lua_rawgeti(L, b->parts, m); /* keeps it alive too */
    part = lua_pushlstring(L, lua_tostring(L, -1), strcspn(lua_tostring(L, -1), "\1"));
    name_standard(b, value, m, part, ti_stdlibs_fields(part, strlen(part)));
  } else {
    push_root(b, m);
    if (lua_isfunction(L, value)) module(b, m)->own = true; /* judged by its own file, if at all */
    found(b, value, -1, m);
  }
  lua_settop(L, value);
}

/* The functions of libraries that are globals, while something else is in package.loaded. m is any
** of Lua's own. [-0, +0, m] */
static void name_libraries(struct builder *b, int m) {
  lua_State *L = b->L;
  int top = lua_gettop(L);
  const char *lib;
  for (size_t i = 0; (lib = ti_stdlibs_name(i)) != NULL; i++) {
    const char *fields = ti_stdlibs_fields(lib, strlen(lib));
    lua_pushglobaltable(L);
    lua_pushstring(L, lib);
    lua_rawget(L, -2);
    if (looks_standard(L, fields) && !is_module(b, top + 2))
      name_standard(b, top + 2, m, lib, fields);
    lua_settop(L, top);
  }
}

/* Lua's own libraries, C libraries, modules in Lua: an object that several hold gets the name
** that costs the other side least. [-0, +0, m] */
static void start_modules(struct builder *b) {
  static const enum origin order[] = {ORIGIN_OWN, ORIGIN_OTHER, ORIGIN_LUA};
  bool libraries = false;
  lua_State *L = b->L;
  int top = lua_gettop(L);
  lua_newtable(L); /* number of a module -> its value */
  lua_pushnil(L);
  while (lua_next(L, b->modules) != 0) {
    lua_pushvalue(L, -2);
    lua_rawseti(L, top + 1, lua_tointeger(L, -2));
    lua_pop(L, 1);
  }
  for (int i = 0; i < 3; i++)
    for (int m = 0; m < b->mods.n; m++) {
      if (module(b, m)->origin != order[i]) continue;
      lua_rawgeti(L, top + 1, m);
      start_module(b, m);
      if (!libraries && order[i] == ORIGIN_OWN) name_libraries(b, m);
      libraries = true;
      lua_pop(L, 1);
    }
  lua_settop(L, top);
}

/* ----------------------------------------------------------------- evidence -- */

static int compare_spans(const void *a, const void *b) {
  const struct span *x = (const struct span *)a, *y = (const struct span *)b;
  int c = strcmp(x->source, y->source);
  if (c != 0) return c;
  if (x->first != y->first) return x->first < y->first ? -1 : 1;
  return x->last == y->last ? 0 : x->last > y->last ? -1 : 1;
}

/* A function within the lines of another was made by a call of that one, perhaps the script's. All
** others were made when the file was run: what holds them is the module's own. */
static void judge_functions(struct builder *b) {
  struct span *s = (struct span *)b->spans.at;
  const struct span *outer = NULL;
  if (b->spans.n > 0) qsort(s, (size_t)b->spans.n, sizeof *s, compare_spans);
  for (int i = 0; i < b->spans.n; i++) {
    bool inside = outer != NULL && strcmp(outer->source, s[i].source) == 0 &&
                  s[i].last <= outer->last &&
                  (s[i].first != outer->first || s[i].last != outer->last);
    node(b, s[i].node)->nested = inside;
    if (!inside) outer = &s[i];
  }
  for (int i = 0; i < b->spans.n; i++) mark_own(b, s[i].node);
}

static int dump_writer(lua_State *L, const void *p, size_t n, void *ud) {
  (void)L;
  ti_buffer_put((struct ti_buffer *)ud, p, n);
  return ((struct ti_buffer *)ud)->failed;
}

/* Whether the Lua file with this source defines functions: compiles it, does not run it. [-0, +0,
** m] */
static bool has_functions(struct builder *b, const char *source) {
  lua_State *L = b->L;
  bool has = false;
  if (luaL_loadfilex(L, source + 1, NULL) == LUA_OK) {
    struct ti_buffer *scratch = &b->x->scratch;
    scratch->len = 0;
    scratch->failed = false;
    if (lua_dump(L, dump_writer, scratch, 1) == 0 && !scratch->failed) {
      struct ti_cursor c;
      struct ti_bytecode_proto main;
      ti_bytecode_begin(&c, scratch->data, scratch->len);
      ti_bytecode_head(&c, &main);
      has = !c.failed && main.nprotos > 0;
    }
  }
  lua_pop(L, 1);
  return has;
}

/* The same for all files of module m, remembered in FILES. [-0, +0, m] */
static bool defines_functions(struct builder *b, int m) {
  lua_State *L = b->L;
  int top = lua_gettop(L);
  bool has = false;
  lua_rawgeti(L, b->sources, m);
  lua_pushnil(L);
  while (lua_next(L, top + 1) != 0) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, b->files) == LUA_TBOOLEAN) {
      lua_pushvalue(L, -2);
      lua_pushinteger(L, has_functions(b, lua_tostring(L, -3)));
      lua_copy(L, -1, -3);
      lua_rawset(L, b->files);
    }
    has = has || lua_tointeger(L, -1) > 0;
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  return has;
}

/* Whether the value of module m is something that a script put in the place of what the worker
** would load. [-0, +0, m] */
static bool is_replacement(struct builder *b, int m) {
  const struct module *mod = module(b, m);
  if (mod->own || mod->origin == ORIGIN_OWN) return false;
  if (mod->origin == ORIGIN_OTHER) return mod->natives == 0 || mod->script > 0;
  if (mod->script > 0) return true;
  return mod->others == 0 && mod->natives == 0 && defines_functions(b, m);
}

/* Names of the module's own objects say so; those of replacements go. [-0, +0, m] */
static void finish_names(struct builder *b) {
  lua_State *L = b->L;
  int top = lua_gettop(L);
  static const char own = INDEX_OWN;
  for (int m = 0; m < b->mods.n; m++) module(b, m)->dropped = is_replacement(b, m);
  for (int n = 0; n < b->nodes.n; n++) {
    bool dropped = module(b, node(b, n)->module)->dropped;
    size_t len;
    const char *name;
    if (!dropped && !node(b, n)->own) continue;
    lua_rawgeti(L, b->objects, n);
    lua_pushvalue(L, -1);
    lua_rawget(L, b->names);
    name = lua_tolstring(L, -1, &len);
    if (dropped) {
      lua_pushvalue(L, top + 1);
      lua_pushnil(L);
      lua_rawset(L, b->names);
    } else if (name != NULL && name[0] == INDEX_OPEN) {
      lua_pushvalue(L, top + 1);
      lua_pushlstring(L, &own, 1);
      lua_pushlstring(L, name + 1, len - 1);
      lua_concat(L, 2);
      lua_rawset(L, b->names);
    }
    lua_settop(L, top);
  }
}

/* Functions of Lua's own libraries keep the names that they had, whatever the script did to the
** libraries. Old names are at `old`. [-0, +0, m] */
static void keep_fixed(struct builder *b, int old) {
  lua_State *L = b->L;
  lua_pushnil(L);
  while (lua_next(L, old) != 0) {
    const char *name = lua_tostring(L, -1);
    if (name != NULL && name[0] == INDEX_FIXED && !is_named(b, lua_gettop(L) - 1)) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, b->names);
    } else {
      lua_pop(L, 1);
    }
  }
}

/* Pushes a new table; its index. */
static int push_table(lua_State *L, const char *mode) {
  lua_newtable(L);
  if (mode != NULL) {
    lua_createtable(L, 0, 1);
    lua_pushstring(L, mode);
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
  }
  return lua_gettop(L);
}

static int push_array(lua_State *L, struct array *a) {
  memset(a, 0, sizeof *a);
  lua_pushnil(L);
  return a->idx = lua_gettop(L);
}

/* Two bits for an object's address. */
static size_t hash1(const void *p) { return ((uintptr_t)p >> 4) * 0x9E3779B97F4A7C15u >> 51; }
static size_t hash2(const void *p) { return ((uintptr_t)p >> 5) * 0xC2B2AE3D27D4EB4Fu >> 51; }

bool ti_module_index_maybe(const struct ti_codec_state *x, const void *object) {
  size_t a = hash1(object), b = hash2(object);
  return x->filter != NULL && (x->filter[a >> 3] >> (a & 7) & 1) &&
         (x->filter[b >> 3] >> (b & 7) & 1);
}

void ti_module_index_mark(struct ti_codec_state *x, const void *object) {
  size_t a = hash1(object), b = hash2(object);
  x->filter[a >> 3] |= (unsigned char)(1u << (a & 7));
  x->filter[b >> 3] |= (unsigned char)(1u << (b & 7));
}

/* The filter of NAMES, whose table is on top. [-0, +0, m] */
static void fill_filter(lua_State *L, struct ti_codec_state *x) {
  if (x->filter == NULL)
    x->filter = (unsigned char *)ti_alloc_zero(&ti_alloc_default, CODEC_FILTER);
  if (x->filter == NULL) luaL_error(L, "not enough memory");
  memset(x->filter, 0, CODEC_FILTER);
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    ti_module_index_mark(x, lua_topointer(L, -2));
    lua_pop(L, 1);
  }
}

void ti_module_index_build(lua_State *L, int xidx) {
  struct builder b;
  int top = lua_gettop(L);
  luaL_checkstack(L, 40, NULL);
  memset(&b, 0, sizeof b);
  b.L = L;
  b.x = (struct ti_codec_state *)lua_touserdata(L, xidx);
  b.xidx = xidx;
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  b.loaded = lua_gettop(L);
  ti_codec_state_table(L, xidx, CODEC_ORIGINS);
  b.origins = lua_gettop(L);
  ti_codec_state_table(L, xidx, CODEC_FILES);
  b.files = lua_gettop(L);
  b.names = push_table(L, "k");
  b.modules = push_table(L, NULL);
  b.parts = push_table(L, NULL);
  b.sources = push_table(L, NULL);
  b.objects = push_table(L, NULL);
  for (int i = 0; i < 3; i++) b.queue[i] = push_table(L, NULL);
  push_array(L, &b.mods);
  push_array(L, &b.nodes);
  push_array(L, &b.spans);
  add_modules(&b);
  start_modules(&b);
  walk_all(&b);
  judge_functions(&b);
  finish_names(&b);
  ti_codec_state_table(L, xidx, CODEC_NAMES);
  keep_fixed(&b, lua_gettop(L));
  lua_settop(L, b.names);
  fill_filter(L, b.x);
  lua_setiuservalue(L, xidx, CODEC_NAMES);
  if (b.new_files) ti_codec_state_flush(L, xidx);
  lua_settop(L, top);
}
