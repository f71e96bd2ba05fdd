/*
** codec/borrowed: long strings of one state that others read in place.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/borrowed.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "platform/fork_guard.h"
#include "util/refcount.h"
#include "platform/mutex.h"
#include "platform/clock.h"
#include "platform/cond.h"

const char ti_borrowed_part = 0;

/* CLOSED: only what loans own is left of the state's strings. */
enum stage { STAGE_OPEN, STAGE_CLOSING, STAGE_CLOSED };

struct ti_lender {
  struct ti_refcount ref;   /* A: of the state, and of each loan */
  struct ti_alloc leftover; /* I: frees what loans own */
  bool copies;              /* I: of a host's state: borrowed strings are copied when it closes */
  /* I: in a forked child the lock may be held for ever. Nothing is lent or returned there. */
  struct ti_fork_guard fork_guard;
  struct ti_mutex lock; /* guards the fields marked L, here and in loans */
  struct ti_cond read;  /* while CLOSING: signalled when a loan has no pinned reader any more */
  struct ti_borrowed **loans;   /* T; sorted by `data` while a worker's state is CLOSING */
  size_t n, cap;                /* T */
  struct ti_borrowed *returned; /* L: list of returned loans; while OPEN */
  enum stage stage;             /* L */
  atomic_bool due;              /* A: `returned` is not empty; relaxed, a hint */
};

static void lender_rele(struct ti_lender *l) {
  if (!ti_refcount_release(&l->ref)) return;
  ti_alloc_free(&ti_alloc_default, l->loans, l->cap * sizeof *l->loans);
  ti_cond_fini(&l->read);
  ti_mutex_fini(&l->lock);
  ti_fork_guard_fini(&l->fork_guard);
  ti_alloc_free(&ti_alloc_default, l, sizeof *l);
}

struct ti_lender *ti_borrowed_lender_new(const struct ti_alloc *leftover) {
  struct ti_lender *l = (struct ti_lender *)ti_alloc_zero(&ti_alloc_default, sizeof *l);
  if (l == NULL) return NULL;
  if (ti_mutex_init(&l->lock) != 0) goto no_lock;
  if (ti_cond_init(&l->read) != 0) goto no_cond;
  ti_refcount_init(&l->ref);
  ti_fork_guard_init(&l->fork_guard);
  atomic_init(&l->due, false);
  l->stage = STAGE_OPEN;
  l->leftover = leftover != NULL ? *leftover : ti_alloc_default;
  l->copies = leftover == NULL;
  return l;
no_cond:
  ti_mutex_fini(&l->lock);
no_lock:
  ti_alloc_free(&ti_alloc_default, l, sizeof *l);
  return NULL;
}

/* Makes the array large enough for one more loan. Returns false when memory runs out. */
static bool reserve(struct ti_lender *l) {
  size_t cap = l->cap > 0 ? l->cap * 2 : 8;
  struct ti_borrowed **loans;
  if (l->n < l->cap) return true;
  if (cap > SIZE_MAX / sizeof *loans) return false;
  loans = (struct ti_borrowed **)ti_alloc_resize(&ti_alloc_default, l->loans,
                                                 l->cap * sizeof *loans, cap * sizeof *loans);
  if (loans == NULL) return false;
  l->loans = loans;
  l->cap = cap;
  return true;
}

struct ti_borrowed *ti_borrowed_lender_lend(struct ti_lender *l, const char *data, size_t len) {
  struct ti_borrowed *loan;
  if (!reserve(l)) return NULL;
  loan = (struct ti_borrowed *)ti_alloc_zero(&ti_alloc_default, sizeof *loan);
  if (loan == NULL) return NULL;
  ti_refcount_hold(&l->ref);
  loan->lender = l;
  loan->moves = l->copies;
  loan->data = data;
  loan->len = len;
  loan->held = 1;
  loan->place = l->n;
  l->loans[l->n++] = loan;
  return loan;
}

void ti_borrowed_hold(struct ti_borrowed *loan) {
  ti_mutex_lock(&loan->lender->lock);
  loan->held++;
  ti_mutex_unlock(&loan->lender->lock);
}

void ti_borrowed_free(struct ti_borrowed *loan) {
  struct ti_lender *l = loan->lender;
  assert(loan->held == 0);
  if (loan->block != NULL) ti_alloc_free(&l->leftover, loan->block, loan->block_size);
  ti_alloc_free(&ti_alloc_default, loan, sizeof *loan);
  lender_rele(l);
}

void ti_borrowed_release(void *object) {
  struct ti_borrowed *loan = (struct ti_borrowed *)object;
  struct ti_lender *l = loan->lender;
  bool last;
  if (ti_fork_guard_forked(&l->fork_guard)) return;
  ti_mutex_lock(&l->lock);
  assert(loan->held > 0);
  last = --loan->held == 0 && l->stage == STAGE_CLOSED;
  if (loan->held == 0 && l->stage == STAGE_OPEN && !loan->listed) {
    loan->listed = true;
    loan->next = l->returned;
    l->returned = loan;
    atomic_store_explicit(&l->due, true, memory_order_relaxed);
  }
  ti_mutex_unlock(&l->lock); /* while CLOSING the loan stays, as ti_borrowed_end frees it */
  if (last) ti_borrowed_free(loan);
}

/* ------------------------------------------------------------------ reading -- */

const char *ti_borrowed_read(struct ti_borrowed *loan, bool *pinned) {
  struct ti_lender *l = loan->lender;
  const char *data;
  *pinned = false;
  if (!loan->moves || ti_fork_guard_forked(&l->fork_guard)) return loan->data;
  ti_mutex_lock(&l->lock);
  data = loan->data;
  *pinned = data != NULL && data != loan->block;
  if (*pinned) loan->readers++;
  ti_mutex_unlock(&l->lock);
  return data;
}

