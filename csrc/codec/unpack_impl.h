/*
** codec/unpack_impl: what the files of the reader share while a message is read.
**
** All functions raise an error of kind transfer when the message is damaged.
**
** Terms:
**   claimed bytes  bytes behind the cursor that counts read so far need at least, for values that
**                  are still to come. A count is believed only as far as bytes remain beyond these:
**                  else tables within tables could each claim all that remains.
**   slot           a place of the stack for a string that is referred back to
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_UNPACK_IMPL_H
#define TI_CODEC_UNPACK_IMPL_H

#include <lua.h>

#include "codec/unpack.h"
#include "codec/wire.h"

TI_INTERNAL_BEGIN

/* The first strings that are referred back to have slots; most messages have no more. */
enum { UNPACK_SLOTS = 32, UNPACK_PLACES = 128 };

/* Tells in which slot a string is. */
struct ti_unpacker_place {
  uint32_t offset; /* of the string; 0: free. No value is at 0, where the count of values is */
  int idx;
};

struct ti_unpacker {
  lua_State *L;
  const struct ti_message *m;
  struct ti_cursor c;
  enum ti_unpack_allowed allowed;
  size_t claimed; /* bytes */
  bool error;     /* the table read last is an error object */
  int depth;
  int stack_end;    /* slots up to this index are reserved */
  int xidx;         /* stack index of the codec state */
  int shared;       /* of the values that are referred back to, by offset; nil: none yet */
  int private_list; /* of the functions that get private globals; 0: globals become the state's */
  int slots;        /* of the first of UNPACK_SLOTS slots; 0: the message is too small for that */
  int nslots;       /* slots in use */
  struct ti_unpacker_place *places; /* UNPACK_PLACES of them, open addressing; NULL if slots is 0 */
};

/* ---------------------------------------------------------------- unpack.c -- */

/* Raises "damaged message: " and what. */
int ti_unpack_damaged(struct ti_unpacker *U, const char *what);

/* Raises that the message holds `what`, where only data is allowed; NULL: nothing. */
void ti_unpack_refuse(struct ti_unpacker *U, const char *what);

/* Claims `least` bytes. Called before memory is allocated for the values that take them. */
void ti_unpack_claim(struct ti_unpacker *U, uint64_t least);

/* Reads a count of values, and claims a byte for each. */
size_t ti_unpack_count(struct ti_unpacker *U);

/* Reads the index of a part. */
const struct ti_message_part *ti_unpack_part(struct ti_unpacker *U);

/* Reads an offset in the message. */
lua_Integer ti_unpack_offset(struct ti_unpacker *U);

/* Pushes the next value. [-0, +1, e] */
void ti_unpack_value(struct ti_unpacker *U);

/* Pushes the next value, for which `least` bytes were claimed. [-0, +1, e] */
static inline void ti_unpack_claimed(struct ti_unpacker *U, size_t least) {
  U->claimed -= least;
  ti_unpack_value(U);
}

/* Reserves stack slots for n values, for `more`, and for what is in the values. [-0, +0, e] */
void ti_unpack_reserve(struct ti_unpacker *U, size_t n, int more);

/* Remembers the value on top, whose tag was at `offset`. [-0, +0, m] */
void ti_unpack_remember(struct ti_unpacker *U, size_t offset);

/* Pushes what was remembered under `key`, which must have this type unless that is LUA_TNONE.
** [-0, +1, e] */
void ti_unpack_recall(struct ti_unpacker *U, lua_Integer key, int type);

/* --------------------------------------------------------- unpack_string.c -- */

/* Reads a length and so many bytes, which stay in the message. */
const char *ti_unpack_string_get(struct ti_unpacker *U, size_t *len);

/* Remembers the string on top, in a slot if one is free. [-0, +0, m] */
void ti_unpack_string_remember(struct ti_unpacker *U, size_t offset);

/* Pushes what a BACKREF refers to. [-0, +1, e] */
void ti_unpack_string_backref(struct ti_unpacker *U);

/* Pushes a borrowed string. [-0, +1, e] */
void ti_unpack_string_borrowed(struct ti_unpacker *U);

/* ----------------------------------------------------------- unpack_name.c -- */

/* Reads a path (cfunction.h). Sets *fn to the C function that it must lead to, or NULL. */
const char *ti_unpack_name_get_path(struct ti_unpacker *U, size_t *len, lua_CFunction *fn);

/* Pushes what a path leads to. [-0, +1, e] */
void ti_unpack_name_path(struct ti_unpacker *U);

/* Pushes a table or function that was sent as name and copy: what the name means here if that is
** alike, else the copy. [-0, +1, e] */
void ti_unpack_name_either(struct ti_unpacker *U, size_t offset, bool shared);

/* ------------------------------------------------ unpack_table, _function.c -- */

/* Push a table or function, whose tag `byte` was at `offset`. [-0, +1, e] */
void ti_unpack_table_get(struct ti_unpacker *U, unsigned byte, size_t offset);
void ti_unpack_function_get(struct ti_unpacker *U, size_t offset, bool shared);
void ti_unpack_function_get_c(struct ti_unpacker *U, size_t offset, bool shared);

/* -------------------------------------------------------- unpack_globals.c -- */

/* Reads { STRING name, value }*, [LOOSE], END, and installs the globals. [-0, +0, e] */
void ti_unpack_globals_get(struct ti_unpacker *U);

TI_INTERNAL_END

#endif
