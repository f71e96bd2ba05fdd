/*
** codec/borrowed: long strings of one state that others read in place.
**
** A long string is not copied into a message: the message has a loan of it as a part, the state
** that owns the string (the lender) keeps it alive, and who unpacks the message reads from the
** lender's own memory. Where the bytes are, they stay as long as a message holds the loan:
**
**     lent  --- the last message lets go ---> back  --- the state drops its string ---> freed
**       |
**       |  the state closes: lua_close gives the string's block back to the lender, which
**       +--> left: keeps it. The block is the loan's own now, and freed with it.
**
** So readers need no lock and no count, only the reference to the message that they have anyway,
** and closing copies nothing and waits for nobody. The price: only a state may lend whose blocks
** any thread may free at any time (borrow.c knows which).
**
** The lock is a leaf; no allocator runs under it. ti_borrowed_release is for any thread, all else
** for the state's own.
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
  const char *data;         /* I: len bytes inside a block of the state */
  size_t len;               /* I */
  size_t held;              /* L: by so many messages */
  size_t place;             /* L: in the lender's array */
  bool listed;              /* L: in the lender's list of those that came back */
  struct ti_borrowed *next; /* L: there */
  void *block;              /* L: its own since the state closed; else NULL */
  size_t block_size;        /* L */
};

/* NULL if out of memory. `leftover` frees blocks after the state's end; `main` is an address in
** the block that a state gives back last. */
struct ti_lender *ti_borrowed_lender_new(const struct ti_alloc *leftover, const void *main);

/* In a child that was forked: its locks may be held for ever, and loans that are out stay so. Not
** to be lent from; rele, due and close do nothing then. */
bool ti_borrowed_lender_lost(const struct ti_lender *l);
/* A loan of a string that has none yet, held once; NULL if out of memory. */
struct ti_borrowed *ti_borrowed_lender_lend(struct ti_lender *l, const char *data, size_t len);
/* The same string goes into one more message. */
void ti_borrowed_hold(struct ti_borrowed *loan);
void ti_borrowed_release(void *object); /* a loan: the form of a part's */

/* Whether loans came back, as far as one can tell without the lock. */
bool ti_borrowed_lender_due(struct ti_lender *l);
/* A loan that no message holds, or NULL. The state forgets the string, then calls free. */
struct ti_borrowed *ti_borrowed_lender_back(struct ti_lender *l);
void ti_borrowed_free(struct ti_borrowed *loan);

/* The state closes, whose allocator is `own`. True if loans are out: then ti_borrowed_lender_alloc,
** with l as its ud, must be the state's allocator from now on. Else l is gone. */
bool ti_borrowed_lender_close(struct ti_lender *l, const struct ti_alloc *own);
void *ti_borrowed_lender_alloc(void *lender, void *p, size_t osize, size_t nsize);

TI_INTERNAL_END

#endif
