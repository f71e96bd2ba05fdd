/*
** tidepool, floor 2: unpacker, what unpack.c, unpack_table.c and unpack_func.c share while a message is
** read.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_UNPACKER_H
#define TIDE_UNPACKER_H

#include <lua.h>

#include "unpack.h"
#include "wire.h"

TIDE_INTERNAL_BEGIN

/* The first strings that are referred back to are on the stack; most messages have no more. */
enum { UNPACKER_QUICK = 32, UNPACKER_PLACES = 128 };

/* Which string is in which slot. */
struct unpacker_place {
  uint32_t offset; /* 0: free; no value's offset is, the count of values comes first */
  int idx;
};

struct unpacker {
  lua_State *L;
  const struct message *m;
  struct cursor c;
  enum unpack_allowed allowed;
  size_t owed; /* bytes that the values still to come of tables and functions begun take at least */
  bool error;  /* the table read last is an error object */
  int depth;
  int room;     /* up to this index there is room on the stack */
  int transfer; /* stack index of the transfer userdata */
  int shared;   /* of the values that are referred back to, by offset; nil: none yet */
  int enclosed; /* of the functions whose globals are their own; 0: they are the state's */
  int quick;    /* of UNPACKER_QUICK slots for strings; 0: a message too small for that */
  int nquick;   /* of them in use */
  struct unpacker_place *places; /* UNPACKER_PLACES of them, open addressing; NULL if quick is 0 */
};

/* All raise an error of kind transfer when the message is damaged; that is what `damaged` does. */
int tide_unpacker_damaged(struct unpacker *U, const char *what);
/* Things are about to be allocated that `least` bytes of the message pay for, at least. What is
** owed already pays for others: else tables within tables could each claim all that remains. */
void tide_unpacker_owe(struct unpacker *U, uint64_t least);
/* A count of values, a byte for each of which is owed from here on. */
size_t tide_unpacker_count(struct unpacker *U);
const struct part *tide_unpacker_part(struct unpacker *U);
lua_Integer tide_unpacker_offset(struct unpacker *U);
/* Pushes the next value. [-0, +1, e] */
void tide_unpacker_value(struct unpacker *U);
/* The same of one for which so many bytes were owed. */
static inline void tide_unpacker_owed(struct unpacker *U, size_t least) {
  U->owed -= least;
  tide_unpacker_value(U);
}
/* Remembers the value on top, whose tag was at `offset`. [-0, +0, m] */
void tide_unpacker_remember(struct unpacker *U, size_t offset);
/* Pushes what was remembered under `key`, which must be of that type if it is not LUA_TNONE.
** [-0, +1, e] */
void tide_unpacker_recall(struct unpacker *U, lua_Integer key, int type);

/* unpack_table.c: a table with this tag. [-0, +1, e] */
void tide_unpacker_table(struct unpacker *U, unsigned byte, size_t offset);
/* unpack_func.c: functions, whose tag was at `offset`. [-0, +1, e] */
void tide_unpacker_function(struct unpacker *U, size_t offset, bool shared);
void tide_unpacker_cfunction(struct unpacker *U, size_t offset, bool shared);

TIDE_INTERNAL_END

#endif
