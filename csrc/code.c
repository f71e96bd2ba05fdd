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

struct code *tide_code_holdmany(struct code *c, size_t n) {
  ref_holdmany(&c->ref, n);
  return c;
}

void tide_code_relemany(struct code *c, size_t n) {
  if (n > 0 && ref_relemany(&c->ref, n)) tide_mem_free(c->mem, c, c->size);
}

void tide_code_rele(void *code) {
  struct code *c = (struct code *)code;
  if (c != NULL && ref_rele(&c->ref)) tide_mem_free(c->mem, c, c->size);
}
