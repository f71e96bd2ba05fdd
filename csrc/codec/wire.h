/*
** codec/wire: the tags and limits of messages.
**
** A message is a sequence of values and the globals that came with them:
**
**     varint n, n values, { STRING name, value }*, [LOOSE], END
**
** A value is a tag byte and what the comment of its tag says. WIRE_SHARED and WIRE_META are high
** bits of the tag byte.
**
** Terms:
**   part    an object that travels beside the bytes; they have its index (util/message.h)
**   offset  the place of a tag byte in the message
**   zigzag  a signed number as an unsigned one: 0, -1, 1, -2, …
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_WIRE_H
#define TI_CODEC_WIRE_H

#include "platform/compiler.h"

enum ti_wire_tag {
  WIRE_END, /* of the message */
  WIRE_NIL,
  WIRE_FALSE,
  WIRE_TRUE,
  WIRE_INT,          /* varint, zigzag */
  WIRE_FLOAT,        /* 8 bytes */
  WIRE_POINTER,      /* 8 bytes: a light userdata */
  WIRE_STRING,       /* varint length, bytes */
  WIRE_BACKREF,      /* varint offset: the value there, once more */
  WIRE_TABLE,        /* u32 nany, u32 nhash, nany values, nhash (key, value) */
  WIRE_TABLE_INTS,   /* u32 n, u32 nany, u32 nhash, n * 8 bytes, then as TABLE */
  WIRE_TABLE_FLOATS, /* the same */
  WIRE_FUNCTION,     /* varint part (code), varint n, n upvalues */
  WIRE_CFUNCTION,    /* varint part (address), varint n, n values */
  WIRE_NAME,         /* varint length, a module name (module_form.h) */
  WIRE_GLOBALS,      /* the receiver's table of globals */
  WIRE_REF,          /* varint part (an object sent by reference) */
  WIRE_REBUILD,      /* varint n, STRING "module.function" or a function, n arguments */
  WIRE_ERROR_META,   /* the metatable of the library's error objects, where one follows a table */
  WIRE_UPVALUE,      /* a value: an upvalue in a cell of its own */
  WIRE_UPREF,        /* varint offset of an UPVALUE: the same cell */
  WIRE_BORROWED,     /* varint part (a borrowed string) */
  WIRE_LOOSE,        /* before END: the table of globals is among the values, or may get there */
  WIRE_EITHER,       /* varint length, a module name, a TABLE… or FUNCTION (module_values.h) */
  WIRE_PATH          /* varint part (address) or NO_PART, varint length, a path (cfunction.h) */
};

#define WIRE_NO_PART 0xffffffffu

#define WIRE_META 0x40u   /* the table is followed by its metatable */
#define WIRE_SHARED 0x80u /* something refers to the value; the writer adds the bit afterwards */
#define WIRE_TAG(byte) (0x3fu & (byte))

/* How deep values may nest (tables in tables, upvalues, metatables), if the C stack allows it
** (c_stack.h). */
#define WIRE_MAX_DEPTH 1000

/* A level takes at most WIRE_SLOTS slots of the Lua stack in either direction. They are reserved
** for WIRE_LEVELS levels at once. Many levels take less, so what is reserved is known by its place
** on the stack, not by the depth. */
#define WIRE_SLOTS 10
#define WIRE_LEVELS 4

/* The most entries of one kind in one table. */
#define WIRE_MAX_COUNT 0xffffffffu

#define WIRE_ZIGZAG(i) (((uint64_t)(i) << 1) ^ (uint64_t)((i) >> 63))
#define WIRE_UNZIGZAG(u) ((int64_t)((u) >> 1) ^ -(int64_t)((u)&1))

#endif
