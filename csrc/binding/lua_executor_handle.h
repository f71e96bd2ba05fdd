/*
** binding/lua_executor_handle: the userdata that scripts have for executors.
**
** lua_executor makes them and has their methods.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_BINDING_LUA_EXECUTOR_HANDLE_H
#define TI_BINDING_LUA_EXECUTOR_HANDLE_H

#include "binding/lua_binding.h"

TI_BINDING_BEGIN

struct ti_lua_executor {
  tide_executor *ex; /* a user's reference unless borrowed; NULL before filled and once collected */
  bool borrowed;     /* this state is a worker of ex: it must not keep its own executor alive */
};

/* Returns the executor in argument `arg`, borrowed from its userdata. Raises an error if it is
** none, or collected. [-0, +0, e] */
tide_executor *ti_lua_executor_handle_check(lua_State *L, int arg);

TI_BINDING_END

#endif
