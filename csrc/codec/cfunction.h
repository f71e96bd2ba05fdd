/*
** codec/cfunction: what only the program has, and how it is called.
**
** C functions, and tables and userdata that need them, which no worker can require: what the
** program put into package.loaded or the globals of its states. They go by a path, if the other
** side may have them, too (pack_rules in pack.h). The same is done for C functions that lie deep
** within modules that can be required, and have no name (module_names.h).
**
** Terms:
**   path   "R" or "H"; the name of a module, or "" for the globals; then "\0field" for each step.
**          "R": the other side can require the module; "H": the program must have put it there
**
** Of each state there is an index, made when it is first asked for, and again when that of names
** is. Before a path is used it is followed: it must lead to the object now.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_CFUNCTION_H
#define TI_CODEC_CFUNCTION_H

#include <lua.h>

#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

/* Brings the index up to date; that of names is. `anew`: whatever it is. [-0, +0, m] */
void ti_cfunction_refresh(lua_State *L, int xidx, bool anew);
/* If a path leads to the object at idx now, pushes it and returns true. [-0, +(0|1), m] */
bool ti_cfunction_find(lua_State *L, int idx, int xidx);
/* Whether the value at idx is a C function without a name, or a table with one among its fields.
** The index of names is up to date. [-0, +0, m] */
bool ti_cfunction_looks(lua_State *L, int idx, int xidx);
/* Whether the other side can require the module of this path. */
static inline bool ti_cfunction_required(const char *path) { return path[0] == 'R'; }
/* Pushes what the path leads to here. With fn it must be this C function; if it is not, but the
** state has it under another name, without upvalues, that is pushed. Raises kind transfer if there
** is nothing, or something else. [-0, +1, e] */
void ti_cfunction_resolve(lua_State *L, const char *path, size_t len, lua_CFunction fn, int xidx);
/* Replaces the path on top by words for a refusal: "module 'core'", "global 'core'". [-1, +1, m] */
void ti_cfunction_owner(lua_State *L);
/* Replaces the path on top by what a script calls it: "core.log". [-1, +1, m] */
void ti_cfunction_words(lua_State *L);
/* Pushes the name of a module that only the program has and that is among the tables from stack
** index `from` up to the top, the first of them; or returns false. [-0, +(0|1), m] */
bool ti_cfunction_among(lua_State *L, int from, int xidx);

/* The end of each refusal. */
#define CFUNCTION_ADVICE \
  "let each worker have it (open_state, package.preload, or the executor's initializer)"

TI_INTERNAL_END

#endif
