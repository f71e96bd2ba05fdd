/*
** codec/code: a Lua function's bytecode that all states share.
**
** One block, counted, and immutable once made. A message refers to it as a part; a state that wrote
** or loaded it keeps a reference. A state finds code by its content (function.c), so each piece of
** code is made and loaded once.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_CODE_H
#define TI_CODEC_CODE_H

#include <stdint.h>

#include "codec/bytecode.h"
#include "util/alloc.h"
#include "util/refcount.h"

TI_INTERNAL_BEGIN

struct ti_code {
  struct ti_refcount
      ref; /* A; in a cache line of its own: workers write it while submitters read the rest */
  char apart[64 - sizeof(struct ti_refcount)];
  const struct ti_alloc *mem;  /* I */
  size_t size;                 /* I: of this block */
  uint64_t hash;               /* I: of the bytecode and envs */
  struct ti_bytecode_set envs; /* I: the upvalues (from 0) that held the globals */
  int env;              /* I: number (from 1) of that of them which is _ENV; 0: there are none */
  int nup;              /* I */
  bool library;         /* I: defined in the file of a module: it may go by name */
  bool file;            /* I: defined in a file, perhaps one of a module that is not known yet */
  bool loose;           /* I: lets the table of globals go, as bytecode_flow.h says */
  size_t nglobals;      /* I: names of the globals that the function uses, those of the */
  size_t nmaybe;        /*    standard libraries left out: {varint length, bytes}*; behind */
  size_t globals_len;   /*    them those that count in a loose message; bytes of both */
  size_t len;           /* I: of the bytecode, which follows the names */
  unsigned char data[]; /* I: names, bytecode (what lua_dump wrote) */
};

static inline const unsigned char *ti_code_bytecode(const struct ti_code *c) {
  return c->data + c->globals_len;
}

/* The part type of code. */
extern const char ti_code_part;

struct ti_code *ti_code_hold(struct ti_code *c);
void ti_code_release(void *code); /* NULL is legal */

TI_INTERNAL_END

#endif
