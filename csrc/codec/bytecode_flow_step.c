/*
** codec/bytecode_flow_step: what one instruction does to the values of the registers.
**
** An instruction that is not named here puts something unknown into register A.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/bytecode_flow_impl.h"

/* Opcodes of Lua 5.4. */
enum {
  OP_MOVE = 0,
  OP_LOADK = 3,
  OP_LOADKX = 4,
  OP_LFALSESKIP = 6,
  OP_LOADNIL = 8,
  OP_GETUPVAL = 9,
  OP_SETUPVAL = 10,
  OP_GETTABUP = 11,
  OP_GETTABLE = 12,
  OP_GETFIELD = 14,
  OP_SETTABUP = 15,
  OP_SETTABLE = 16,
  OP_SETI = 17,
  OP_SETFIELD = 18,
  OP_NEWTABLE = 19,
  OP_SELF = 20,
  OP_MMBIN = 46,
  OP_MMBINK = 48,
  OP_CLOSE = 54,
  OP_TBC = 55,
  OP_JMP = 56,
  OP_EQ = 57,
  OP_TEST = 66,
  OP_TESTSET = 67,
  OP_CALL = 68,
  OP_TAILCALL = 69,
  OP_RETURN = 70,
  OP_RETURN0 = 71,
  OP_RETURN1 = 72,
  OP_FORLOOP = 73,
  OP_FORPREP = 74,
  OP_TFORPREP = 75,
  OP_TFORCALL = 76,
  OP_TFORLOOP = 77,
  OP_SETLIST = 78,
  OP_CLOSURE = 79,
  OP_VARARG = 80,
  OP_VARARGPREP = 81,
  OP_EXTRAARG = 82
};

#define GET_K(i) (((i) >> 15) & 1u)
#define GET_AX(i) ((i) >> 7)
#define GET_SJ(i) ((int64_t)((i) >> 7) - 16777215)

/* Functions of Lua's library that pass a table which they are given to no other code. FIRST ones
** return their first argument. */
enum { RAW_GET, RAW_SET, FIRST, REQUIRE, HARMLESS };
static const struct {
  const char *name;
  int does;
} library[] = {{"rawget", RAW_GET},    {"rawset", RAW_SET},  {"setmetatable", FIRST},
               {"assert", FIRST},      {"require", REQUIRE}, {"getmetatable", HARMLESS},
               {"ipairs", HARMLESS},   {"load", HARMLESS},   {"loadfile", HARMLESS},
               {"next", HARMLESS},     {"pairs", HARMLESS},  {"print", HARMLESS},
               {"rawequal", HARMLESS}, {"rawlen", HARMLESS}, {"tostring", HARMLESS},
               {"type", HARMLESS}};

/* ------------------------------------------------------------- registers -- */

static ti_flow_value get(const struct ti_flow_walk *w, unsigned r) {
  return w->now[r % FLOW_REGISTERS];
}

static void set(struct ti_flow_walk *w, unsigned r, ti_flow_value v) {
  r %= FLOW_REGISTERS;
  w->now[r] = v;
  if (VALUE_MAY_HOLD(v) && w->pc > w->capture[r]) ti_bytecode_add(&w->late, r);
}

/* Sets all registers from r on to VALUE_UNKNOWN. */
static void forget(struct ti_flow_walk *w, unsigned r) {
  for (; r < w->nregs; r++) w->now[r] = VALUE_UNKNOWN;
}

/* Returns the end of a list of registers that begins at r: of n registers, or up to the top. Of a
** list that a call or `...` put there, only the first value is known. */
static unsigned end_of_list(const struct ti_flow_walk *w, unsigned r, bool to_top, unsigned n) {
  unsigned end = to_top ? w->open + 1 : r + n;
  return end < FLOW_REGISTERS ? end : FLOW_REGISTERS;
}

/* ------------------------------------------------------------------ uses -- */

/* Records that a value is passed where it cannot be followed. */
static void escape(struct ti_flow_walk *w, ti_flow_value v) {
  if (VALUE_MAY_HOLD(v)) w->flow->loose = true;
}

