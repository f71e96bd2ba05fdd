/*
** codec/module_walk: naming what modules hold, by a breadth-first walk from their values.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/module_walk.h"

#include "codec/module_evidence.h"
#include "platform/file.h"

/* Of each module at most this number of objects is named. */
enum { MAX_OBJECTS = 20000 };

/* Which code defined a function. */
enum definer {
  BY_MODULE, /* a file of the module in which it was found, or its C library */
  BY_OTHER,  /* a file of another module */
  BY_SCRIPT
};

static struct ti_module_info *module(const struct ti_module_walk *w, int m) {
  return ti_module_builder_module(w->b, m);
}

/* ------------------------------------------------------------------- queues -- */

void ti_module_walk_init(struct ti_module_walk *w, struct ti_module_builder *b) {
  memset(w, 0, sizeof *w);
  w->b = b;
  for (int i = 0; i < WALK_QUEUES; i++) {
    lua_newtable(b->L);
    w->queue[i] = lua_gettop(b->L);
  }
}

/* Appends the object at idx and its name, which is on top, to queue q. [-1, +0, m] */
static void enqueue(struct ti_module_walk *w, int q, int idx, int parent, int m) {
  lua_State *L = w->b->L;
  lua_Integer at = w->tail[q];
  lua_rawseti(L, w->queue[q], at + 4);
  lua_pushvalue(L, idx);
  lua_rawseti(L, w->queue[q], at + 1);
  lua_pushinteger(L, parent);
  lua_rawseti(L, w->queue[q], at + 2);
  lua_pushinteger(L, m);
  lua_rawseti(L, w->queue[q], at + 3);
  w->tail[q] = at + 4;
}

/* Pushes an object and its name. Returns false if queue q is empty. [-0, +(0|2), m] */
static bool dequeue(struct ti_module_walk *w, int q, int *parent, int *m) {
  lua_State *L = w->b->L;
  lua_Integer at = w->head[q];
  if (at == w->tail[q]) return false;
  lua_rawgeti(L, w->queue[q], at + 2);
  lua_rawgeti(L, w->queue[q], at + 3);
  *parent = (int)lua_tointeger(L, -2);
  *m = (int)lua_tointeger(L, -1);
  lua_pop(L, 2);
  lua_rawgeti(L, w->queue[q], at + 1);
  lua_rawgeti(L, w->queue[q], at + 4);
  for (int i = 1; i <= 4; i++) {
    lua_pushnil(L);
    lua_rawseti(L, w->queue[q], at + i);
  }
  w->head[q] = at + 4;
  return true;
}

/* ---------------------------------------------------------------- functions -- */

/* Returns whether a C library may have loaded a function with this source. It may load Lua code
** from anywhere except from a file. */
static bool may_be_built_in(const char *source) {
  if (source[0] == '@') return !ti_file_readable(source + 1);
  return source[0] == '=' && strcmp(source, "=stdin") != 0 &&
         strcmp(source, "=(command line)") != 0;
}

/* Returns which code defined the Lua function at idx, which was found in module m. Fills *ar with
** its source and lines. [-0, +0, m] */
static enum definer definer_of(struct ti_module_walk *w, int idx, int m, lua_Debug *ar) {
  lua_State *L = w->b->L;
  enum definer by = BY_SCRIPT;
  lua_pushvalue(L, idx);
  lua_getinfo(L, ">S", ar);
  lua_rawgeti(L, w->b->sources, m);
  lua_pushstring(L, ar->source);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) != LUA_TNIL) {
    by = BY_MODULE;
  } else {
    lua_pushvalue(L, -2);
    if (lua_rawget(L, w->b->files) != LUA_TNIL)
      by = BY_OTHER;
    else if (module(w, m)->origin == ORIGIN_OTHER && may_be_built_in(ar->source))
      by = BY_MODULE;
    lua_pop(L, 1);
  }
  lua_pop(L, 3);
  return by;
}

/* ----------------------------------------------------------------- the walk -- */

/* Names the userdata or function at idx, which has no name yet, if it is the module's. Its name is
** on top. [-0, +0, m] */
static void name_leaf(struct ti_module_walk *w, int idx, int parent, int m) {
  struct ti_module_builder *b = w->b;
  lua_State *L = b->L;
  int name = lua_gettop(L), n;
  lua_Debug ar;
  module(w, m)->nobjects++;
  if (lua_isuserdata(L, idx) || lua_iscfunction(L, idx)) {
    n = ti_module_builder_name(b, idx, name, parent, m, FORM_OWN);
    module(w, m)->natives++;
    if (module(w, m)->origin == ORIGIN_OTHER) ti_module_evidence_mark(b, n);
  } else if (definer_of(w, idx, m, &ar) == BY_MODULE) {
    struct ti_module_span *s;
    n = ti_module_builder_name(b, idx, name, parent, m, FORM_OPEN);
    s = (struct ti_module_span *)ti_module_builder_add(L, &b->spans, sizeof *s);
    s->source = ar.source;
    s->first = ar.linedefined;
    s->last = ar.lastlinedefined;
    s->node = n;
    lua_pushvalue(L, name);
    enqueue(w, WALK_FUNCTIONS, idx, n, m);
  }
}

