/*
** codec/bytecode: what lua_dump writes, read without loading it.
**
** Reads precompiled Lua 5.4 functions, stripped or not (version 0x54, format 0; the same in 5.4.0
** to 5.4.8). Calls no Lua, takes no lock, keeps no state. The dump is treated as hostile: nothing
** is read past its end, and functions nested deeper than BYTECODE_MAXDEPTH are refused. Only the
** layout is checked, not the code: a forged dump must still not be loaded.
**
** A dump, in the machine's own byte order:
**   header    signature, version, sizes and samples of its numbers
**   byte      how many upvalues the outermost function has
**   function  source, lines, parameters | code | constants |
**             upvalues: instack, index, kind | nested functions | debug info
** Its varints have the high digits first and bit 7 set on the last byte, unlike those of
** util/buffer.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_BYTECODE_H
#define TI_CODEC_BYTECODE_H

#include "util/buffer.h"

TI_INTERNAL_BEGIN

enum {
  BYTECODE_MAXDEPTH = 200, /* functions within functions; Lua's compiler stops earlier */
  BYTECODE_MAXUPVALS = 254 /* of a function with a factory */
};

/* A set of numbers below 256: upvalues, registers, constants that fit an operand. */
struct ti_bytecode_set {
  uint64_t words[4];
};

static inline void ti_bytecode_add(struct ti_bytecode_set *s, unsigned i) {
  s->words[i >> 6 & 3] |= UINT64_C(1) << (i & 63);
}
static inline bool ti_bytecode_has(const struct ti_bytecode_set *s, size_t i) {
  return i < 256 && (s->words[i >> 6] >> (i & 63) & 1) != 0;
}

/* What ti_bytecode_globals_list found. */
struct ti_bytecode_names {
  size_t sure;  /* names of globals */
  size_t maybe; /* names behind them, which count only if the message is loose */
  bool loose;   /* the function lets the table of globals go where it cannot be followed */
};

/*
** Finds the names of globals that a function uses, itself or in the functions nested in it. `envs`
** are the numbers, from 0, of the upvalues that hold the globals: its _ENV, and others to which the
** script gave the same table. Appends each name once to `names`, as varint length and bytes: first
** those by which the table of globals is surely indexed, then those by which something is that may
** be this table (bytecode_flow.h has the terms). In each group they are in the order of the
** constants, outer functions first.
**
** A constant is a name only where it is a key: in an index, a method's call, rawget or rawset; or
** if it stands beside the table in a call of something unknown. Computed names are not found.
**
** Returns false if the dump is not of this version or memory ran out (then also sets
** names->failed). Neither *found nor the content of `names` has changed then.
*/
bool ti_bytecode_globals_list(const void *data, size_t len, const struct ti_bytecode_set *envs,
                              struct ti_buffer *names, struct ti_bytecode_names *found);

/*
** Makes the dump of a function's factory from the dump of the function f, and appends it to `out`.
** The factory has no parameters and no upvalues. Each call of it returns a new closure of f whose
** upvalues are cells of its own, all nil. f's code, source and debug info are kept, byte for byte;
** only where its upvalues are found is rewritten. lua_load does not set the _ENV of such a closure.
**
** Returns false if the dump is not of this version, f has more than BYTECODE_MAXUPVALS upvalues, or
** memory ran out (then also sets out->failed). The content of `out` has not changed then. `data`
** must not lie in `out`.
*/
bool ti_bytecode_factory(const void *data, size_t len, struct ti_buffer *out);

/* ---------------------------- for module_evidence and the bytecode files -- */

/* Those parts of one function that are read, as they lie in the dump. */
struct ti_bytecode_proto {
  struct ti_cursor code;   /* ncode instructions of 4 bytes, unaligned */
  struct ti_cursor consts; /* nconsts constants, well-formed */
  struct ti_cursor upvals; /* nupvals times 3 bytes */
  size_t ncode, nconsts, nupvals, nprotos;
  unsigned nregs; /* registers */
};

/* Fields of an instruction; `k` is the bit between A and B. */
#define BYTECODE_OPCODE(i) ((i)&0x7fu)
#define BYTECODE_A(i) (((i) >> 7) & 0xffu)
#define BYTECODE_B(i) (((i) >> 16) & 0xffu)
#define BYTECODE_C(i) ((i) >> 24)
#define BYTECODE_BX(i) ((i) >> 15)
#define BYTECODE_ABCK(op, a, b, c, k)                                                \
  ((uint32_t)(op) | (uint32_t)(a) << 7 | (uint32_t)(k) << 15 | (uint32_t)(b) << 16 | \
   (uint32_t)(c) << 24)

/* Opcodes, which are the same in all releases of 5.4. */
enum {
  BYTECODE_LOADNIL = 8,
  BYTECODE_GETUPVAL = 9,
  BYTECODE_GETTABUP = 11,
  BYTECODE_SETTABUP = 15,
  BYTECODE_RETURN = 70,
  BYTECODE_CLOSURE = 79
};

/* Read a dump: begin, then the outermost function. A function is head, its nprotos nested
** functions, tail. Failure is sticky in c. begin returns the number of upvalues that the outermost
** function's head must have. */
size_t ti_bytecode_begin(struct ti_cursor *c, const void *data, size_t len);
void ti_bytecode_head(struct ti_cursor *c, struct ti_bytecode_proto *f);
void ti_bytecode_tail(struct ti_cursor *c, const struct ti_bytecode_proto *f);

/* Reads a constant. Returns its string, or NULL if it is something else. */
const unsigned char *ti_bytecode_constant(struct ti_cursor *c, size_t *len);

TI_INTERNAL_END

#endif