/* Does the same for the registers first .. end - 1. */
static void escape_all(struct ti_flow_walk *w, unsigned first, unsigned end) {
  for (unsigned r = first; r < end; r++) escape(w, get(w, r));
}

/* Records that constant k is a key in an object of which `object` is known. `stored`: for storing a
** value there. */
static void use(struct ti_flow_walk *w, ti_flow_value object, size_t k, bool stored) {
  const unsigned class = VALUE_CLASS(object);
  if (k >= w->fn->proto.nconsts || w->constants[k].s == NULL) {
    w->flow->failed = true;
  } else if (w->recording) {
    if (class == VALUE_GLOBALS) w->uses[k] |= FLOW_SURE;
    if (class == VALUE_MAYBE || class == VALUE_UNKNOWN || (class == VALUE_OWN && !stored))
      w->uses[k] |= FLOW_MAYBE;
    if (class == VALUE_MAYBE) w->flow->loose = true;
  }
}

static bool is(const struct ti_flow_constant *c, const char *word) {
  return strlen(word) == c->len && memcmp(c->s, word, c->len) == 0;
}

/* Uses constant k as a key. Returns what is known of the value there. */
static ti_flow_value field(struct ti_flow_walk *w, ti_flow_value object, size_t k) {
  const struct ti_flow_constant *c;
  use(w, object, k, false);
  if (w->flow->failed) return VALUE_UNKNOWN;
  c = &w->constants[k];
  if (is(c, "_G")) return VALUE_CLASS(object) == VALUE_GLOBALS ? VALUE_GLOBALS : VALUE_MAYBE;
  if (VALUE_CLASS(object) != VALUE_GLOBALS) return VALUE_UNKNOWN;
  for (size_t i = 0; i < sizeof library / sizeof *library; i++)
    if (is(c, library[i].name)) return VALUE_NUMBERED(VALUE_LIBRARY, i);
  return VALUE_UNKNOWN;
}

/* Does the same with a key of which `key` is known. */
static ti_flow_value computed(struct ti_flow_walk *w, ti_flow_value object, ti_flow_value key) {
  return VALUE_CLASS(key) == VALUE_STRING ? field(w, object, VALUE_NUMBER(key))
                                          : (ti_flow_value)VALUE_UNKNOWN;
}

/* ----------------------------------------------------------------- calls -- */

static ti_flow_value call_unknown(struct ti_flow_walk *w, unsigned first, unsigned end) {
  bool given = false;
  for (unsigned r = first; r < end; r++) given = given || VALUE_MAY_HOLD(get(w, r));
  if (!given) return VALUE_UNKNOWN;
  w->flow->loose = true;
  for (unsigned r = first; r < end; r++) /* they may be names: the callee may be rawget */
    if (VALUE_CLASS(get(w, r)) == VALUE_STRING)
      use(w, VALUE_UNKNOWN, VALUE_NUMBER(get(w, r)), false);
  return VALUE_UNKNOWN;
}

/* Follows a call of `callee` with the arguments in registers first .. end - 1. Returns what is
** known of its first result. */
static ti_flow_value call(struct ti_flow_walk *w, ti_flow_value callee, unsigned first,
                          unsigned end) {
  ti_flow_value one = end > first ? get(w, first) : (ti_flow_value)VALUE_UNKNOWN;
  ti_flow_value two = end > first + 1 ? get(w, first + 1) : (ti_flow_value)VALUE_UNKNOWN;
  if (VALUE_CLASS(callee) != VALUE_LIBRARY) return call_unknown(w, first, end);
  switch (library[VALUE_NUMBER(callee)].does) {
    case RAW_GET: return computed(w, one, two);
    case RAW_SET:
      (void)computed(w, one, two);
      if (end > first + 2) escape(w, get(w, first + 2));
      return one;
    case FIRST: escape_all(w, first + 1, end); return one;
    case REQUIRE:
      return VALUE_CLASS(one) == VALUE_STRING && is(&w->constants[VALUE_NUMBER(one)], "_G")
                 ? VALUE_GLOBALS
                 : VALUE_UNKNOWN;
    default: return VALUE_UNKNOWN;
  }
}

