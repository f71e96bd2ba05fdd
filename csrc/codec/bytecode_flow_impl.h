/*
** codec/bytecode_flow_impl: what the files share that follow a function.
**
** Terms:
**   value   what is known of a register: a class in the low bits, and for some classes a number
**           above them
**   target  an instruction to which another one may jump
**   state   the values of all registers before a target, joined over the ways that lead there
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_BYTECODE_FLOW_IMPL_H
#define TI_CODEC_BYTECODE_FLOW_IMPL_H

#include "codec/bytecode_flow.h"

TI_INTERNAL_BEGIN

enum { FLOW_REGISTERS = 256 };

typedef uint32_t ti_flow_value;
enum {
  VALUE_UNREACHED, /* no way to this point has been followed */
  VALUE_UNKNOWN,
  VALUE_OWN,     /* a table that this function made; another may have given it a metatable */
  VALUE_STRING,  /* the constant with that number */
  VALUE_LIBRARY, /* the function of Lua's library with that number (bytecode_flow_step.c) */
  VALUE_GLOBALS, /* the table of globals; from here on: values that may be it */
  VALUE_MAYBE    /* the table of globals, or something else */
};
#define VALUE_CLASS(v) ((v)&7u)
#define VALUE_NUMBER(v) ((v) >> 3)
#define VALUE_NUMBERED(class, n) ((ti_flow_value)((class) | (n) << 3))
#define VALUE_MAY_HOLD(v) (VALUE_CLASS(v) >= VALUE_GLOBALS)

/* Returns what is known where two ways meet. */
static inline ti_flow_value ti_bytecode_flow_join(ti_flow_value a, ti_flow_value b) {
  if (a == VALUE_UNREACHED || a == b) return b;
  if (b == VALUE_UNREACHED) return a;
  return VALUE_MAY_HOLD(a) || VALUE_MAY_HOLD(b) ? VALUE_MAYBE : VALUE_UNKNOWN;
}

/* One function while it is followed. */
struct ti_flow_walk {
  struct ti_flow *flow;
  struct ti_flow_function *fn;
  const struct ti_flow_constant *constants;
  unsigned char *uses;
  size_t pc;
  unsigned nregs;
  bool recording;                    /* the last run: no state changes, and uses are recorded */
  bool reached;                      /* the instruction at pc can be reached */
  bool changed;                      /* the state of a target that was passed has changed */
  ti_flow_value now[FLOW_REGISTERS]; /* before the instruction at pc */
  unsigned open;                     /* first register of a list of values that ends at the top */
  uint32_t *targets;                 /* by pc: number of its state, from 1; 0: no target */
  ti_flow_value *states;             /* nregs for each target */
  /* by register: pc of the first closure that takes it as an upvalue; UINT32_MAX: none does */
  uint32_t capture[FLOW_REGISTERS];
  struct ti_bytecode_set late; /* registers that may get the table of globals after that */
  size_t child, ordinal;       /* the inner function found last, and its number */
};

static inline uint32_t ti_bytecode_flow_instruction(const struct ti_flow_walk *w, size_t pc) {
  uint32_t i;
  memcpy(&i, w->fn->proto.code.p + pc * sizeof i, sizeof i);
  return i;
}

static inline ti_flow_value ti_bytecode_flow_upvalue(const struct ti_flow_walk *w, unsigned i) {
  if (ti_bytecode_has(&w->fn->holds, i)) return VALUE_GLOBALS;
  return ti_bytecode_has(&w->fn->may, i) ? VALUE_MAYBE : VALUE_UNKNOWN;
}

/* ------------------------------------------------------- bytecode_flow_step.c -- */

/* Follows instruction i, the one at w->pc. Returns whether the next instruction can be reached from
** it. */
bool ti_bytecode_flow_step_apply(struct ti_flow_walk *w, uint32_t i);

/* Returns where instruction i, at pc, may jump to. Returns a negative number if it only continues
** with the next one. */
int64_t ti_bytecode_flow_step_target(uint32_t i, int64_t pc);

/* ---------------------------------------------------- bytecode_flow_closure.c -- */

/* Notes in w->capture the registers that a closure of inner function n takes as upvalues. The
** instruction at w->pc makes the closure. */
void ti_bytecode_flow_closure_capture(struct ti_flow_walk *w, size_t n);

/* Follows the making of a closure of inner function n. In the last run it sets which upvalues of
** that function hold the table of globals. What is not the same for all its closures is only maybe
** so. */
void ti_bytecode_flow_closure_make(struct ti_flow_walk *w, size_t n);

TI_INTERNAL_END

#endif
