/*
** codec/bytecode_flow: which constants a function uses as names of globals.
**
** Runs through the code in order, with what is known of each register. At the target of a jump it
** joins what is known on both ways. If something new became known at a target that was passed, it
** runs again, until nothing changes.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/bytecode_flow.h"

enum { REGISTERS = 256 };

/* The opcodes of Lua 5.4 that do more than to put something unknown into register A. */
enum {
  OP_MOVE = 0,
  OP_LOADI = 1,
  OP_LOADK = 3,
  OP_LOADKX = 4,
  OP_LFALSESKIP = 6,
  OP_LOADNIL = 8,
  OP_GETUPVAL = 9,
  OP_SETUPVAL = 10,
  OP_GETTABUP = 11,
  OP_GETTABLE = 12,
  OP_GETI = 13,
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
#define GET_BX(i) ((i) >> 15)
#define GET_AX(i) ((i) >> 7)
#define GET_SJ(i) ((int64_t)((i) >> 7) - 16777215)

/* What is known of a register: a class in the low bits, and for some classes a number above. */
typedef uint32_t known;
enum {
  NOTHING, /* this point has not been reached */
  UNKNOWN,
  OWN,     /* a table that this function made; another may have given it a metatable */
  STRING,  /* the constant with that number */
  LIBRARY, /* the function of Lua's library with that number in `library` */
  GLOBALS, /* the table of globals */
  MAYBE    /* it, or something else */
};
enum { CLASS_BITS = 3, CLASS_MASK = 7 };

static unsigned class_of(known v) { return v & CLASS_MASK; }
static known numbered(unsigned class, size_t n) { return (known)(class | n << CLASS_BITS); }
static bool may_hold(known v) { return class_of(v) == GLOBALS || class_of(v) == MAYBE; }

static known join(known a, known b) {
  if (a == NOTHING || a == b) return b;
  if (b == NOTHING) return a;
  return may_hold(a) || may_hold(b) ? MAYBE : UNKNOWN;
}

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

/* One function while it is followed. */
struct follower {
  struct ti_flow *flow;
  struct ti_flow_function *fn;
  const struct ti_flow_constant *constants;
  unsigned char *uses;
  size_t pc;
  unsigned nregs;
  bool recording;              /* the last run, in which nothing changes: names are recorded */
  bool reached;                /* the instruction at pc can be reached */
  bool changed;                /* something new is known at a target that was passed */
  known now[REGISTERS];        /* before the instruction at pc */
  unsigned open;               /* the first of an open list of values, which ends at the top */
  uint32_t *targets;           /* by pc: number of its state in `states`, from 1; 0: no target */
  known *states;               /* nregs for each target */
  uint32_t capture[REGISTERS]; /* pc of the first closure that takes the register; or UINT32_MAX */
  struct ti_bytecode_set late; /* registers into which the table came after that */
  size_t child, ordinal;       /* the inner function found last, and its number */
};

static uint32_t instruction(const struct follower *w, size_t pc) {
  uint32_t i;
  memcpy(&i, w->fn->proto.code.p + pc * sizeof i, sizeof i);
  return i;
}

static known get(const struct follower *w, unsigned r) { return w->now[r % REGISTERS]; }

static void set(struct follower *w, unsigned r, known v) {
  r %= REGISTERS;
  w->now[r] = v;
  if (may_hold(v) && w->pc > w->capture[r]) ti_bytecode_add(&w->late, r);
}

/* Sets all registers from r on to UNKNOWN. */
static void forget(struct follower *w, unsigned r) {
  for (; r < w->nregs; r++) w->now[r] = UNKNOWN;
}

/* Joins `now` with what is known at the target pc. */
static void flow_to(struct follower *w, int64_t pc) {
  known *state;
  if (pc < 0 || (size_t)pc >= w->fn->proto.ncode || w->targets[pc] == 0) return;
  state = w->states + (size_t)(w->targets[pc] - 1) * w->nregs;
  for (unsigned r = 0; r < w->nregs; r++) {
    known v = join(state[r], w->now[r]);
    if (v == state[r]) continue;
    state[r] = v;
    if ((size_t)pc <= w->pc) w->changed = true;
  }
}

/* Records that a value is passed where it cannot be followed. */
static void escape(struct follower *w, known v) {
  if (may_hold(v)) w->flow->loose = true;
}

/* Records that constant k is a key in an object of which `object` is known. `stored`: for storing a
** value there. */
static void use(struct follower *w, known object, size_t k, bool stored) {
  const unsigned class = class_of(object);
  if (k >= w->fn->proto.nconsts || w->constants[k].s == NULL) {
    w->flow->failed = true;
  } else if (w->recording) {
    if (class == GLOBALS) w->uses[k] |= FLOW_SURE;
    if (class == MAYBE || class == UNKNOWN || (class == OWN && !stored)) w->uses[k] |= FLOW_MAYBE;
    if (class == MAYBE) w->flow->loose = true;
  }
}

static bool is(const struct ti_flow_constant *c, const char *word) {
  return strlen(word) == c->len && memcmp(c->s, word, c->len) == 0;
}

/* Uses constant k as a key. Returns what is known of the value there. */
static known field(struct follower *w, known object, size_t k) {
  const struct ti_flow_constant *c;
  use(w, object, k, false);
  if (w->flow->failed) return UNKNOWN;
  c = &w->constants[k];
  if (is(c, "_G")) return class_of(object) == GLOBALS ? GLOBALS : MAYBE;
  if (class_of(object) != GLOBALS) return UNKNOWN;
  for (size_t i = 0; i < sizeof library / sizeof *library; i++)
    if (is(c, library[i].name)) return numbered(LIBRARY, i);
  return UNKNOWN;
}

/* Does the same with a key of which `key` is known. */
static known computed(struct follower *w, known object, known key) {
  return class_of(key) == STRING ? field(w, object, key >> CLASS_BITS) : (known)UNKNOWN;
}

static known upvalue(const struct follower *w, unsigned i) {
  if (ti_bytecode_has(&w->fn->holds, i)) return GLOBALS;
  return ti_bytecode_has(&w->fn->may, i) ? MAYBE : UNKNOWN;
}

/* Returns the end of a list of registers that begins at r: of n registers, or up to the top. Of a
** list that a call or `...` put there, only the first value is known. */
static unsigned end_of_list(const struct follower *w, unsigned r, bool to_top, unsigned n) {
  unsigned end = to_top ? w->open + 1 : r + n;
  return end < REGISTERS ? end : REGISTERS;
}

static known call_unknown(struct follower *w, unsigned first, unsigned end) {
  bool given = false;
  for (unsigned r = first; r < end; r++) given = given || may_hold(get(w, r));
  if (!given) return UNKNOWN;
  w->flow->loose = true;
  for (unsigned r = first; r < end; r++) /* they may be names: the callee may be rawget */
    if (class_of(get(w, r)) == STRING) use(w, UNKNOWN, get(w, r) >> CLASS_BITS, false);
  return UNKNOWN;
}

/* Follows a call of `callee` with the arguments in registers first .. end - 1. Returns what is
** known of its first result. */
static known call(struct follower *w, known callee, unsigned first, unsigned end) {
  known one = end > first ? get(w, first) : (known)UNKNOWN;
  known two = end > first + 1 ? get(w, first + 1) : (known)UNKNOWN;
  if (class_of(callee) != LIBRARY) return call_unknown(w, first, end);
  switch (library[callee >> CLASS_BITS].does) {
    case RAW_GET: return computed(w, one, two);
    case RAW_SET:
      (void)computed(w, one, two);
      if (end > first + 2) escape(w, get(w, first + 2));
      return one;
    case FIRST:
      for (unsigned r = first + 1; r < end; r++) escape(w, get(w, r));
      return one;
    case REQUIRE:
      return class_of(one) == STRING && is(&w->constants[one >> CLASS_BITS], "_G") ? GLOBALS
                                                                                   : UNKNOWN;
    default: return UNKNOWN;
  }
}

/* Follows CALL and TAILCALL. */
static void step_call(struct follower *w, uint32_t i) {
  const unsigned a = BYTECODE_A(i), b = BYTECODE_B(i), c = BYTECODE_C(i);
  known result = call(w, get(w, a), a + 1, end_of_list(w, a + 1, b == 0, b - 1));
  forget(w, a);
  if (c != 1) set(w, a, result);
  w->open = a;
}

/* Returns inner function number n, or NULL. */
static struct ti_flow_function *within(struct follower *w, size_t n) {
  if (n >= w->fn->proto.nprotos) return NULL;
  if (n < w->ordinal) w->ordinal = 0;
  if (w->ordinal == 0) w->child = w->fn->child;
  for (; w->ordinal < n; w->ordinal++) w->child = w->flow->all[w->child].next;
  return &w->flow->all[w->child];
}

static void step_closure(struct follower *w, uint32_t i) {
  struct ti_flow_function *inner = within(w, GET_BX(i));
  struct ti_cursor c;
  if (inner == NULL) {
    w->flow->failed = true;
    return;
  }
  if (!w->recording) return;
  c = inner->proto.upvals;
  for (unsigned u = 0; u < inner->proto.nupvals; u++) {
    const bool instack = ti_buffer_get_u8(&c) != 0;
    const unsigned index = ti_buffer_get_u8(&c);
    known v = instack ? get(w, index) : upvalue(w, index);
    (void)ti_buffer_get_u8(&c); /* kind */
    if (instack && !may_hold(v) && ti_bytecode_has(&w->late, index)) v = MAYBE;
    if (inner->seen && (class_of(v) == GLOBALS) != ti_bytecode_has(&inner->holds, u)) v = MAYBE;
    if (class_of(v) == GLOBALS) ti_bytecode_add(&inner->holds, u);
    if (class_of(v) == MAYBE) ti_bytecode_add(&inner->may, u);
  }
  for (int j = 0; j < 4; j++) inner->holds.words[j] &= ~inner->may.words[j];
  inner->seen = true;
}

/* Follows a store of RK(C) into a table: that is a register if k is not set. */
static void step_store(struct follower *w, uint32_t i) {
  if (GET_K(i) == 0) escape(w, get(w, BYTECODE_C(i)));
}

/* Records that the registers first .. end - 1 are passed on. */
static void step_results(struct follower *w, unsigned first, unsigned end) {
  for (unsigned r = first; r < end; r++) escape(w, get(w, r));
}

/* Follows instruction i. Returns whether the next instruction can be reached from it. */
static bool step(struct follower *w, uint32_t i) {
  const unsigned op = BYTECODE_OPCODE(i), a = BYTECODE_A(i), b = BYTECODE_B(i), c = BYTECODE_C(i);
  const int64_t after = (int64_t)w->pc + 1, bx = (int64_t)GET_BX(i);
  known object;
  switch (op) {
    case OP_MOVE: set(w, a, get(w, b)); break;
    case OP_LOADK:
    case OP_LOADKX: {
      size_t k = GET_BX(i);
      if (op == OP_LOADKX)
        k = w->pc + 1 < w->fn->proto.ncode ? GET_AX(instruction(w, w->pc + 1)) : SIZE_MAX;
      if (k >= w->fn->proto.nconsts)
        w->flow->failed = true;
      else
        set(w, a, w->constants[k].s != NULL ? numbered(STRING, k) : (known)UNKNOWN);
      break;
    }
    case OP_LFALSESKIP:
      set(w, a, UNKNOWN);
      flow_to(w, after + 1);
      return false;
    case OP_LOADNIL:
      for (unsigned r = a; r <= a + b && r < REGISTERS; r++) set(w, r, UNKNOWN);
      break;
    case OP_GETUPVAL: set(w, a, upvalue(w, b)); break;
    case OP_SETUPVAL: escape(w, get(w, a)); break;
    case OP_GETTABUP: set(w, a, field(w, upvalue(w, b), c)); break;
    case OP_GETTABLE: set(w, a, computed(w, get(w, b), get(w, c))); break;
    case OP_GETFIELD: set(w, a, field(w, get(w, b), c)); break;
    case OP_SETTABUP:
      use(w, upvalue(w, a), b, true);
      step_store(w, i);
      break;
    case OP_SETTABLE:
      if (class_of(get(w, b)) == STRING) use(w, get(w, a), get(w, b) >> CLASS_BITS, true);
      step_store(w, i);
      break;
    case OP_SETI: step_store(w, i); break;
    case OP_NEWTABLE: set(w, a, OWN); break;
    case OP_SETFIELD:
      use(w, get(w, a), b, true);
      step_store(w, i);
      break;
    case OP_SELF:
      object = get(w, b);
      set(w, a, GET_K(i) ? field(w, object, c) : computed(w, object, get(w, c)));
      set(w, a + 1, object);
      break;
    case OP_CLOSE:
    case OP_TBC:
    case OP_VARARGPREP:
    case OP_EXTRAARG: break;
    case OP_JMP: flow_to(w, after + GET_SJ(i)); return false;
    case OP_TESTSET:
      flow_to(w, after + 1);
      set(w, a, get(w, b));
      break;
    case OP_CALL:
    case OP_TAILCALL: step_call(w, i); break;
    case OP_RETURN: step_results(w, a, end_of_list(w, a, b == 0, b - 1)); return false;
    case OP_RETURN0: return false;
    case OP_RETURN1: escape(w, get(w, a)); return false;
    case OP_FORLOOP:
      forget(w, a);
      flow_to(w, after - bx);
      break;
    case OP_FORPREP:
      forget(w, a);
      flow_to(w, after + bx + 1);
      break;
    case OP_TFORPREP: flow_to(w, after + bx); return false;
    case OP_TFORCALL:
      (void)call(w, get(w, a), a + 1, end_of_list(w, a + 1, false, 2));
      forget(w, a + 4);
      break;
    case OP_TFORLOOP:
      set(w, a + 2, UNKNOWN);
      flow_to(w, after - bx);
      break;
    case OP_SETLIST: step_results(w, a + 1, end_of_list(w, a + 1, b == 0, b)); break;
    case OP_CLOSURE:
      step_closure(w, i);
      set(w, a, UNKNOWN);
      break;
    case OP_VARARG:
      forget(w, a);
      w->open = a;
      break;
    default:
      if (op >= OP_EQ && op <= OP_TEST) /* continues with the next one, or the one after that */
        flow_to(w, after + 1);
      else if (op < OP_MMBIN || op > OP_MMBINK)
        set(w, a, UNKNOWN);
  }
  return true;
}

/* Runs once through the code. */
static void run(struct follower *w) {
  const size_t n = w->fn->proto.ncode;
  w->reached = true;
  w->changed = false;
  w->open = w->nregs;
  forget(w, 0);
  for (w->pc = 0; w->pc < n && !w->flow->failed; w->pc++) {
    if (w->targets[w->pc] != 0) {
      known *state = w->states + (size_t)(w->targets[w->pc] - 1) * w->nregs;
      if (w->reached)
        for (unsigned r = 0; r < w->nregs; r++) state[r] = join(state[r], w->now[r]);
      if (w->nregs > 0) w->reached = state[0] != NOTHING;
      memcpy(w->now, state, w->nregs * sizeof *state);
    }
    if (w->reached) w->reached = step(w, instruction(w, w->pc));
  }
}

/* Returns where the instruction at pc may jump to; -1: it only continues with the next one. */
static int64_t target_of(uint32_t i, int64_t pc) {
  const unsigned op = BYTECODE_OPCODE(i);
  const int64_t bx = (int64_t)GET_BX(i);
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

/* Numbers the targets of jumps, and returns their number. Sets *backward if one lies before its
** jump. Fills `capture`. */
static size_t find_targets(struct follower *w, bool *backward) {
  const size_t n = w->fn->proto.ncode;
  size_t count = 0;
  *backward = false;
  for (size_t pc = 0; pc < n; pc++) {
    const uint32_t i = instruction(w, pc);
    const int64_t to = target_of(i, (int64_t)pc);
    if (to >= 0 && (size_t)to < n) {
      if (w->targets[to] == 0) w->targets[to] = (uint32_t)++count;
      if ((size_t)to <= pc) *backward = true;
    }
    if (BYTECODE_OPCODE(i) == OP_CLOSURE) {
      const struct ti_flow_function *inner = within(w, GET_BX(i));
      struct ti_cursor c;
      if (inner == NULL) continue;
      c = inner->proto.upvals;
      for (size_t u = 0; u < inner->proto.nupvals; u++) {
        const bool instack = ti_buffer_get_u8(&c) != 0;
        const unsigned index = ti_buffer_get_u8(&c);
        (void)ti_buffer_get_u8(&c);
        if (instack && w->capture[index] > pc) w->capture[index] = (uint32_t)pc;
      }
    }
  }
  return count;
}

/* Functions with at most this many instructions need no block of memory. */
enum { FEW = 64, FEW_STATES = 8 * FEW };

void ti_bytecode_flow_follow(struct ti_flow *f, size_t i, const struct ti_flow_constant *constants,
                             unsigned char *uses) {
  struct follower w;
  uint32_t few_targets[FEW];
  known few_states[FEW_STATES];
  const size_t n = f->all[i].proto.ncode;
  size_t size, count;
  bool backward;
  w.flow = f;
  w.fn = &f->all[i];
  w.constants = constants;
  w.uses = uses;
  w.nregs = w.fn->proto.nregs > 0 ? w.fn->proto.nregs : 1;
  w.child = w.ordinal = 0;
  memset(&w.late, 0, sizeof w.late);
  memset(w.capture, 0xff, sizeof w.capture);
  for (unsigned r = 0; r < REGISTERS; r++) w.now[r] = UNKNOWN;
  w.targets = few_targets;
  if (n > FEW)
    w.targets = (uint32_t *)ti_alloc_zero(f->mem, n * sizeof *w.targets);
  else
    memset(few_targets, 0, n * sizeof *w.targets);
  if (w.targets == NULL) {
    f->failed = f->nomemory = true;
    return;
  }
  count = find_targets(&w, &backward);
  size = count * w.nregs; /* both are bounded by the size of the dump and 255 */
  w.states = few_states;
  if (size > FEW_STATES)
    w.states = (known *)ti_alloc_zero(f->mem, size * sizeof *w.states);
  else
    memset(few_states, 0, size * sizeof *w.states);
  if (w.states == NULL) {
    f->failed = f->nomemory = true;
  } else {
    /* A register that a closure takes may get the table later. That must be known before names are
    ** recorded, so the first runs only collect it. */
    w.recording = !backward && w.fn->proto.nprotos == 0;
    do run(&w);
    while (w.changed && !f->failed);
    if (!w.recording && !f->failed) {
      w.recording = true;
      run(&w);
    }
    if (size > FEW_STATES) ti_alloc_free(f->mem, w.states, size * sizeof *w.states);
  }
  if (n > FEW) ti_alloc_free(f->mem, w.targets, n * sizeof *w.targets);
}
