/*
** tidepool, floor 1: loan, long strings of one state that others read in place.
**
** SPDX-License-Identifier: MIT
*/
#include "loan.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mark.h"
#include "ref.h"
#include "sys.h"

/* CLOSED: the state's last block was given back. */
enum stage { STAGE_OPEN, STAGE_CLOSING, STAGE_CLOSED };

struct lender {
  struct ref ref;      /* A: the state's, and one of each loan */
  struct mem leftover; /* I */
  const void *main;    /* I */
  struct mem own;      /* the state's thread: its allocator, while it closes */
  struct sys_mark
      mark; /* I: lost: readers may be gone with the lock; nothing is lent or given back */
  struct sys_lock lock; /* guards what is below */
  struct loan **loans;  /* L; I while CLOSING, and sorted by `data` then */
  size_t n, cap;        /* L; I while CLOSING */
  struct loan *back;    /* L: came back; OPEN only */
  enum stage stage;     /* L */
  atomic_bool due;      /* A: `back` is not empty; relaxed, a hint */
};

static void lender_rele(struct lender *l) {
  if (!ref_rele(&l->ref)) return;
  tide_mem_free(&tide_mem_default, l->loans, l->cap * sizeof *l->loans);
  tide_lock_fini(&l->lock);
  tide_mark_fini(&l->mark);
  tide_mem_free(&tide_mem_default, l, sizeof *l);
}

struct lender *tide_lender_new(const struct mem *leftover, const void *main) {
  struct lender *l = (struct lender *)tide_mem_zero(&tide_mem_default, sizeof *l);
  if (l == NULL) return NULL;
  if (tide_lock_init(&l->lock) != 0) {
    tide_mem_free(&tide_mem_default, l, sizeof *l);
    return NULL;
  }
  ref_init(&l->ref);
  tide_mark_init(&l->mark);
  atomic_init(&l->due, false);
  l->stage = STAGE_OPEN;
  l->leftover = *leftover;
  l->main = main;
  return l;
}

/* Room for one more loan. Only the state's own thread, which is here, changes n and cap. */
static bool make_room(struct lender *l) {
  size_t cap = l->cap > 0 ? l->cap * 2 : 8;
  struct loan **loans;
  if (l->n < l->cap) return true;
  if (cap > SIZE_MAX / sizeof *loans) return false;
  loans = (struct loan **)tide_mem_resize(&tide_mem_default, l->loans, l->cap * sizeof *loans,
                                          cap * sizeof *loans);
  if (loans == NULL) return false;
  l->loans = loans;
  l->cap = cap;
  return true;
}

struct loan *tide_lender_lend(struct lender *l, const char *data, size_t len) {
  struct loan *loan;
  if (!make_room(l)) return NULL;
  loan = (struct loan *)tide_mem_zero(&tide_mem_default, sizeof *loan);
  if (loan == NULL) return NULL;
  ref_hold(&l->ref);
  loan->lender = l;
  loan->data = data;
  loan->len = len;
  loan->held = 1;
  loan->place = l->n;
  l->loans[l->n++] = loan;
  return loan;
}

void tide_loan_hold(struct loan *loan) {
  tide_lock_take(&loan->lender->lock);
  loan->held++;
  tide_lock_drop(&loan->lender->lock);
}

void tide_loan_free(struct loan *loan) {
  struct lender *l = loan->lender;
  assert(loan->held == 0);
  if (loan->block != NULL) tide_mem_free(&l->leftover, loan->block, loan->block_size);
  tide_mem_free(&tide_mem_default, loan, sizeof *loan);
  lender_rele(l);
}

void tide_loan_rele(void *object) {
  struct loan *loan = (struct loan *)object;
  struct lender *l = loan->lender;
  bool last;
  if (tide_mark_lost(&l->mark)) return;
  tide_lock_take(&l->lock);
  assert(loan->held > 0);
  last = --loan->held == 0 && l->stage == STAGE_CLOSED;
  if (loan->held == 0 && l->stage == STAGE_OPEN && !loan->listed) {
    loan->listed = true;
    loan->next = l->back;
    l->back = loan;
    atomic_store_explicit(&l->due, true, memory_order_relaxed);
  }
  tide_lock_drop(&l->lock); /* while CLOSING the loan stays: the array is being read */
  if (last) tide_loan_free(loan);
}