/* Takes up the object at idx, which was found in module m as a part of node `parent`. Its name is
** on top. A table is named when its turn comes, so that the nearest module names it. [-1, +0, m] */
static void found(struct ti_module_walk *w, int idx, int parent, int m) {
  lua_State *L = w->b->L;
  int name = lua_gettop(L);
  if (lua_rawlen(L, name) > BUILDER_MAX_NAME || module(w, m)->nobjects >= MAX_OBJECTS) {
    lua_pop(L, 1);
  } else if (lua_istable(L, idx)) {
    module(w, m)->nobjects++;
    enqueue(w, WALK_TABLES, idx, parent, m);
  } else {
    if (!ti_module_builder_is_named(w->b, idx)) name_leaf(w, idx, parent, m);
    lua_settop(L, name - 1);
  }
}

/* Follows the upvalues of a Lua function of module m, node n, which is on the stack below its name.
** [-0, +0, m] */
static void walk_function(struct ti_module_walk *w, int n, int m) {
  lua_State *L = w->b->L;
  int name = lua_gettop(L), f = name - 1;
  const char *up;
  for (int i = 1; (up = lua_getupvalue(L, f, i)) != NULL; i++) {
    if (ti_module_builder_nameable(L, -1)) {
      ti_module_form_push(L, name, FORM_UPVALUE, i, up, strlen(up));
      found(w, name + 1, n, m);
    }
    lua_settop(L, name);
  }
}

/* Counts the functions directly in the table at t: those of module m, and those of other modules.
** For a module's value it also fills what its info says of the content. [-0, +0, m] */
static void count_content(struct ti_module_walk *w, int t, int m, bool root, int *own, int *other) {
  lua_State *L = w->b->L;
  lua_Debug ar;
  *own = *other = 0;
  lua_pushnil(L);
  while (lua_next(L, t) != 0) {
    int value = lua_gettop(L);
    if (lua_type(L, value) == LUA_TFUNCTION && !lua_iscfunction(L, value)) {
      switch (definer_of(w, value, m, &ar)) {
        case BY_MODULE: ++*own; break;
        case BY_OTHER: ++*other; break;
        case BY_SCRIPT:
          if (root) module(w, m)->script++;
      }
    } else if (root && lua_istable(L, value)) {
      if (ti_module_builder_is_module(w->b, value)) module(w, m)->others++;
    }
    lua_settop(L, value - 1);
  }
  if (root) module(w, m)->others += *other;
}

/* Returns whether the table at t is never walked as part of something. A module's value has a walk
** of its own. [-0, +0, -] */
static bool is_foreign(struct ti_module_walk *w, int t, bool root) {
  lua_State *L = w->b->L;
  bool foreign;
  lua_pushglobaltable(L);
  foreign = lua_rawequal(L, -1, t) || lua_rawequal(L, w->b->loaded, t) ||
            lua_topointer(L, t) == lua_topointer(L, LUA_REGISTRYINDEX);
  lua_pop(L, 1);
  return foreign || (!root && ti_module_builder_is_module(w->b, t));
}

/* Names the table that is on the stack below its name, and takes up what it holds. A table that has
** functions of other modules only is postponed once: the other module may name it first.
** [-0, +0, m] */
static void walk_table(struct ti_module_walk *w, int parent, int m, bool postponed) {
  lua_State *L = w->b->L;
  int name = lua_gettop(L), t = name - 1, n, own, other;
  if (ti_module_builder_is_named(w->b, t) || is_foreign(w, t, parent < 0)) return;
  count_content(w, t, m, parent < 0, &own, &other);
  if (own == 0 && other > 0 && parent >= 0 && !postponed) {
    lua_pushvalue(L, name);
    enqueue(w, WALK_POSTPONED, t, parent, m);
    return;
  }
  n = ti_module_builder_name(w->b, t, name, parent, m, FORM_OPEN);
  lua_pushnil(L);
  while (lua_next(L, t) != 0) {
    if (lua_type(L, -2) == LUA_TSTRING && ti_module_builder_nameable(L, -1)) {
      int value = lua_gettop(L);
      size_t len;
      const char *key = lua_tolstring(L, value - 1, &len);
      ti_module_form_push(L, name, FORM_FIELD, 0, key, len);
      found(w, value, n, m);
    }
    lua_pop(L, 1);
  }
  if (lua_getmetatable(L, t)) {
    ti_module_form_push(L, name, FORM_METATABLE, 0, "", 0);
    found(w, name + 1, n, m);
  }
  lua_settop(L, name);
}

void ti_module_walk_start(struct ti_module_walk *w, int value, int m) { found(w, value, -1, m); }

/* Functions come first: what their upvalues hold is nearer to the module than what its tables hold,
** which scripts may fill. */
void ti_module_walk_run(struct ti_module_walk *w) {
  lua_State *L = w->b->L;
  int top = lua_gettop(L), parent, m;
  for (;;) {
    if (dequeue(w, WALK_FUNCTIONS, &parent, &m))
      walk_function(w, parent, m);
    else if (dequeue(w, WALK_TABLES, &parent, &m))
      walk_table(w, parent, m, false);
    else if (dequeue(w, WALK_POSTPONED, &parent, &m))
      walk_table(w, parent, m, true);
    else
      break;
    lua_settop(L, top);
  }
}
