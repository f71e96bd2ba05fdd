/*
** codec/module_form: the form of module names.
**
** A module name is "canonical{\1Kalias}*\0{step}*". It leads from the value of the module that is
** loaded as `canonical` to an object. K is a letter of ti_module_form_alias. A step is a letter of
** ti_module_form_step. After the letter comes for a field `varint length, bytes`; for an upvalue
** `varint number, varint length, bytes`; for a metatable nothing.
**
** Terms:
**   canonical name  the one of a module's names that messages use (module_list.h)
**   alias           another name in package.loaded of the same value
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_MODULE_FORM_H
#define TI_CODEC_MODULE_FORM_H

#include <lua.h>

#include "util/buffer.h"

TI_INTERNAL_BEGIN

/* The first byte of each name in the table CODEC_NAMES. It is not sent. */
enum ti_module_form_flag {
  FORM_FIXED = '!', /* a function of Lua's own libraries, which each state has: always valid */
  FORM_OWN = '+',   /* the object is the module's own */
  FORM_OPEN = '?'   /* a table or function that the module holds; nothing tells what made it */
};

enum ti_module_form_alias {
  FORM_LOAD = 'l', /* the alias has a file of its own: the receiver requires it first */
  FORM_SET = 's'   /* the same file, or none: the receiver only sets the entry */
};

enum ti_module_form_step { FORM_FIELD = '.', FORM_UPVALUE = '^', FORM_METATABLE = 'm' };

/* A name in parts, which lie in the bytes that were parsed. */
struct ti_module_form {
  const char *module; /* the canonical name */
  size_t len;         /* of it */
  const char *aliases, *end;
  struct ti_cursor steps;
};

/* Splits the `len` bytes at `name`. Any bytes will do. */
void ti_module_form_parse(struct ti_module_form *f, const char *name, size_t len);

/* Pushes the name at stack index `name` with one more step: its kind, for an upvalue its number,
** and the `len` bytes at s, which FORM_METATABLE has none of. [-0, +1, m] */
void ti_module_form_push(lua_State *L, int name, enum ti_module_form_step kind, int number,
                         const char *s, size_t len);

/* Replaces the value on top by what the next step leads to, or nil. Reads tables raw. Sets *word to
** the name of the field or upvalue, of `*len` bytes. Returns false if the step is damaged; the
** value then stays. [-1, +1, m] */
bool ti_module_form_follow(lua_State *L, struct ti_cursor *steps, const char **word, size_t *len);

TI_INTERNAL_END

#endif
