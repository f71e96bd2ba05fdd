/*
** codec/module_changes: noticing that the index of module names is out of date.
**
** The index is made anew when package.loaded, package.preload or the package paths have changed.
** That is noticed by the addresses of all values that they hold, which are compared with those at
** the last time. All of these values are kept alive, so that no address is used twice. A name that
** was exchanged for another of the same value is not noticed here, but when it is followed.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_MODULE_CHANGES_H
#define TI_CODEC_MODULE_CHANGES_H

#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

/* Returns whether the index is out of date. Calls no Lua function. The codec state is at xidx.
** [-0, +0, m] */
bool ti_module_changes_any(lua_State *L, int xidx);

/* Brings the index up to date. May call package.searchpath. If that raises, the next call starts
** anew. The codec state is at xidx. [-0, +0, e] */
void ti_module_changes_apply(lua_State *L, int xidx);

TI_INTERNAL_END

#endif
