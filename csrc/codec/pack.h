/*
** codec/pack: Lua values to a message.
**
** The mirror of unpack: both follow wire.h. Packing calls Lua (metamethods `__transfer`,
** package.searchpath), so it runs in a protected call of its own, and all its memory is
** the message's or lies in frames outside that call: nothing leaks when it raises.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_PACK_H
#define TI_CODEC_PACK_H

#include <lua.h>

#include "util/message.h"

TI_INTERNAL_BEGIN

/* How values are called in refusals. */
enum ti_pack_style {
  PACK_CALL,    /* "function", "argument 1", … */
  PACK_OPENING, /* "initializer", "finalizer", "initializer argument 1", … */
  PACK_RESULTS, /* "result 1", … */
  PACK_ERROR,   /* "error value" */
  PACK_SHARED   /* "shared value" */
};

/* What may go to the other side besides what it finds by name as a module's (module_names.h). */
struct ti_pack_rules {
  /* Whether this C function may be sent by its address. NULL: none may. Called on the thread that
  ** packs. */
  int (*cfunction)(lua_CFunction fn, void *ud);
  void *ud;
  bool named;   /* C functions that only the program has go by their path: others may have them */
  bool objects; /* tables and userdata that only the program has, too (cfunction.h) */
};
/* Each C function by its address. */
extern const struct ti_pack_rules ti_pack_addresses;

/* Appends the n values on top to m. LUA_OK, or another status with the error on top: an error
** object of kind transfer that names the path to what cannot be sent, or what a metamethod
** raised; then m is unusable but for _fini. [-n, +(0|1), m] */
int ti_pack_values(lua_State *L, struct ti_message *m, int n, enum ti_pack_style style);
/* The same by these rules; NULL: those of the state. [-n, +(0|1), m] */
int ti_pack_by(lua_State *L, struct ti_message *m, int n, enum ti_pack_style style,
               const struct ti_pack_rules *rules);
/* The same where the state's transfer userdata lies above the values. [-(n + 1), +(0|1), m] */
int ti_pack_below(lua_State *L, struct ti_message *m, int n, enum ti_pack_style style,
                  const struct ti_pack_rules *rules);

TI_INTERNAL_END

#endif
