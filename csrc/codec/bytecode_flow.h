/*
** codec/bytecode_flow: which constants a function uses as names of globals.
**
** Follows the table of globals through the registers of one function, along its jumps. A constant
** by which it is indexed is a name, whichever way the table came into the register.
**
** Terms:
**   sure    the object is the table of globals, so the constant is the name of a global
**   maybe   the object may be it, or is unknown: a parameter, the result of a call, a field
**   loose   the table goes where this function cannot be followed: into a call, a table, a result
**
** Calls no Lua, takes no lock. The dump is treated as hostile, as in bytecode.h.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_BYTECODE_FLOW_H
#define TI_CODEC_BYTECODE_FLOW_H

#include "codec/bytecode.h"

TI_INTERNAL_BEGIN

enum { FLOW_SURE = 1, FLOW_MAYBE = 2 };

/* A string constant; s is NULL for constants of other types. */
struct ti_flow_constant {
  const unsigned char *s;
  size_t len;
};

/* A function of the dump. All are in an array, each before the functions within it. */
struct ti_flow_function {
  struct ti_bytecode_proto proto;
  size_t child, next; /* index of the first function within it, of its next sibling */
  struct ti_bytecode_set holds, may; /* upvalues that hold the table of globals, that may hold it */
  bool closed;                       /* a closure of it was followed: `holds` and `may` are set */
};

struct ti_flow {
  const struct ti_alloc *mem;
  struct ti_flow_function *all; /* the array */
  size_t n;                     /* of its members */
  bool loose;                   /* set if a function lets the table go */
  bool failed;                  /* a dump that no compiler made, or */
  bool nomemory;                /* out of memory, too */
};

/* Follows function i of the array, whose `holds` and `may` are set. Sets those of the functions
** within it. Adds the bits FLOW_SURE and FLOW_MAYBE to uses[k] for each constant k that is used as
** a name. */
void ti_bytecode_flow_follow(struct ti_flow *f, size_t i, const struct ti_flow_constant *constants,
                             unsigned char *uses);

TI_INTERNAL_END

#endif
