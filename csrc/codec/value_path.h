/*
** codec/value_path: the path to a value that cannot be sent.
**
** While a message is written, each level of nesting has a step in its C frame. Only a refusal turns
** the chain into words: `argument 2, field cfg.handle: cannot send a coroutine`.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_VALUE_PATH_H
#define TI_CODEC_VALUE_PATH_H

#include <lua.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

enum ti_value_path_kind {
  STEP_NAMED,   /* "argument 2": `text`, and `number` if it is above 0 */
  STEP_FIELD,   /* a table's value; its key is at stack index `key`, or `number` if that is 0 */
  STEP_KEY,     /* a table's key */
  STEP_UPVALUE, /* text: its name, or NULL or "" for a number */
  STEP_GLOBAL,  /* text: its name */
  STEP_METATABLE
};

struct ti_value_path {
  const struct ti_value_path *up; /* NULL: the first step */
  enum ti_value_path_kind kind;
  int key;
  lua_Integer number;
  const char *text;
};

/* Raises an error of kind transfer: the path to `s`, ": ", and the message, which is formatted as
** by lua_pushfstring. [-0, +0, e] */
int ti_value_path_refuse(lua_State *L, const struct ti_value_path *s, const char *fmt, ...);

TI_INTERNAL_END

#endif