bool tide_lender_lost(const struct lender *l) { return tide_mark_lost(&l->mark); }

bool tide_lender_due(struct lender *l) {
  if (tide_mark_lost(&l->mark)) return false;
  return atomic_load_explicit(&l->due, memory_order_relaxed);
}

struct loan *tide_lender_back(struct lender *l) {
  struct loan *loan;
  tide_lock_take(&l->lock);
  do { /* one that was lent again meanwhile is not back */
    loan = l->back;
    if (loan == NULL) break;
    l->back = loan->next;
    loan->listed = false;
  } while (loan->held > 0);
  atomic_store_explicit(&l->due, l->back != NULL, memory_order_relaxed);
  tide_lock_drop(&l->lock);
  if (loan != NULL) {
    l->loans[loan->place] = l->loans[--l->n];
    l->loans[loan->place]->place = loan->place;
  }
  return loan;
}

/* ------------------------------------------------------------------ closing -- */

static int by_data(const void *a, const void *b) {
  uintptr_t x = (uintptr_t)(*(struct loan *const *)a)->data;
  uintptr_t y = (uintptr_t)(*(struct loan *const *)b)->data;
  return (x > y) - (x < y);
}

bool tide_lender_close(struct lender *l, const struct mem *own) {
  struct loan *loan;
  if (tide_mark_lost(&l->mark))
    return false; /* it stays, with what is lent: strings of this state */
  while ((loan = tide_lender_back(l)) != NULL) tide_loan_free(loan);
  if (l->n == 0) {
    lender_rele(l);
    return false;
  }
  qsort(l->loans, l->n, sizeof *l->loans, by_data);
  l->own = *own;
  tide_lock_take(&l->lock);
  l->stage = STAGE_CLOSING;
  tide_lock_drop(&l->lock);
  return true;
}

static bool inside(const void *p, const void *block, size_t size) {
  return (uintptr_t)p >= (uintptr_t)block && (uintptr_t)p - (uintptr_t)block < size;
}

/* The loan of the string in this block, or NULL. */
static struct loan *find(const struct lender *l, const void *block, size_t size) {
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

/* The state gives a block back: true if a message still needs what is in it. */
static bool leave(struct lender *l, void *block, size_t size) {
  struct loan *loan = find(l, block, size);
  bool left = false;
  if (loan == NULL) return false;
  tide_lock_take(&l->lock);
  if (loan->held > 0) {
    loan->block = block;
    loan->block_size = size;
    left = true;
  }
  tide_lock_drop(&l->lock);
  return left;
}

/* Nothing of the state is left but the blocks that loans have. */
static void end(struct lender *l) {
  struct loan *done = NULL, *loan;
  tide_lock_take(&l->lock);
  l->stage = STAGE_CLOSED; /* the last message that lets go of a loan frees it from now on */
  for (size_t i = 0; i < l->n; i++) {
    loan = l->loans[i];
    assert(loan->held == 0 || loan->block != NULL);
    if (loan->held > 0) continue;
    loan->next = done;
    done = loan;
  }
  tide_lock_drop(&l->lock);
  while ((loan = done) != NULL) {
    done = loan->next;
    tide_loan_free(loan);
  }
  lender_rele(l);
}

void *tide_lender_alloc(void *lender, void *p, size_t osize, size_t nsize) {
  struct lender *l = (struct lender *)lender;
  void *answer = NULL;
  bool last = nsize == 0 && p != NULL && inside(l->main, p, osize);
  if (nsize > 0 || p == NULL || osize < LOAN_LEAST || !leave(l, p, osize))
    answer = l->own.alloc(l->own.ud, p, osize, nsize);
  if (last) end(l);
  return answer;
}
