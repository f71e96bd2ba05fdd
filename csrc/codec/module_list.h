/*
** codec/module_list: which modules are loaded, and under which names.
**
** A module is a value of package.loaded. Of its names there the canonical one is chosen thus: one
** with a file in Lua before one of a C library; one whose file made a function directly in the
** module before others; then the shortest, then the first in byte order. The others are aliases.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_MODULE_LIST_H
#define TI_CODEC_MODULE_LIST_H

#include "codec/module_builder.h"

TI_INTERNAL_BEGIN

/* Fills `mods`, `modules`, `parts` and `sources` of the builder, and adds the modules' files to
** `files`. Calls package.searchpath. [-0, +0, e] */
void ti_module_list_fill(struct ti_module_builder *b);

TI_INTERNAL_END

#endif
