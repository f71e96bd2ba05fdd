/*
** codec/cfunction_index: the index of paths.
**
** It has what only the program has (cfunction.h), each with the best path that leads to it. It is
** made when it is first needed, and again when the index of names is. In all functions the codec
** state is at stack index xidx.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_CFUNCTION_INDEX_H
#define TI_CODEC_CFUNCTION_INDEX_H

#include <lua.h>

#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

/* Brings the index up to date; the index of names already is. `anew`: makes it anew in any case.
** [-0, +0, m] */
void ti_cfunction_index_refresh(lua_State *L, int xidx, bool anew);

/* Returns whether the object at idx has a module name. [-0, +0, m] */
bool ti_cfunction_index_named(lua_State *L, int idx, int xidx);

TI_INTERNAL_END

#endif
