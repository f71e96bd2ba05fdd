/*
** codec/module_builder: what the files that make the index of module names share.
**
** A builder lives in the C frame of ti_module_index_build. Its tables and arrays are on the Lua
** stack, so nothing leaks when something raises.
**
** Terms:
**   node    an object that got a name: a module's value, or what a step leads to
**   own     the object has evidence that the module's own file made it (module_evidence.h)
**   nested  a function that a call of another function made, not the running of its file
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_MODULE_BUILDER_H
#define TI_CODEC_MODULE_BUILDER_H

#include "codec/codec_state.h"
#include "codec/module_form.h"
#include "codec/module_origin.h"

TI_INTERNAL_BEGIN

/* The index has no longer names. So the names of a list of a million links cost no square of their
** number. */
enum { BUILDER_MAX_NAME = 2000 };

/* An array in a userdata at stack index `idx`. */
struct ti_module_array {
  void *at;
  int n, cap, idx;
};

struct ti_module_info {
  enum ti_module_origin origin;
  bool own;     /* its value is the module's own */
  bool dropped; /* a script put its value in the place of what a worker would load */
  int script;   /* functions of no module's file directly in its value */
  int others;   /* values and functions of other modules directly in it */
  int natives;  /* C functions and userdata named in it */
  int nobjects; /* objects found in it */
};

struct ti_module_node {
  int parent; /* number of the node that holds it; -1: it is a module's value */
  int module; /* number of the module */
  bool own, nested;
};

/* A Lua function that a module's own file defines. */
struct ti_module_span {
  const char *source; /* kept alive by the function */
  int first, last;    /* its lines */
  int node;
};

struct ti_module_builder {
  lua_State *L;
  struct ti_codec_state *x;
  /* stack indices of tables */
  int loaded;  /* package.loaded */
  int names;   /* object -> flag and name: the new CODEC_NAMES */
  int files;   /* CODEC_FILES */
  int origins; /* CODEC_ORIGINS */
  int modules; /* value -> number of its module */
  int parts;   /* number of a module -> its canonical name and aliases, as in a name */
  int sources; /* number of a module -> its files as sources -> true */
  int objects; /* number of a node -> object */
  struct ti_module_array mods, nodes, spans;
  bool new_files; /* a file was not in CODEC_FILES: its functions may have been sent by value */
};

static inline struct ti_module_info *ti_module_builder_module(const struct ti_module_builder *b,
                                                              int m) {
  return (struct ti_module_info *)b->mods.at + m;
}

static inline struct ti_module_node *ti_module_builder_node(const struct ti_module_builder *b,
                                                            int n) {
  return (struct ti_module_node *)b->nodes.at + n;
}

/* Fills *b and pushes its tables. The codec state is at xidx. */
void ti_module_builder_init(lua_State *L, struct ti_module_builder *b, int xidx);

/* Pushes an empty array. [-0, +1, -] */
void ti_module_builder_array(lua_State *L, struct ti_module_array *a);

/* Returns one more item of the array, of `size` bytes, which are zero. [-0, +0, m] */
void *ti_module_builder_add(lua_State *L, struct ti_module_array *a, size_t size);

/* Returns whether the object at idx has a name. [-0, +0, -] */
bool ti_module_builder_is_named(const struct ti_module_builder *b, int idx);

/* Returns whether the value at idx is that of a module. [-0, +0, -] */
bool ti_module_builder_is_module(const struct ti_module_builder *b, int idx);

/* Returns whether a value of this type can have a name. */
bool ti_module_builder_nameable(lua_State *L, int idx);

/* Gives the object at idx the name at index `name`. Returns the number of its node, which has this
** parent and module. [-0, +0, m] */
int ti_module_builder_name(struct ti_module_builder *b, int idx, int name, int parent, int module,
                           enum ti_module_form_flag flag);

TI_INTERNAL_END

#endif
