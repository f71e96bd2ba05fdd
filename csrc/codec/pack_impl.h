/*
** codec/pack_impl: what pack.c and pack_function.c share while a message is written.
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
**             ti_pack_leave and ti_pack_enter; it may change whatever is being packed.
**
** A message begins calm. Before Lua code is to run, or when a weak table is met, it starts anew
** and guarded (ti_pack_guard): until then no Lua code ran, so nobody can tell.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_PACK_IMPL_H
#define TI_CODEC_PACK_IMPL_H

#include "codec/code.h"
#include "codec/memo.h"
#include "codec/pack.h"
#include "codec/value_path.h"
#include "codec/wire.h"

TI_INTERNAL_BEGIN

struct ti_packer {
  lua_State *L;
  struct ti_message *m;
  struct ti_buffer *b; /* m's */
  struct ti_memo memo;
  struct ti_memo_recent recent;
  enum ti_pack_style style;
  const struct ti_pack_rules *rules;
  int depth;
  int room;     /* up to this index there is room on the stack */
  bool indexed; /* names are up to date */
  bool loose;   /* the table of globals may be anywhere: names that are only maybe such count */
  const struct ti_pack_opened *opened; /* what is being packed, from inside out */
  const struct ti_pack_opened
      *boundary; /* while a function that rebuilds is packed: what was before it */
  const struct ti_value_path *rebuilt; /* and the object that it rebuilds */
  const struct ti_pack_rebuild *open;  /* the objects whose __transfer arguments are being packed */
  int transfer;                        /* stack index of the transfer userdata */
  struct ti_codec_state *x;            /* its memory */
  int globals;                         /* of the globals to send (pack_globals.c); nil: none yet */
  bool guarded;                        /* what the memo knows is kept */
  bool again;                          /* the error under way means: start anew, guarded */
  bool met;     /* a __transfer or a weak table: the state's next message begins guarded */
  bool resting; /* the collector was told to do no work by itself */
  int kept;     /* guarded: of the table of what the memo knows */
  lua_Integer nkept;
  size_t windows;        /* how often Lua code may have run */
  const void *env;       /* the table of globals, which is on the stack */
  const void *errormeta; /* the metatable of error objects, NULL if not looked up */
  const void *plainmeta; /* calm: a metatable with neither __transfer nor __mode, or NULL */
};

struct ti_pack_rebuild {
  const struct ti_pack_rebuild *outer;
  const void *address;
};

/* What is being packed: an object, or the cell of an upvalue. */
struct ti_pack_opened {
  const struct ti_pack_opened *outer;
  size_t offset; /* of its tag */
};

/* All raise when memory runs out; the stack stays as it is. */
void ti_pack_value(struct ti_packer *P, int idx, const struct ti_value_path *up);
/* Puts the index of a new part, which takes the reference in object. */
void ti_pack_part(struct ti_packer *P, const void *type, void *object, void (*rele)(void *));
/* True if `key` was written before: then a reference to it is put, with tag `ref`. Else the
** next byte is remembered as its place. The caller keeps what has that address. */
bool ti_pack_known(struct ti_packer *P, const void *key, enum ti_wire_tag ref);
/* The same of the object or long string at idx, which is kept if need be. */
bool ti_pack_backref(struct ti_packer *P, int idx, const void *key);
/* Keeps what is on top, and pops it. */
void ti_pack_keep(struct ti_packer *P);
/* Starts anew, unless the message is guarded: Lua code is to run, or something may die. */
void ti_pack_guard(struct ti_packer *P);
/* Around a call of Lua code, when guarded. */
void ti_pack_leave(struct ti_packer *P);
void ti_pack_enter(struct ti_packer *P);
/* Brings the indices of names up to date, once for the message. */
void ti_pack_index(struct ti_packer *P);
/* If the object at idx, with this address, goes by name, puts the name and answers true. What goes
** both ways gets its name too, but the answer is false: the value is to follow. */
bool ti_pack_name(struct ti_packer *P, int idx, const void *address);
/* If the object at idx goes by its path (cfunction.h), puts that and returns true. Of a C function
** fn is the address, else NULL. [-0, +0, e] */
bool ti_pack_cfunction(struct ti_packer *P, int idx, void *fn);
/* Raises the refusal of what is at `up`, in the words on top. [-0, +0, e] */
void ti_pack_refuse(struct ti_packer *P, const struct ti_value_path *up);
/* If the object at idx has a metamethod __transfer, puts how to rebuild it. */
bool ti_pack_rebuild(struct ti_packer *P, int idx, const struct ti_value_path *up);
void ti_pack_no_memory(struct ti_packer *P);

/* pack_table.c: a table. */
void ti_pack_table_put(struct ti_packer *P, int idx, const struct ti_value_path *up);

/* pack_function.c: a function. */
void ti_pack_function_put(struct ti_packer *P, int idx, const struct ti_value_path *up);

/* pack_globals.c: notes the globals that a function with this code names; its environment is on
** top. [-0, +0, m] */
void ti_pack_globals_note(struct ti_packer *P, const struct ti_code *c);
/* Puts, last of all, the globals noted, and END. [-0, +0, e] */
void ti_pack_globals_put(struct ti_packer *P);

static inline void ti_pack_tag(struct ti_packer *P, unsigned tag) { ti_buffer_put_u8(P->b, tag); }

TI_INTERNAL_END

#endif