void ti_borrowed_done(struct ti_borrowed *loan) {
  struct ti_lender *l = loan->lender;
  ti_mutex_lock(&l->lock);
  assert(loan->readers > 0);
  if (--loan->readers == 0 && l->stage == STAGE_CLOSING) ti_cond_signal(&l->read);
  ti_mutex_unlock(&l->lock);
}

/* ----------------------------------------------------------------- returned -- */

bool ti_borrowed_lender_forked(const struct ti_lender *l) {
  return ti_fork_guard_forked(&l->fork_guard);
}

bool ti_borrowed_lender_due(struct ti_lender *l) {
  if (ti_fork_guard_forked(&l->fork_guard)) return false;
  return atomic_load_explicit(&l->due, memory_order_relaxed);
}

struct ti_borrowed *ti_borrowed_lender_take_returned(struct ti_lender *l) {
  struct ti_borrowed *loan;
  ti_mutex_lock(&l->lock);
  do { /* skips one that was lent again meanwhile */
    loan = l->returned;
    if (loan == NULL) break;
    l->returned = loan->next;
    loan->listed = false;
  } while (loan->held > 0);
  atomic_store_explicit(&l->due, l->returned != NULL, memory_order_relaxed);
  ti_mutex_unlock(&l->lock);
  if (loan != NULL) {
    l->loans[loan->place] = l->loans[--l->n];
    l->loans[loan->place]->place = loan->place;
  }
  return loan;
}

/* ------------------------------------------------------------------ closing -- */

static int by_data(const void *a, const void *b) {
  uintptr_t x = (uintptr_t)(*(struct ti_borrowed *const *)a)->data;
  uintptr_t y = (uintptr_t)(*(struct ti_borrowed *const *)b)->data;
  return (x > y) - (x < y);
}

/* Makes the loan own a copy of its bytes, if a message still holds it. Waits for its pinned
** readers. */
static void save(struct ti_lender *l, struct ti_borrowed *loan) {
  char *copy;
  bool held;
  ti_mutex_lock(&l->lock);
  held = loan->held > 0;
  ti_mutex_unlock(&l->lock);
  if (!held) return;
  copy = (char *)ti_alloc_new(&l->leftover, loan->len);
  if (copy != NULL) memcpy(copy, loan->data, loan->len);
  ti_mutex_lock(&l->lock);
  loan->data = copy;
  loan->block = copy;
  loan->block_size = loan->len;
  while (loan->readers > 0) ti_cond_wait(&l->read, &l->lock, TI_CLOCK_NEVER);
  ti_mutex_unlock(&l->lock);
}

/* The array is complete: the state lends no more strings. */
void ti_borrowed_end(void *lender) {
  struct ti_lender *l = (struct ti_lender *)lender;
  struct ti_borrowed *done = NULL, *loan;
  ti_mutex_lock(&l->lock);
  l->stage = STAGE_CLOSED; /* from now on the last message that holds a loan frees it */
  for (size_t i = 0; i < l->n; i++) {
    loan = l->loans[i];
    assert(loan->held == 0 || loan->block != NULL || loan->data == NULL);
    if (loan->held > 0) continue;
    loan->next = done;
    done = loan;
  }
  ti_mutex_unlock(&l->lock);
  while ((loan = done) != NULL) {
    done = loan->next;
    ti_borrowed_free(loan);
  }
  lender_rele(l);
}

bool ti_borrowed_lender_close(struct ti_lender *l) {
  struct ti_borrowed *loan;
  if (ti_fork_guard_forked(&l->fork_guard))
    return false; /* it is never freed, and neither are its loans */
  while ((loan = ti_borrowed_lender_take_returned(l)) != NULL) ti_borrowed_free(loan);
  if (l->n == 0) {
    lender_rele(l);
    return false;
  }
  ti_mutex_lock(&l->lock);
  l->stage = STAGE_CLOSING;
  ti_mutex_unlock(&l->lock);
  if (!l->copies) {
    qsort(l->loans, l->n, sizeof *l->loans, by_data);
    return true;
  }
  for (size_t i = 0; i < l->n; i++) save(l, l->loans[i]);
  ti_borrowed_end(l);
  return false;
}

/* ------------------------------------------------------- a worker's blocks -- */

static bool inside(const void *p, const void *block, size_t size) {
  return (uintptr_t)p >= (uintptr_t)block && (uintptr_t)p - (uintptr_t)block < size;
}

/* Returns the loan of the string in this block, or NULL. */
static struct ti_borrowed *find(const struct ti_lender *l, const void *block, size_t size) {
  size_t low = 0, high = l->n;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if ((uintptr_t)l->loans[mid]->data < (uintptr_t)block)
      low = mid + 1;
    else
      high = mid;
  }
  return low < l->n && inside(l->loans[low]->data, block, size) ? l->loans[low] : NULL;
}

bool ti_borrowed_take(void *lender, void *block, size_t size) {
  struct ti_lender *l = (struct ti_lender *)lender;
  struct ti_borrowed *loan = size >= BORROWED_LEAST ? find(l, block, size) : NULL;
  bool taken = false;
  if (loan == NULL) return false;
  ti_mutex_lock(&l->lock);
  if (loan->held > 0) {
    loan->block = block;
    loan->block_size = size;
    taken = true;
  }
  ti_mutex_unlock(&l->lock);
  return taken;
}