/* ----------------------------------------------------------------- jumps -- */

int64_t ti_bytecode_flow_step_target(uint32_t i, int64_t pc) {
  const unsigned op = BYTECODE_OPCODE(i);
  const int64_t bx = (int64_t)BYTECODE_BX(i);
  switch (op) {
    case OP_LFALSESKIP: return pc + 2;
    case OP_JMP: return pc + 1 + GET_SJ(i);
    case OP_FORLOOP:
    case OP_TFORLOOP: return pc + 1 - bx;
    case OP_FORPREP: return pc + 2 + bx;
    case OP_TFORPREP: return pc + 1 + bx;
    default: return op >= OP_EQ && op <= OP_TESTSET ? pc + 2 : -1;
  }
}

/* Joins `now` with the state of the target of instruction i. */
static void jump(struct ti_flow_walk *w, uint32_t i) {
  const int64_t pc = ti_bytecode_flow_step_target(i, (int64_t)w->pc);
  ti_flow_value *state;
  if (pc < 0 || (size_t)pc >= w->fn->proto.ncode || w->targets[pc] == 0) return;
  state = w->states + (size_t)(w->targets[pc] - 1) * w->nregs;
  for (unsigned r = 0; r < w->nregs; r++) {
    ti_flow_value v = ti_bytecode_flow_join(state[r], w->now[r]);
    if (v == state[r]) continue;
    state[r] = v;
    if ((size_t)pc <= w->pc) w->changed = true;
  }
}

/* ---------------------------------------------------- groups of opcodes -- */

/* Follows LOADK and LOADKX. The constant's number is in the latter's next instruction. */
static void step_constant(struct ti_flow_walk *w, uint32_t i) {
  const size_t n = w->fn->proto.ncode;
  size_t k = BYTECODE_BX(i);
  if (BYTECODE_OPCODE(i) == OP_LOADKX)
    k = w->pc + 1 < n ? GET_AX(ti_bytecode_flow_instruction(w, w->pc + 1)) : SIZE_MAX;
  if (k >= w->fn->proto.nconsts)
    w->flow->failed = true;
  else
    set(w, BYTECODE_A(i),
        w->constants[k].s != NULL ? VALUE_NUMBERED(VALUE_STRING, k) : (ti_flow_value)VALUE_UNKNOWN);
}

/* Follows what only puts values into registers. */
static void step_load(struct ti_flow_walk *w, uint32_t i) {
  const unsigned a = BYTECODE_A(i), b = BYTECODE_B(i);
  switch (BYTECODE_OPCODE(i)) {
    case OP_MOVE: set(w, a, get(w, b)); break;
    case OP_LOADNIL:
      for (unsigned r = a; r <= a + b && r < FLOW_REGISTERS; r++) set(w, r, VALUE_UNKNOWN);
      break;
    case OP_GETUPVAL: set(w, a, ti_bytecode_flow_upvalue(w, b)); break;
    case OP_NEWTABLE: set(w, a, VALUE_OWN); break;
    case OP_VARARG:
      forget(w, a);
      w->open = a;
      break;
    default: set(w, a, VALUE_UNKNOWN);
  }
}

/* Follows what reads a field of a table. */
static void step_index(struct ti_flow_walk *w, uint32_t i) {
  const unsigned a = BYTECODE_A(i), b = BYTECODE_B(i), c = BYTECODE_C(i);
  const ti_flow_value object = get(w, b);
  switch (BYTECODE_OPCODE(i)) {
    case OP_GETTABUP: set(w, a, field(w, ti_bytecode_flow_upvalue(w, b), c)); break;
    case OP_GETTABLE: set(w, a, computed(w, object, get(w, c))); break;
    case OP_GETFIELD: set(w, a, field(w, object, c)); break;
    default: /* SELF */
      set(w, a, GET_K(i) ? field(w, object, c) : computed(w, object, get(w, c)));
      set(w, a + 1, object);
  }
}

