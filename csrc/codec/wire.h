/*
** codec/wire: the tags and limits of packed values.
**
** A packed sequence of values is
**
**     varint n, n values, then globals: { STRING name, value }*, [LOOSE], END
**
** (LOOSE: the table of globals is among the values, or may get there; bytecode_flow.h)
** and a value is a tag byte and what follows it:
**
**     NIL FALSE TRUE GLOBALS      -
**     INT                         varint, zigzag
**     FLOAT POINTER               8 bytes
**     STRING                      varint length, bytes
**     LENT                        varint part (a long string that its state lends)
**     BACKREF                     varint offset of the value's own tag in the message
**     TABLE                       u32 nany, u32 nhash, nany values, nhash (key, value)
**     TABLE_INTS TABLE_FLOATS     u32 ntyped, u32 nany, u32 nhash, ntyped * 8 bytes, …
**     FUNCTION                    varint part (code), varint nup, nup upvalues
**     CFUNCTION                   varint part, varint nup, nup values
**     NAME                        varint length, a name (module_form.h)
**     EITHER                      varint length, a name, TABLE… or FUNCTION…: what the name means
**                                 if that is alike, else the value
**     NATIVE                      varint part (a C function's address, or NO_PART), varint length,
**                                 a path (cfunction.h)
**     REF                         varint part (an object sent by reference)
**     REBUILD                     varint nargs, STRING "module.function" or a function, nargs
**                                 values
**     ERROR_META                  - (the metatable of the library's error objects)
**
** An upvalue is UPVALUE and a value, or UPREF and the offset of an UPVALUE tag. The high
** bits of a tag say more: WIRE_SHARED, something refers back to it (set after the fact
** by the writer, so only shared values cost the reader anything); WIRE_META, the table
** is followed by its metatable.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_WIRE_H
#define TI_CODEC_WIRE_H

#include "platform/compiler.h"

enum ti_wire_tag {
  WIRE_END,
  WIRE_NIL,
  WIRE_FALSE,
  WIRE_TRUE,
  WIRE_INT,
  WIRE_FLOAT,
  WIRE_POINTER,
  WIRE_STRING,
  WIRE_BACKREF,
  WIRE_TABLE,
  WIRE_TABLE_INTS,
  WIRE_TABLE_FLOATS,
  WIRE_FUNCTION,
  WIRE_CFUNCTION,
  WIRE_NAME,
  WIRE_GLOBALS,
  WIRE_REF,
  WIRE_REBUILD,
  WIRE_ERROR_META,
  WIRE_UPVALUE,
  WIRE_UPREF,
  WIRE_LENT,
  WIRE_LOOSE,
  WIRE_EITHER,
  WIRE_NATIVE
};

#define WIRE_NO_PART 0xffffffffu

#define WIRE_META 0x40u
#define WIRE_SHARED 0x80u
#define WIRE_TAG(byte) (0x3fu & (byte))

/* How deep values may nest: tables in tables, upvalues, metatables. If the C stack lasts
** (c_stack.h). */
#define WIRE_MAX_DEPTH 1000

/* Slots of the Lua stack that a level takes in either direction, at most; reserved for so many
** levels at once. Many take less: what is reserved is known by its place on the stack, not by the
** depth. */
#define WIRE_SLOTS 10
#define WIRE_LEVELS 4

/* Entries of one kind in one table. */
#define WIRE_MAX_COUNT 0xffffffffu

#define WIRE_ZIGZAG(i) (((uint64_t)(i) << 1) ^ (uint64_t)((i) >> 63))
#define WIRE_UNZIGZAG(u) ((int64_t)((u) >> 1) ^ -(int64_t)((u)&1))

#endif
