/*
** codec/bytecode_flow_closure: which upvalues of inner functions hold the table of globals.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/bytecode_flow_impl.h"

/* Returns inner function number n, or NULL. */
static struct ti_flow_function *inner_function(struct ti_flow_walk *w, size_t n) {
  if (n >= w->fn->proto.nprotos) return NULL;
  if (n < w->ordinal) w->ordinal = 0;
  if (w->ordinal == 0) w->child = w->fn->child;
  for (; w->ordinal < n; w->ordinal++) w->child = w->flow->all[w->child].next;
  return &w->flow->all[w->child];
}

/* Reads where a closure takes its next upvalue from. Returns true for register *index, false for
** upvalue *index of the enclosing function. */
static bool read_upvalue(struct ti_cursor *c, unsigned *index) {
  const bool in_register = ti_buffer_get_u8(c) != 0;
  *index = ti_buffer_get_u8(c);
  (void)ti_buffer_get_u8(c); /* kind */
  return in_register;
}

void ti_bytecode_flow_closure_capture(struct ti_flow_walk *w, size_t n) {
  const struct ti_flow_function *inner = inner_function(w, n);
  struct ti_cursor c;
  if (inner == NULL) return; /* ti_bytecode_flow_closure_make refuses it */
  c = inner->proto.upvals;
  for (size_t u = 0; u < inner->proto.nupvals; u++) {
    unsigned r;
    if (read_upvalue(&c, &r) && w->capture[r] > w->pc) w->capture[r] = (uint32_t)w->pc;
  }
}

/* Returns what is known of the upvalue that c reads next. */
static ti_flow_value captured(const struct ti_flow_walk *w, struct ti_cursor *c) {
  unsigned index;
  if (!read_upvalue(c, &index)) return ti_bytecode_flow_upvalue(w, index);
  if (VALUE_MAY_HOLD(w->now[index])) return w->now[index];
  return ti_bytecode_has(&w->late, index) ? (ti_flow_value)VALUE_MAYBE : w->now[index];
}

void ti_bytecode_flow_closure_make(struct ti_flow_walk *w, size_t n) {
  struct ti_flow_function *inner = inner_function(w, n);
  struct ti_cursor c;
  if (inner == NULL) w->flow->failed = true;
  if (inner == NULL || !w->recording) return;
  c = inner->proto.upvals;
  for (unsigned u = 0; u < inner->proto.nupvals; u++) {
    ti_flow_value v = captured(w, &c);
    if (inner->closed && (v == VALUE_GLOBALS) != ti_bytecode_has(&inner->holds, u)) v = VALUE_MAYBE;
    if (v == VALUE_GLOBALS) ti_bytecode_add(&inner->holds, u);
    if (v == VALUE_MAYBE) ti_bytecode_add(&inner->may, u);
  }
  for (int j = 0; j < 4; j++) inner->holds.words[j] &= ~inner->may.words[j];
  inner->closed = true;
}
