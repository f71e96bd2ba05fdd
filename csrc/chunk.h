/*
** tidepool, floor 2: chunk, what lua_dump writes, read without loading it.
**
** Reads precompiled Lua 5.4 functions, stripped or not (version 0x54, format 0;
** the same in 5.4.0 to 5.4.8). Calls no Lua, takes no lock, keeps no state.
** The dump is treated as hostile: nothing is read past its end, nested
** functions deeper than TIDE_CHUNK_MAXDEPTH are refused. What is checked is the
** layout, not that the code is sane: a forged dump must still not be loaded.
**
** A dump, in the machine's own byte order:
**   header    signature, version, sizes and samples of its numbers
**   byte      how many upvalues the outermost function has
**   function  source, lines, parameters | code | constants |
**             upvalues: instack, index, kind | nested functions | debug info
** Its varints have the high digits first and bit 7 set on the last byte, unlike
** those of `bytes`.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_CHUNK_H
#define TIDE_CHUNK_H

#include "bytes.h"

TIDE_INTERNAL_BEGIN

enum {
  TIDE_CHUNK_MAXDEPTH = 200, /* functions within functions; Lua's compiler stops earlier */
  TIDE_CHUNK_MAXUPVALS = 254 /* of a function with a factory */
};

/* A set of numbers below 256: upvalues, registers, constants that fit an operand. */
struct chunk_set {
  uint64_t words[4];
};

static inline void tide_chunk_add(struct chunk_set *s, unsigned i) {
  s->words[i >> 6 & 3] |= UINT64_C(1) << (i & 63);
}
static inline bool tide_chunk_has(const struct chunk_set *s, size_t i) {
  return i < 256 && (s->words[i >> 6] >> (i & 63) & 1) != 0;
}

/* What was found by tide_chunk_globals. */
struct chunk_names {
  size_t sure;  /* names of globals */
  size_t maybe; /* names behind them, which count only if the message is loose */
  bool loose;   /* the function lets the table of globals go where it cannot be followed */
};

/*
** The names of globals that a function uses, by itself or in the functions
** nested in it. `envs` are the numbers, from 0, of the upvalues that hold them: its
** _ENV, and others to which the script gave the same table.
** Appends each name once to `names`, as varint length and bytes: first those by
** which the table of globals is surely indexed, then those by which something is
** that may be this table (chunk_flow.h has the terms). Within each, in the order of the
** constants, outer functions first.
**
** A constant is a name only where it is a key: in an index, a method's call, rawget or
** rawset; or if it stands beside the table in a call of something unknown. Names that are
** computed are not seen.
**
** False if the dump is not one we read or memory ran out (then also
** names->failed); then neither `*found` nor the content of `names` has changed.
*/
bool tide_chunk_globals(const void *data, size_t len, const struct chunk_set *envs,
                        struct bytes *names, struct chunk_names *found);

/*
** From the dump of a function f makes the dump of its factory, appended to
** `out`: a function without parameters and upvalues, of which each call returns
** a new closure of f whose upvalues are cells of its own, all nil. f's code,
** source and debug info are kept, byte for byte; only where its upvalues are
** found is rewritten. lua_load does not set the _ENV of such a closure.
**
** False if the dump is not one we read, f has more than TIDE_CHUNK_MAXUPVALS
** upvalues, or memory ran out (then also out->failed); then the content of `out`
** has not changed. `data` must not lie in `out`.
*/
bool tide_chunk_factory(const void *data, size_t len, struct bytes *out);

/* ------------------------------------ between the files of this room -- */

/* The parts of one function that are looked at, as they lie in the dump. */
struct chunk_proto {
  struct cursor code;   /* ncode instructions of 4 bytes, unaligned */
  struct cursor consts; /* nconsts constants, well-formed */
  struct cursor upvals; /* nupvals times 3 bytes */
  size_t ncode, nconsts, nupvals, nprotos;
  unsigned nregs; /* registers */
};

/* One operand of an instruction; `k` is the bit between A and B. */
#define CHUNK_OPCODE(i) ((i)&0x7fu)
#define CHUNK_A(i) (((i) >> 7) & 0xffu)
#define CHUNK_B(i) (((i) >> 16) & 0xffu)
#define CHUNK_C(i) ((i) >> 24)
#define CHUNK_ABCK(op, a, b, c, k)                                                   \
  ((uint32_t)(op) | (uint32_t)(a) << 7 | (uint32_t)(k) << 15 | (uint32_t)(b) << 16 | \
   (uint32_t)(c) << 24)

/* The opcodes that matter here; all 5.4 releases have the same. */
enum {
  CHUNK_LOADNIL = 8,
  CHUNK_GETUPVAL = 9,
  CHUNK_GETTABUP = 11,
  CHUNK_SETTABUP = 15,
  CHUNK_RETURN = 70,
  CHUNK_CLOSURE = 79
};

/* A dump is begin; each function in it, the outermost too, is head, its nprotos
** nested functions, tail. Failure is sticky in c. begin answers the number of
** upvalues that the outermost function's head must then have. */
size_t tide_chunk_begin(struct cursor *c, const void *data, size_t len);
void tide_chunk_head(struct cursor *c, struct chunk_proto *f);
void tide_chunk_tail(struct cursor *c, const struct chunk_proto *f);

/* Reads a constant: its string, or NULL if it is something else. */
const unsigned char *tide_chunk_constant(struct cursor *c, size_t *len);

TIDE_INTERNAL_END

#endif
