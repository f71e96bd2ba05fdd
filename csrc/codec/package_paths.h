/*
** codec/package_paths: where a submitter's modules come from.
**
** package.path, package.cpath and the C functions in package.preload, copied once and
** shared by reference; captured anew when a script changes one of the two paths.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_PACKAGE_PATHS_H
#define TI_CODEC_PACKAGE_PATHS_H

#include <lua.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

struct ti_package_paths; /* immutable, counted */

struct ti_package_paths *ti_package_paths_hold(struct ti_package_paths *p); /* NULL is legal */
void ti_package_paths_release(void *paths);                                 /* NULL is legal */

/* L's paths now; borrowed, valid until the next call with L. `anew` looks at package.preload
** too, which otherwise only a change of the paths makes it do. Leaves the state's transfer
** userdata, which a submit needs next. [-0, +1, e] */
struct ti_package_paths *ti_package_paths_of(lua_State *L, int anew);
/* Pushes the package library of L, which was looked up once: it stays the same table. The transfer
** userdata is at xidx. [-0, +1, m] */
void ti_package_paths_package(lua_State *L, int xidx);
/* Makes them L's. [-0, +0, e] */
void ti_package_paths_apply(lua_State *L, const struct ti_package_paths *p);

TI_INTERNAL_END

#endif
