/*
** tidepool, floor 2: packer, what pack.c and pack_func.c share while a message is written.
**
** A packer lives in a C frame outside the protected call that uses it.
**
** The memo knows objects by their addresses, so none of them may die before the message is packed:
** its address could become another object's, which would then be sent as the dead one. There are
** two ways of packing.
**
**   calm      No Lua code runs, and the collector does no work by itself. So nothing changes, and
**             what is reachable from the values stays so. Nothing has to be kept. A full collection
**             for want of memory runs no finalizer; it takes only what weak tables hold.
**   guarded   Each object that the memo knows is kept alive in a table. Lua code may run, between
**             tide_packer_leave and tide_packer_enter; it may change whatever is being packed.
**
** A message begins calm. Before Lua code is to run, or when a weak table is met, it starts anew
** and guarded (tide_packer_guard): until then no Lua code ran, so nobody can tell.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_PACKER_H
#define TIDE_PACKER_H

#include "code.h"
#include "memo.h"
#include "pack.h"
#include "path.h"
#include "wire.h"

TIDE_INTERNAL_BEGIN

struct packer {
  lua_State *L;
  struct message *m;
  struct bytes *b; /* m's */
  struct memo memo;
  struct recent recent;
  enum pack_style style;
  const struct pack_rules *rules;
  int depth;
  int room;     /* up to this index there is room on the stack */
  bool indexed; /* names are up to date */
  bool loose;   /* the table of globals may be anywhere: names that are only maybe such count */
  const struct opened *opened;   /* what is being packed, from inside out */
  const struct opened *boundary; /* while a function that rebuilds is packed: what was before it */
  const struct step *rebuilt;    /* and the object that it rebuilds */
  const struct rebuild *open;    /* the objects whose __transfer arguments are being packed */
  int transfer;                  /* stack index of the transfer userdata */
  struct transfer *x;            /* its memory */
  int globals;                   /* of the globals to send (pack_globals.c); nil: none yet */
  bool guarded;                  /* what the memo knows is kept */
  bool again;                    /* the error under way means: start anew, guarded */
  bool met;     /* a __transfer or a weak table: the state's next message begins guarded */
  bool resting; /* the collector was told to do no work by itself */
  int kept;     /* guarded: of the table of what the memo knows */
  lua_Integer nkept;
  size_t windows;        /* how often Lua code may have run */
  const void *env;       /* the table of globals, which is on the stack */
  const void *errormeta; /* the metatable of error objects, NULL if not looked up */
  const void *plainmeta; /* calm: a metatable with neither __transfer nor __mode, or NULL */
};

struct rebuild {
  const struct rebuild *outer;
  const void *address;
};

/* What is being packed: an object, or the cell of an upvalue. */
struct opened {
  const struct opened *outer;
  size_t offset; /* of its tag */
};

/* All raise when memory runs out; the stack stays as it is. */
void tide_packer_value(struct packer *P, int idx, const struct step *up);
void tide_packer_string(struct packer *P, const char *s, size_t len);
/* Puts the index of a new part, which takes the reference in object. */
void tide_packer_part(struct packer *P, const void *type, void *object, void (*rele)(void *));
/* True if `key` was written before: then a reference to it is put, with tag `ref`. Else the
** next byte is remembered as its place. The caller keeps what has that address. */
bool tide_packer_known(struct packer *P, const void *key, enum wire_tag ref);
/* The same of the object or long string at idx, which is kept if need be. */
bool tide_packer_backref(struct packer *P, int idx, const void *key);
/* Keeps what is on top, and pops it. */
void tide_packer_keep(struct packer *P);
/* Starts anew, unless the message is guarded: Lua code is to run, or something may die. */
void tide_packer_guard(struct packer *P);
/* Around a call of Lua code, when guarded. */
void tide_packer_leave(struct packer *P);
void tide_packer_enter(struct packer *P);
/* Brings the indices of names up to date, once for the message. */
void tide_packer_index(struct packer *P);
/* If the object at idx, with this address, goes by name, puts the name and answers true. What goes
** both ways gets its name too, but the answer is false: the value is to follow. */
bool tide_packer_name(struct packer *P, int idx, const void *address);
/* If the object at idx goes by its path (native.h), puts that and returns true. Of a C function fn is
** the address, else NULL. [-0, +0, e] */
bool tide_packer_native(struct packer *P, int idx, void *fn);
/* Raises the refusal of what is at `up`, in the words on top. [-0, +0, e] */
void tide_packer_refuse(struct packer *P, const struct step *up);
/* If the object at idx has a metamethod __transfer, puts how to rebuild it. */
bool tide_packer_rebuild(struct packer *P, int idx, const struct step *up);
void tide_packer_nomemory(struct packer *P);

/* pack_table.c: a table. */
void tide_packer_table(struct packer *P, int idx, const struct step *up);

/* pack_func.c: a function. */
void tide_packer_function(struct packer *P, int idx, const struct step *up);

/* pack_globals.c: notes the globals that a function with this code names; its environment is on top.
** [-0, +0, m] */
void tide_packer_note(struct packer *P, const struct code *c);
/* Puts, last of all, the globals noted, and END. [-0, +0, e] */
void tide_packer_globals(struct packer *P);

static inline void tide_packer_tag(struct packer *P, unsigned tag) { tide_bytes_put_u8(P->b, tag); }

TIDE_INTERNAL_END

#endif
