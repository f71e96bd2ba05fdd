/*
** codec/pack_impl: what the files of the writer share while a message is written.
**
** A packer lives in a C frame outside the protected call that uses it.
**
** The memo knows objects by their addresses, so none of them may die before the message is written:
** its address could become another object's, which would then be sent as the dead one.
**
** Terms:
**   unguarded  writing while no Lua code runs and the collector does no work by itself. So nothing
**              changes, what is reachable from the values stays so, and nothing has to be kept. A
**              full collection for want of memory runs no finalizer; it takes only what weak tables
**              hold.
**   guarded    writing while each object that the memo knows is kept alive in a table. Lua code may
**              run between ti_pack_guard_lua_begin and ti_pack_guard_lua_end. It may change what is
**              being written.
**
** A message begins unguarded. Before Lua code is to run, or when a weak table is met, it starts
** anew and guarded (ti_pack_guard_require). Until then no Lua code ran, so no script can tell.
**
** Here `up` is the path to the value at idx. All functions raise an error when memory runs out, and
** leave the stack as it is unless they say otherwise.
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
  struct ti_codec_state *x;
  const void *env; /* the table of globals, which is on the stack */

  int xidx;    /* stack index of the codec state */
  int globals; /* of the globals to send (pack_globals.c); nil: none yet */
  int kept;    /* guarded: of the list of what the memo knows */
  lua_Integer nkept;

  int depth;
  int stack_end; /* slots up to this index are reserved */
  bool indexed;  /* the indices of names are up to date */
  bool loose;    /* the table of globals may get anywhere: names that are only maybe such count */

  bool guarded;
  bool restart;     /* the error under way means: start anew, guarded */
  bool guard_next;  /* a __transfer or weak table was met: the next message begins guarded */
  bool gc_paused;   /* the collector was told to do no work by itself */
  size_t lua_calls; /* how often Lua code may have run */

  const struct ti_pack_opened *opened;   /* what is being written, from inside out */
  const struct ti_pack_rebuild *open;    /* the objects whose __transfer arguments are written */
  const struct ti_pack_opened *boundary; /* while a function that rebuilds is written: what was
                                         ** being written before it */
  const struct ti_value_path *rebuilt;   /* and the object that it rebuilds */

  const void *error_meta; /* the metatable of error objects; NULL: not known yet */
  const void *inert_meta; /* unguarded: a metatable with neither __transfer nor __mode, or NULL */
};

struct ti_pack_rebuild {
  const struct ti_pack_rebuild *outer;
  const void *address;
};

/* What is being written: an object, or the cell of an upvalue. */
struct ti_pack_opened {
  const struct ti_pack_opened *outer;
  size_t offset; /* of its tag */
};

static inline void ti_pack_tag(struct ti_packer *P, unsigned tag) { ti_buffer_put_u8(P->b, tag); }

/* ------------------------------------------------------------------ pack.c -- */

/* Puts any value. */
void ti_pack_value(struct ti_packer *P, int idx, const struct ti_value_path *up);

/* Puts the index of a new part, which takes the reference in `object`. */
void ti_pack_part(struct ti_packer *P, const void *type, void *object, void (*rele)(void *));

/* Returns true if `key` was written before, and puts a reference to it with the tag `ref`. Else
** remembers the next byte as its place. The caller keeps what has that address. */
bool ti_pack_known(struct ti_packer *P, const void *key, enum ti_wire_tag ref);

/* Does the same for the object or long string at idx, and keeps it in a guarded message. */
bool ti_pack_backref(struct ti_packer *P, int idx, const void *key);

/* Reserves stack slots for some levels above what is on the stack now. */
void ti_pack_reserve(struct ti_packer *P);

/* Raises the refusal of what is at `up`, in the words on top. [-0, +0, e] */
void ti_pack_refuse(struct ti_packer *P, const struct ti_value_path *up);

/* Raises "not enough memory". */
void ti_pack_no_memory(struct ti_packer *P);

/* ------------------------------------------------------------ pack_guard.c -- */

/* Starts the message anew, by an error, unless it is guarded. To be called before Lua code runs or
** something may die. */
void ti_pack_guard_require(struct ti_packer *P);

/* Keeps the value on top alive until the message is written. [-1, +0, m] */
void ti_pack_guard_keep(struct ti_packer *P);

/* Stand around a call of Lua code, in a guarded message. The collector works meanwhile. */
void ti_pack_guard_lua_begin(struct ti_packer *P);
void ti_pack_guard_lua_end(struct ti_packer *P);

/* Lets the collector do the work that is due. Does nothing if it is not paused. */
void ti_pack_guard_resume_gc(struct ti_packer *P);

/* ------------------------------------------------------- pack_name.c -- */

/* Brings the indices of names up to date, once for the message. */
void ti_pack_name_index(struct ti_packer *P);

/* Returns true if the object at idx, with this address, is sent by name, and puts the name. Of what
** is sent as name and copy it puts the name and returns false: the value is to follow. */
bool ti_pack_name_put(struct ti_packer *P, int idx, const void *address);

/* Returns true if the object at idx is sent by its path (cfunction.h), and puts that. `fn`: the
** address of a C function, else NULL. [-0, +0, e] */
bool ti_pack_name_path(struct ti_packer *P, int idx, void *fn);

/* -------------------------------------- pack_rebuild, _table, _function.c -- */

/* Returns whether the object at idx has a metamethod __transfer, and puts how to rebuild it. */
bool ti_pack_rebuild_put(struct ti_packer *P, int idx, const struct ti_value_path *up);

void ti_pack_table_put(struct ti_packer *P, int idx, const struct ti_value_path *up);
void ti_pack_function_put(struct ti_packer *P, int idx, const struct ti_value_path *up);

/* ---------------------------------------------------------- pack_globals.c -- */

/* Notes the globals that a function with this code names. Its environment is on top. [-0, +0, m] */
void ti_pack_globals_note(struct ti_packer *P, const struct ti_code *c);

/* Puts the globals noted and the end of the message. [-0, +0, e] */
void ti_pack_globals_put(struct ti_packer *P);

TI_INTERNAL_END

#endif
