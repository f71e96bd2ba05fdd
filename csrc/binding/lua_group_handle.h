/*
** binding/lua_group_handle: userdata that hold futures until they finish.
**
** A userdata over tide_group. Its user value is a table from keys to the userdata of the futures
** that were added. So the same userdata comes back, and is kept alive until it is taken.
**
** A group must be freed before its state is closed. Making one makes the state's owner first, so
** the owner's finalizer runs after the group's.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_BINDING_LUA_GROUP_HANDLE_H
#define TI_BINDING_LUA_GROUP_HANDLE_H

#include "binding/lua_binding.h"

TI_BINDING_BEGIN

struct ti_lua_group {
  tide_group *g; /* owned; NULL before it is filled and once closed */
};

/* Pushes a new group of a class, which has `__gc`. Raises TIDE_ENOMEM. [-0, +1, e] */
void ti_lua_group_handle_push(lua_State *L, const struct ti_lua_class *c);
/* Adds the future's userdata at `fut` to the group at `idx`. `key` stands for it until it is
** taken. Returns false if `key` is in the group. Raises TIDE_ENOMEM. [-0, +0, e] */
bool ti_lua_group_handle_add(lua_State *L, int idx, int fut, const void *key);
/* Takes the next finished future from the group at `idx` and pushes its userdata. Returns false,
** and pushes nothing, if there is none now. Never blocks. [-0, +(0|1), m] */
bool ti_lua_group_handle_take(lua_State *L, int idx);
/* Waits until a future of the group at `idx` is finished. Returns false if the group is empty.
** [-0, +0, e] */
bool ti_lua_group_handle_wait(lua_State *L, int idx);
/* Frees the group at `idx` if it is empty. Returns whether it was. [-0, +0, -] */
bool ti_lua_group_handle_close_empty(lua_State *L, int idx);
/* Frees the group at `idx`, and removes all futures from it. A closed group stays closed.
** [-0, +0, -] */
void ti_lua_group_handle_close(lua_State *L, int idx);

TI_BINDING_END

#endif
