/*
** codec/unpack_impl: what unpack.c, unpack_table.c and unpack_function.c share while a message is
** read.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_UNPACK_IMPL_H
#define TI_CODEC_UNPACK_IMPL_H

#include <lua.h>

#include "codec/unpack.h"
#include "codec/wire.h"

TI_INTERNAL_BEGIN

/* The first strings that are referred back to are on the stack; most messages have no more. */
enum { UNPACK_QUICK = 32, UNPACK_PLACES = 128 };

/* Which string is in which slot. */
struct ti_unpacker_place {
  uint32_t offset; /* 0: free; no value's offset is, the count of values comes first */
  int idx;
};

struct ti_unpacker {
  lua_State *L;
  const struct ti_message *m;
  struct ti_cursor c;
  enum ti_unpack_allowed allowed;
  size_t owed; /* bytes that the values still to come of tables and functions begun take at least */
  bool error;  /* the table read last is an error object */
  int depth;
  int room;     /* up to this index there is room on the stack */
  int transfer; /* stack index of the transfer userdata */
  int shared;   /* of the values that are referred back to, by offset; nil: none yet */
  int enclosed; /* of the functions whose globals are their own; 0: they are the state's */
  int quick;    /* of UNPACK_QUICK slots for strings; 0: a message too small for that */
  int nquick;   /* of them in use */
  struct ti_unpacker_place *places; /* UNPACK_PLACES of them, open addressing; NULL if quick is 0 */
};

/* All raise an error of kind transfer when the message is damaged; that is what `damaged` does. */
int ti_unpack_damaged(struct ti_unpacker *U, const char *what);
/* Things are about to be allocated that `least` bytes of the message pay for, at least. What is
** owed already pays for others: else tables within tables could each claim all that remains. */
void ti_unpack_owe(struct ti_unpacker *U, uint64_t least);
/* A count of values, a byte for each of which is owed from here on. */
size_t ti_unpack_count(struct ti_unpacker *U);
const struct ti_message_part *ti_unpack_part(struct ti_unpacker *U);
lua_Integer ti_unpack_offset(struct ti_unpacker *U);
/* Pushes the next value. [-0, +1, e] */
void ti_unpack_value(struct ti_unpacker *U);
/* The same of one for which so many bytes were owed. */
static inline void ti_unpack_owed(struct ti_unpacker *U, size_t least) {
  U->owed -= least;
  ti_unpack_value(U);
}
/* Remembers the value on top, whose tag was at `offset`. [-0, +0, m] */
void ti_unpack_remember(struct ti_unpacker *U, size_t offset);
/* Pushes what was remembered under `key`, which must be of that type if it is not LUA_TNONE.
** [-0, +1, e] */
void ti_unpack_recall(struct ti_unpacker *U, lua_Integer key, int type);

/* unpack_table.c: a table with this tag. [-0, +1, e] */
void ti_unpack_table_get(struct ti_unpacker *U, unsigned byte, size_t offset);
/* unpack_function.c: functions, whose tag was at `offset`. [-0, +1, e] */
void ti_unpack_function_get(struct ti_unpacker *U, size_t offset, bool shared);
void ti_unpack_function_get_c(struct ti_unpacker *U, size_t offset, bool shared);

TI_INTERNAL_END

#endif
