/*
** codec/cfunction: what only the program has, and its paths.
**
** These are C functions, and tables and userdata that need them, which no worker can require: the
** program put them into package.loaded or the globals of its states. They are sent by a path where
** the receiver may have them (ti_pack_rules in pack.h). So are C functions that lie deep within
** modules that can be required and have no name (module_names.h).
**
** Terms:
**   path   "R" or "H"; the name of a module, or "" for the globals; then "\0field" for each step.
**          "R": the other side can require the module; "H": the program must have put it there
**
** Each state has an index of paths (cfunction_index.h). Before a path is used it is followed: it
** must lead to the object now. In all functions the codec state is at stack index xidx.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_CFUNCTION_H
#define TI_CODEC_CFUNCTION_H

#include <lua.h>

#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

/* Pushes a path that leads to the object at idx now, and returns true; or returns false.
** [-0, +(0|1), m] */
bool ti_cfunction_find(lua_State *L, int idx, int xidx);

/* Returns whether the value at idx is a C function without a name, or a table with one among its
** fields. The index of names is up to date. [-0, +0, m] */
bool ti_cfunction_maybe(lua_State *L, int idx, int xidx);

/* Returns whether the receiver can require the module of this path. */
static inline bool ti_cfunction_required(const char *path) { return path[0] == 'R'; }

/* Pushes what the path leads to here. With `fn` that must be this C function; if it is not, and the
** state has fn without upvalues under another name, pushes that. Raises an error of kind transfer
** if there is nothing, or something else. [-0, +1, e] */
void ti_cfunction_resolve(lua_State *L, const char *path, size_t len, lua_CFunction fn, int xidx);

/* Replaces the path on top by words for a refusal: "module 'core'", "global 'core'". [-1, +1, m] */
void ti_cfunction_owner(lua_State *L);

/* Replaces the path on top by how a script writes it: "core.log". [-1, +1, m] */
void ti_cfunction_words(lua_State *L);

/* Finds the first value from stack index `from` to the top that is a module which only the program
** has. Pushes the module's name and returns true; or returns false. [-0, +(0|1), m] */
bool ti_cfunction_among(lua_State *L, int from, int xidx);

/* Advice in refusals. */
#define CFUNCTION_ADVICE \
  "let each worker have it (open_state, package.preload, or the executor's initializer)"

TI_INTERNAL_END

#endif
