/*
** codec/module_index: which objects the loaded modules hold, and their names.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_MODULE_INDEX_H
#define TI_CODEC_MODULE_INDEX_H

#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

/* Makes the index anew from package.loaded: fills the tables CODEC_NAMES and CODEC_FILES and the
** filter. Lists the modules that a worker can require, walks from them, and judges what they hold.
** Calls no Lua function except package.searchpath. Raises what that raises; the old index then
** stays. The codec state is at xidx. [-0, +0, e] */
void ti_module_index_build(lua_State *L, int xidx);

TI_INTERNAL_END

#endif
