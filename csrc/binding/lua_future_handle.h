/*
** binding/lua_future_handle: the userdata that scripts have for futures.
**
** lua_future makes them and has their methods.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_BINDING_LUA_FUTURE_HANDLE_H
#define TI_BINDING_LUA_FUTURE_HANDLE_H

#include "binding/lua_binding.h"

TI_BINDING_BEGIN

/* A future's userdata. There may be very many, so it is small. Its only user value is
** TI_LUA_FUTURE_OUTCOME once a decoded outcome is kept, before that TI_LUA_FUTURE_OWNER. */
struct ti_lua_future {
  tide_future *f;        /* a reference; NULL before it is filled and once collected */
  int nvalues;           /* decoded values in the user value; -1: none is kept */
  unsigned char outcome; /* valid once decoded: TIDE_OK, TIDE_EERROR or a kind */
  bool in_group : 1;     /* is in the state's callback group */
  bool seen : 1;         /* the outcome was read, or will be: no warning when it is collected */
  bool decoded : 1;      /* was decoded once without being kept */
  bool task : 1;         /* a submit made it here: this state warns if it fails unseen */
  unsigned char item;    /* TI_LUA_NOITEM, … */
};

/* What a future is for: scripts see it; it is a map's for one item, or for a chunk of items. */
enum { TI_LUA_NOITEM, TI_LUA_ITEM, TI_LUA_CHUNK };

enum {
  TI_LUA_FUTURE_OUTCOME = 1, /* the one value, or a table of nvalues */
  TI_LUA_FUTURE_OWNER = 1    /* of a map's future: its pending chunk */
};

/* Returns the future's userdata in argument `arg`. Raises an error if it is none, or collected.
** [-0, +0, e] */
struct ti_lua_future *ti_lua_future_handle_check(lua_State *L, int arg);
/* Returns the same for the self of a method. [-0, +0, e] */
struct ti_lua_future *ti_lua_future_handle_self(lua_State *L);
/* Returns whether the future is finished or cancelled. */
bool ti_lua_future_handle_done(const struct ti_lua_future *b);

TI_BINDING_END

#endif
