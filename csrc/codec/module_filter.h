/*
** codec/module_filter: whether an object may have a module name, in a few instructions.
**
** A Bloom filter of the addresses of all objects in the table CODEC_NAMES. A state has none until
** its index has been made.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_MODULE_FILTER_H
#define TI_CODEC_MODULE_FILTER_H

#include "codec/codec_state.h"

TI_INTERNAL_BEGIN

/* Returns false if the index has no name for the object at this address. */
bool ti_module_filter_maybe(const struct ti_codec_state *x, const void *object);

/* Adds the object. The state has a filter. */
void ti_module_filter_add(struct ti_codec_state *x, const void *object);

/* Fills the filter anew from the table of names on top. [-0, +0, m] */
void ti_module_filter_fill(lua_State *L, struct ti_codec_state *x);

TI_INTERNAL_END

#endif