/* Follows what stores RK(C), which is a register if k is not set, in a table. */
static void step_store(struct ti_flow_walk *w, uint32_t i) {
  const unsigned a = BYTECODE_A(i), b = BYTECODE_B(i);
  switch (BYTECODE_OPCODE(i)) {
    case OP_SETTABUP: use(w, ti_bytecode_flow_upvalue(w, a), b, true); break;
    case OP_SETFIELD: use(w, get(w, a), b, true); break;
    case OP_SETTABLE:
      if (VALUE_CLASS(get(w, b)) == VALUE_STRING) use(w, get(w, a), VALUE_NUMBER(get(w, b)), true);
      break;
    default: break; /* SETI */
  }
  if (GET_K(i) == 0) escape(w, get(w, BYTECODE_C(i)));
}

/* Follows CALL and TAILCALL. */
static void step_call(struct ti_flow_walk *w, uint32_t i) {
  const unsigned a = BYTECODE_A(i), b = BYTECODE_B(i), c = BYTECODE_C(i);
  ti_flow_value result = call(w, get(w, a), a + 1, end_of_list(w, a + 1, b == 0, b - 1));
  forget(w, a);
  if (c != 1) set(w, a, result);
  w->open = a;
}

/* Follows the beginnings and ends of loops. Returns what ti_bytecode_flow_step_apply does. */
static bool step_loop(struct ti_flow_walk *w, uint32_t i) {
  const unsigned a = BYTECODE_A(i);
  switch (BYTECODE_OPCODE(i)) {
    case OP_TFORPREP: jump(w, i); return false;
    case OP_TFORCALL:
      (void)call(w, get(w, a), a + 1, end_of_list(w, a + 1, false, 2));
      forget(w, a + 4);
      return true;
    case OP_TFORLOOP:
      set(w, a + 2, VALUE_UNKNOWN);
      jump(w, i);
      return true;
    default: /* FORLOOP, FORPREP */
      forget(w, a);
      jump(w, i);
      return true;
  }
}

bool ti_bytecode_flow_step_apply(struct ti_flow_walk *w, uint32_t i) {
  const unsigned op = BYTECODE_OPCODE(i), a = BYTECODE_A(i), b = BYTECODE_B(i);
  switch (op) {
    case OP_LOADK:
    case OP_LOADKX: step_constant(w, i); return true;
    case OP_GETTABUP:
    case OP_GETTABLE:
    case OP_GETFIELD:
    case OP_SELF: step_index(w, i); return true;
    case OP_SETTABUP:
    case OP_SETTABLE:
    case OP_SETI:
    case OP_SETFIELD: step_store(w, i); return true;
    case OP_SETUPVAL: escape(w, get(w, a)); return true;
    case OP_SETLIST: escape_all(w, a + 1, end_of_list(w, a + 1, b == 0, b)); return true;
    case OP_CLOSURE:
      ti_bytecode_flow_closure_make(w, BYTECODE_BX(i));
      set(w, a, VALUE_UNKNOWN);
      return true;
    case OP_CALL:
    case OP_TAILCALL: step_call(w, i); return true;
    case OP_RETURN: escape_all(w, a, end_of_list(w, a, b == 0, b - 1)); return false;
    case OP_RETURN0: return false;
    case OP_RETURN1: escape(w, get(w, a)); return false;
    case OP_FORLOOP:
    case OP_FORPREP:
    case OP_TFORPREP:
    case OP_TFORCALL:
    case OP_TFORLOOP: return step_loop(w, i);
    case OP_JMP: jump(w, i); return false;
    case OP_LFALSESKIP:
      set(w, a, VALUE_UNKNOWN);
      jump(w, i);
      return false;
    case OP_TESTSET:
      jump(w, i);
      set(w, a, get(w, b));
      return true;
    case OP_CLOSE:
    case OP_TBC:
    case OP_VARARGPREP:
    case OP_EXTRAARG: return true;
    default:
      if (op >= OP_EQ && op <= OP_TEST) /* continues with the next one, or the one after that */
        jump(w, i);
      else if (op < OP_MMBIN || op > OP_MMBINK)
        step_load(w, i);
      return true;
  }
}
