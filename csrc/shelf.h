/*
** tidepool, floor 1: shelf, an allocator for many threads whose large blocks stay warm.
**
** What block.h does for one state, for the messages of an executor: one thread fills
** them, another frees them. Small blocks are the C library's and take no lock; the lock is a leaf.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_SHELF_H
#define TIDE_SHELF_H

#include "block.h"
#include "sys.h"

TIDE_INTERNAL_BEGIN

struct shelf {
  struct sys_lock lock;
  struct blocks blocks; /* L */
};

int tide_shelf_init(struct shelf *s); /* 0 or an errno code */
/* Small blocks may still be freed afterwards, large ones not. */
void tide_shelf_fini(struct shelf *s);
/* For a struct mem, with the shelf as ud. Small blocks may also be those of tide_mem_default. */
void *tide_shelf_alloc(void *shelf, void *p, size_t osize, size_t nsize);

TIDE_INTERNAL_END

#endif
