/*
** tidepool, floor 2: pack, Lua values to a message.
**
** The mirror of unpack: both follow wire.h. Packing calls Lua (metamethods `__transfer`,
** package.searchpath), so it runs in a protected call of its own, and all its memory is
** the message's or lies in frames outside that call: nothing leaks when it raises.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_PACK_H
#define TIDE_PACK_H

#include <lua.h>

#include "message.h"

TIDE_INTERNAL_BEGIN

/* How values are called in refusals. */
enum pack_style {
  PACK_CALL,    /* "function", "argument 1", … */
  PACK_OPENING, /* "initializer", "finalizer", "initializer argument 1", … */
  PACK_RESULTS, /* "result 1", … */
  PACK_ERROR,   /* "error value" */
  PACK_SHARED   /* "shared value" */
};

/* What may go to the other side besides what it finds by name as a module's (names.h). */
struct pack_rules {
  /* Whether this C function may be sent by its address. NULL: none may. Called on the thread that packs. */
  int (*cfunction)(lua_CFunction fn, void *ud);
  void *ud;
  bool named;   /* C functions that only the program has go by their path: others may have them */
  bool objects; /* tables and userdata that only the program has, too (native.h) */
};
/* Each C function by its address. */
extern const struct pack_rules tide_pack_addresses;

/* Appends the n values on top to m. LUA_OK, or another status with the error on top: an error
** object of kind transfer that names the path to what cannot be sent, or what a metamethod
** raised; then m is unusable but for _fini. [-n, +(0|1), m] */
int tide_pack(lua_State *L, struct message *m, int n, enum pack_style style);
/* The same by these rules; NULL: those of the state. [-n, +(0|1), m] */
int tide_pack_by(lua_State *L, struct message *m, int n, enum pack_style style,
                 const struct pack_rules *rules);
/* The same where the state's transfer userdata lies above the values. [-(n + 1), +(0|1), m] */
int tide_pack_below(lua_State *L, struct message *m, int n, enum pack_style style,
                    const struct pack_rules *rules);

TIDE_INTERNAL_END

#endif
