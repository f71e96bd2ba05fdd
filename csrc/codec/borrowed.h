/*
** codec/borrowed: long strings of one state that others read in place.
**
** A long string is not copied into a message. The message has a borrowed string as a part. The
** state that owns the string keeps it alive, and the reader of the message reads the string in the
** memory of that state.
**
** Terms:
**   loan      the record of a borrowed string (struct ti_borrowed); its state lends the string
**   lender    the owner of borrowed strings: what a state has to record its loans
**   held      said of a loan that is a part of a message
**   returned  said of a loan of an open state that no message holds any more
**   pinned    said of a reader: the state that closes waits for it
**
** A loan's life:
**
**     held  --- the last message is freed ---> returned  --- the state drops its string ---> freed
**       |
**       |  the state closes
**       +--> the bytes are the loan's own, and are freed with it
**
** How the bytes become the loan's own depends on who made the state:
**
**   A worker's state has an allocator of this library (lua_alloc.h). When lua_close frees the
**   string's block, the allocator passes it to the lender, which keeps it. The bytes stay where
**   they are as long as a message holds the loan, so readers need no lock and no count.
**
**   A host's state has its host's allocator, which gets every block back. Before lua_close frees
**   the strings, a finalizer of the state (ti_borrowed_lender_close) copies those held. From then
**   on readers get the copy. Those that began before are pinned: the state waits until they have
**   read. A pinned reader only copies, into memory of its own state: the wait is short.
**
** The lender's lock is a leaf; no allocator runs under it. ti_borrowed_release, ti_borrowed_read
** and ti_borrowed_done are for any thread, all other functions for the state's own. Fields are
** marked L: under the lock; I: immutable; A: atomic; T: used by the state's own thread only,
** without the lock.
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
  bool moves;               /* I: of a host's state: the bytes move when it closes */
  const char *data; /* I, or L if it moves: len bytes; NULL: there was no memory for the copy */
  size_t len;       /* I */
  size_t readers;   /* L: number of pinned readers */
  size_t held;      /* L: number of messages that hold it */
  size_t place;     /* T: index in the lender's array */
  bool listed;      /* L: is in the lender's list of returned loans */
  struct ti_borrowed *next; /* L: in that list */
  void *block;              /* L: its own memory since the state closed; else NULL */
  size_t block_size;        /* L */
};

/* Returns a new lender, or NULL when memory runs out. `leftover`: the allocator that frees blocks
** of a worker's state after its end. NULL: a host's state, whose strings are copied when it
** closes. */
struct ti_lender *ti_borrowed_lender_new(const struct ti_alloc *leftover);

/* Returns whether this process is a forked child of the one that made the lender. Its lock may be
** held for ever then, and its loans are never freed. Nothing may be lent; release, due and close do
** nothing. */
bool ti_borrowed_lender_forked(const struct ti_lender *l);

/* Returns a loan of a string that has none yet, held once, or NULL when memory runs out. */
struct ti_borrowed *ti_borrowed_lender_lend(struct ti_lender *l, const char *data, size_t len);

/* Lets one more message hold the loan. */
void ti_borrowed_hold(struct ti_borrowed *loan);

/* Lets a message no longer hold the loan `object`. The signature is that of parts. */
void ti_borrowed_release(void *object);

/* Returns the string's bytes, or NULL if there was no memory to copy them. They stay until
** ti_borrowed_done if *pinned is true on return, else as long as the message. A pinned thread must
** neither run code of the user nor wait. */
const char *ti_borrowed_read(struct ti_borrowed *loan, bool *pinned);
void ti_borrowed_done(struct ti_borrowed *loan);

/* Returns whether there are returned loans; a hint, without the lock. */
bool ti_borrowed_lender_due(struct ti_lender *l);

/* Takes a returned loan from the list. Returns NULL if there is none. The caller drops the string,
** then calls ti_borrowed_free. */
struct ti_borrowed *ti_borrowed_lender_take_returned(struct ti_lender *l);
void ti_borrowed_free(struct ti_borrowed *loan);

/* To be called when the state closes and its strings still exist. Copies the strings held if the
** state is a host's, and waits for pinned readers. Returns true for a worker's state with loans
** that a message holds. The caller must then pass each large block that the state frees to
** ti_borrowed_take, and call ti_borrowed_end after the last. Else l is freed. */
bool ti_borrowed_lender_close(struct ti_lender *l);

/* Returns true if a held loan's string is in the block, which becomes the loan's own. */
bool ti_borrowed_take(void *lender, void *block, size_t size);

/* Ends the lender: loans from now on own their bytes, and the last message frees them. */
void ti_borrowed_end(void *lender);

TI_INTERNAL_END

#endif
