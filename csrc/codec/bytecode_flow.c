/*
** codec/bytecode_flow: which constants a function uses as names of globals.
**
** Runs through the code in order, with what is known of each register. At the target of a jump it
** joins what is known on both ways. If the state of a target changed after it was passed, it runs
** again, until nothing changes. bytecode_flow_step.c has the effects of the instructions.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/bytecode_flow.h"

#include "codec/bytecode_flow_impl.h"

/* Functions with at most this many instructions need no block of memory. */
enum { FEW = 64, FEW_STATES = 8 * FEW };

/* Runs once through the code. */
static void run(struct ti_flow_walk *w) {
  const size_t n = w->fn->proto.ncode;
  w->reached = true;
  w->changed = false;
  w->open = w->nregs;
  for (unsigned r = 0; r < w->nregs; r++) w->now[r] = VALUE_UNKNOWN;
  for (w->pc = 0; w->pc < n && !w->flow->failed; w->pc++) {
    if (w->targets[w->pc] != 0) {
      ti_flow_value *state = w->states + (size_t)(w->targets[w->pc] - 1) * w->nregs;
      if (w->reached)
        for (unsigned r = 0; r < w->nregs; r++)
          state[r] = ti_bytecode_flow_join(state[r], w->now[r]);
      if (w->nregs > 0) w->reached = state[0] != VALUE_UNREACHED;
      memcpy(w->now, state, w->nregs * sizeof *state);
    }
    if (w->reached)
      w->reached = ti_bytecode_flow_step_apply(w, ti_bytecode_flow_instruction(w, w->pc));
  }
}

/* Runs until no state changes, and then records. */
static void run_all(struct ti_flow_walk *w, bool backward) {
  /* A register that a closure takes may get the table later. That must be known before uses are
  ** recorded, so the first runs only collect it. */
  w->recording = !backward && w->fn->proto.nprotos == 0;
  do run(w);
  while (w->changed && !w->flow->failed);
  if (w->recording || w->flow->failed) return;
  w->recording = true;
  run(w);
}

/* Numbers the targets of jumps, and returns their number. Sets *backward if one lies before its
** jump. Fills `capture`. */
static size_t find_targets(struct ti_flow_walk *w, bool *backward) {
  const size_t n = w->fn->proto.ncode;
  size_t count = 0;
  *backward = false;
  for (w->pc = 0; w->pc < n; w->pc++) {
    const uint32_t i = ti_bytecode_flow_instruction(w, w->pc);
    const int64_t to = ti_bytecode_flow_step_target(i, (int64_t)w->pc);
    if (to >= 0 && (size_t)to < n) {
      if (w->targets[to] == 0) w->targets[to] = (uint32_t)++count;
      if ((size_t)to <= w->pc) *backward = true;
    }
    if (BYTECODE_OPCODE(i) == BYTECODE_CLOSURE) ti_bytecode_flow_closure_capture(w, BYTECODE_BX(i));
  }
  return count;
}

static void init(struct ti_flow_walk *w, struct ti_flow *f, size_t i,
                 const struct ti_flow_constant *constants, unsigned char *uses) {
  w->flow = f;
  w->fn = &f->all[i];
  w->constants = constants;
  w->uses = uses;
  w->nregs = w->fn->proto.nregs > 0 ? w->fn->proto.nregs : 1;
  w->child = w->ordinal = 0;
  memset(&w->late, 0, sizeof w->late);
  memset(w->capture, 0xff, sizeof w->capture);
  for (unsigned r = 0; r < FLOW_REGISTERS; r++) w->now[r] = VALUE_UNKNOWN;
}

/* Returns n numbers, all 0: the array `few`, which has `nfew`, or a block if that is too small.
** Returns NULL when memory runs out. */
static uint32_t *take(struct ti_flow *f, uint32_t *few, size_t nfew, size_t n) {
  uint32_t *p = few;
  if (n > nfew)
    p = (uint32_t *)ti_alloc_zero(f->mem, n * sizeof *p);
  else
    memset(few, 0, n * sizeof *few);
  if (p == NULL) f->failed = f->nomemory = true;
  return p;
}

static void give_back(struct ti_flow *f, const uint32_t *few, uint32_t *p, size_t n) {
  if (p != few) ti_alloc_free(f->mem, p, n * sizeof *p);
}

void ti_bytecode_flow_follow(struct ti_flow *f, size_t i, const struct ti_flow_constant *constants,
                             unsigned char *uses) {
  struct ti_flow_walk w;
  uint32_t few_targets[FEW];
  ti_flow_value few_states[FEW_STATES];
  const size_t n = f->all[i].proto.ncode;
  size_t nstates;
  bool backward;
  init(&w, f, i, constants, uses);
  w.targets = take(f, few_targets, FEW, n);
  if (w.targets == NULL) return;
  nstates = find_targets(&w, &backward) * w.nregs; /* bounded by the dump's size times 255 */
  w.states = take(f, few_states, FEW_STATES, nstates);
  if (w.states != NULL) {
    run_all(&w, backward);
    give_back(f, few_states, w.states, nstates);
  }
  give_back(f, few_targets, w.targets, n);
}
