/*
** codec/code: a Lua function's bytecode that all states share.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/code.h"

const char ti_code_part = 0;

struct ti_code *ti_code_hold(struct ti_code *c) {
  ti_refcount_hold(&c->ref);
  return c;
}

struct ti_code *ti_code_hold_many(struct ti_code *c, size_t n) {
  ti_refcount_hold_many(&c->ref, n);
  return c;
}

void ti_code_release_many(struct ti_code *c, size_t n) {
  if (n > 0 && ti_refcount_release_many(&c->ref, n)) ti_alloc_free(c->mem, c, c->size);
}

void ti_code_release(void *code) {
  struct ti_code *c = (struct ti_code *)code;
  if (c != NULL && ti_refcount_release(&c->ref)) ti_alloc_free(c->mem, c, c->size);
}
