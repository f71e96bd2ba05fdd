/*
** codec/package_paths: where a submitter's modules come from.
**
** They are package.path, package.cpath and the C functions in package.preload, captured once and
** shared by reference. They are captured anew when a script changes one of the two paths.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_PACKAGE_PATHS_H
#define TI_CODEC_PACKAGE_PATHS_H

#include <lua.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

struct ti_package_paths; /* immutable, counted */

/* Take and return a reference. NULL is legal. Any thread. */
struct ti_package_paths *ti_package_paths_hold(struct ti_package_paths *p);
void ti_package_paths_release(void *paths);

/* Returns L's paths, without a reference: they are valid until the next call with L. `anew`:
** captures them even if both paths are unchanged, as package.preload may have changed. Pushes the
** codec state, which a submit needs next. [-0, +1, e] */
struct ti_package_paths *ti_package_paths_of(lua_State *L, int anew);

/* Pushes the library `package`, which is looked up once for a state. The codec state is at xidx.
** [-0, +1, m] */
void ti_package_paths_package(lua_State *L, int xidx);

/* Sets L's paths and its package.preload functions. [-0, +0, e] */
void ti_package_paths_apply(lua_State *L, const struct ti_package_paths *p);

TI_INTERNAL_END

#endif
