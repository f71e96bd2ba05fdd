/*
** codec/borrowed: long strings of one state that others read in place.
**
** A long string is not copied into a message. The message has a loan of it as a part, the state
** that owns the string (the lender) keeps it alive, and whoever unpacks the message reads the
** string from the memory of that state. A loan's life:
**
**     lent  --- the last message lets go ---> back  --- the state drops its string ---> freed
**       |
**       |  the state closes
**       +--> left: the bytes are the loan's own, and are freed with it
**
** How the bytes become the loan's own depends on who made the state:
**
**   A worker's state has an allocator of this library (lua_alloc.h). lua_close passes the string's
**   block to the lender, which keeps it. The bytes stay where they are as long as a message holds
**   the loan, so readers need no lock and no count.
**
**   A host's state has its host's allocator, which gets every block back. Before lua_close frees
**   the strings, a finalizer of the state (ti_borrowed_lender_close) copies those lent. From then
**   on readers get the copy. Those that began before are pinned: the state waits until they have
**   read.
**   A pinned reader only copies, and asks its own state for the memory: the wait is short.
**
** The lock is a leaf; no allocator runs under it. ti_borrowed_release, ti_borrowed_read and
** ti_borrowed_done are for any thread, all else for the state's own.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_BORROWED_H
#define TI_CODEC_BORROWED_H

#include <stdbool.h>

#include "util/alloc.h"

TI_INTERNAL_BEGIN

/* Shorter strings are copied, which costs no more than lending them. */
enum { BORROWED_LEAST = 64 * 1024 };

struct ti_lender;

/* Part type of a loan in a message. */
extern const char ti_borrowed_part;

struct ti_borrowed {
  struct ti_lender *lender; /* I; a reference is held */
  bool moves;               /* I: a host's: readers call ti_borrowed_read and ti_borrowed_done */
  const char *data; /* I, if it moves L: len bytes; NULL: the copy failed for lack of memory */
  size_t len;       /* I */
  size_t readers;   /* L: so many are pinned */
  size_t held;      /* L: by so many messages */
  size_t place;     /* L: in the lender's array */
  bool listed;      /* L: in the lender's list of those that came back */
  struct ti_borrowed *next; /* L: there */
  void *block;              /* L: its own since the state closed; else NULL */
  size_t block_size;        /* L */
};

/* NULL if out of memory. `leftover`: what frees the blocks of a worker's state after its end.
** NULL: a host's state, whose strings are copied when it closes. */
struct ti_lender *ti_borrowed_lender_new(const struct ti_alloc *leftover);

/* In a child that was forked: its locks may be held for ever, and loans that are out stay so. Not
** to be lent from; rele, due and close do nothing then. */
bool ti_borrowed_lender_lost(const struct ti_lender *l);
/* A loan of a string that has none yet, held once; NULL if out of memory. */
struct ti_borrowed *ti_borrowed_lender_lend(struct ti_lender *l, const char *data, size_t len);
/* The same string goes into one more message. */
void ti_borrowed_hold(struct ti_borrowed *loan);
void ti_borrowed_release(void *object); /* a loan: the form of a part's */

/* Returns the string's bytes, NULL if there was no memory to save them. They stay until
** ti_borrowed_done if *pinned is true on return, else as long as the message. A pinned thread
** must neither call code of others nor wait. */
const char *ti_borrowed_read(struct ti_borrowed *loan, bool *pinned);
void ti_borrowed_done(struct ti_borrowed *loan);

/* Whether loans came back, as far as one can tell without the lock. */
bool ti_borrowed_lender_due(struct ti_lender *l);
/* A loan that no message holds, or NULL. The state forgets the string, then calls free. */
struct ti_borrowed *ti_borrowed_lender_back(struct ti_lender *l);
void ti_borrowed_free(struct ti_borrowed *loan);

/* The state closes; its strings are there still. Copies those that are lent if it is a host's,
** and waits for pinned readers. True, for a worker's with loans that are out: each large block
** that the state frees must be shown to ti_borrowed_take, and ti_borrowed_end called after the
** last. Else l is gone. */
bool ti_borrowed_lender_close(struct ti_lender *l);
bool ti_borrowed_take(void *lender, void *block, size_t size);
void ti_borrowed_end(void *lender);

TI_INTERNAL_END

#endif
