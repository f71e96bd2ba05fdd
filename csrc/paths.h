/*
** tidepool, floor 2: paths, where a submitter's modules come from.
**
** package.path, package.cpath and the C functions in package.preload, packed once and
** shared by reference; captured anew when a script changes one of the two paths.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_PATHS_H
#define TIDE_PATHS_H

#include <lua.h>

#include "internal.h"

TIDE_INTERNAL_BEGIN

struct paths; /* immutable, counted */

struct paths *tide_paths_hold(struct paths *p); /* NULL is legal */
void tide_paths_rele(void *paths);              /* NULL is legal */

/* L's paths now; borrowed, valid until the next call with L. `anew` looks at package.preload
** too, which otherwise only a change of the paths makes it do. Leaves the state's transfer
** userdata, which a submit needs next. [-0, +1, e] */
struct paths *tide_paths_of(lua_State *L, int anew);
/* Pushes the package library of L, which was looked up once: it stays the same table. The transfer
** userdata is at xidx. [-0, +1, m] */
void tide_paths_package(lua_State *L, int xidx);
/* Makes them L's. [-0, +0, e] */
void tide_paths_apply(lua_State *L, const struct paths *p);

TIDE_INTERNAL_END

#endif
