/*
** tidepool, floor 2: code, a Lua function's bytecode that all states share.
**
** SPDX-License-Identifier: MIT
*/
#include "code.h"

const char tide_code_part = 0;

struct code *tide_code_hold(struct code *c) {
  ref_hold(&c->ref);
  return c;
}

void tide_code_rele(void *code) {
  struct code *c = (struct code *)code;
  if (c != NULL && ref_rele(&c->ref)) tide_mem_free(c->mem, c, c->size);
}
