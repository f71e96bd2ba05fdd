/*
** codec/pack: Lua values to a message.
**
** The mirror of unpack: both follow wire.h. Writing may call Lua (`__transfer`,
** package.searchpath), so it runs in a protected call of its own. All its memory belongs to the
** message or lies in frames outside that call, so nothing leaks when it raises.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_PACK_H
#define TI_CODEC_PACK_H

#include <lua.h>

#include "util/message.h"

TI_INTERNAL_BEGIN

/* Tells how refusals name the values. */
enum ti_pack_style {
  PACK_CALL,    /* "function", "argument 1", … */
  PACK_OPENING, /* "initializer", "finalizer", "initializer argument 1", … */
  PACK_RESULTS, /* "result 1", … */
  PACK_ERROR,   /* "error value" */
  PACK_SHARED   /* "shared value" */
};

/* What may be sent besides what the receiver finds by a module name (module_names.h). */
struct ti_pack_rules {
  /* Returns whether this C function may be sent by its address. NULL: none may. Called on the
  ** thread that packs. */
  int (*cfunction)(lua_CFunction fn, void *ud);
  void *ud;
  bool named;   /* what only the program has is sent by path: C functions */
  bool objects; /* the same for tables and userdata (cfunction.h) */
};
/* Rules by which each C function is sent by its address. */
extern const struct ti_pack_rules ti_pack_addresses;

/* Appends the n values on top to m, by the rules of the state. Returns LUA_OK, or another status
** with the error on top: an error object of kind transfer that names the path to what cannot be
** sent, or what a metamethod raised. After an error m can only be finalized. [-n, +(0|1), m] */
int ti_pack_values(lua_State *L, struct ti_message *m, int n, enum ti_pack_style style);

/* Does the same by these rules; NULL: those of the state. [-n, +(0|1), m] */
int ti_pack_by(lua_State *L, struct ti_message *m, int n, enum ti_pack_style style,
               const struct ti_pack_rules *rules);

/* Does the same where the codec state is on top, above the values. [-(n + 1), +(0|1), m] */
int ti_pack_below(lua_State *L, struct ti_message *m, int n, enum ti_pack_style style,
                  const struct ti_pack_rules *rules);

TI_INTERNAL_END

#endif
