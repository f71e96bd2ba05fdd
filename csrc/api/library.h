/*
** api/library: what belongs to no object of the API.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_LIBRARY_H
#define TI_API_LIBRARY_H

#include "include/tidepool.h"
#include "luautil/library_copy.h"

TI_INTERNAL_BEGIN

/* The copy of the library that this code belongs to. */
extern const struct ti_library_copy ti_library_this_copy;

TI_INTERNAL_END

#endif
