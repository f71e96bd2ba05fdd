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

void ti_code_release(void *code) {
  struct ti_code *c = (struct ti_code *)code;
  if (c != NULL && ti_refcount_release(&c->ref)) ti_alloc_free(c->mem, c, c->size);
}
