/*
** codec/bytecode: the layout of a dump: reading it, wrapping it.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/bytecode.h"

#include <limits.h>
#include <lua.h>

/* What the header of every dump says. */
#define VERSION 0x54
#define FORMAT 0
#define CHECK_BYTES "\x19\x93\r\n\x1a\n"
#define CHECK_INTEGER 0x5678
#define CHECK_NUMBER 370.5

#define MAX_UPVALS 255
#define UPVAL_SIZE 3 /* instack, index, kind */

/* Constants: the type in the low half, its variant in the high half. */
enum {
  CONST_NIL = 0x00,
  CONST_FALSE = 0x01,
  CONST_TRUE = 0x11,
  CONST_INTEGER = 0x03,
  CONST_FLOAT = 0x13,
  CONST_SHORT_STRING = 0x04,
  CONST_LONG_STRING = 0x14
};

static void refuse(struct ti_cursor *c) { c->failed = true; }

/* ------------------------------------------------------------- reading -- */

static size_t get_unsigned(struct ti_cursor *c, size_t max) {
  size_t v = 0;
  for (;;) {
    unsigned byte = ti_buffer_get_u8(c);
    if (c->failed || v > (max - (byte & 0x7f)) >> 7) break;
    v = v << 7 | (byte & 0x7f);
    if (byte & 0x80) return v;
  }
  refuse(c);
  return 0;
}

/* Reads a count of things that take at least `size` bytes each. */
static size_t get_count(struct ti_cursor *c, size_t size) {
  size_t n = get_unsigned(c, INT_MAX);
  if (n > ti_buffer_left(c) / size) refuse(c);
  return c->failed ? 0 : n;
}

static void skip_int(struct ti_cursor *c) { (void)get_unsigned(c, INT_MAX); }

/* Reads a string. Returns NULL, and sets *len to 0, if there is none. */
static const unsigned char *get_string(struct ti_cursor *c, size_t *len) {
  size_t size = get_unsigned(c, SIZE_MAX); /* length + 1, 0 for none */
  const unsigned char *p = size > 0 ? ti_buffer_get(c, size - 1) : NULL;
  *len = p != NULL ? size - 1 : 0;
  return p;
}

static void skip_string(struct ti_cursor *c) {
  size_t len;
  (void)get_string(c, &len);
}

static void expect(struct ti_cursor *c, const void *bytes, size_t n) {
  const unsigned char *p = ti_buffer_get(c, n);
  if (p != NULL && memcmp(p, bytes, n) != 0) refuse(c);
}

static void expect_u8(struct ti_cursor *c, unsigned byte) {
  if (ti_buffer_get_u8(c) != byte) refuse(c);
}

size_t ti_bytecode_begin(struct ti_cursor *c, const void *data, size_t len) {
  const lua_Integer integer = CHECK_INTEGER;
  const lua_Number number = (lua_Number)CHECK_NUMBER;
  ti_buffer_cursor_init(c, data, len);
  expect(c, LUA_SIGNATURE, sizeof LUA_SIGNATURE - 1);
  expect_u8(c, VERSION);
  expect_u8(c, FORMAT);
  expect(c, CHECK_BYTES, sizeof CHECK_BYTES - 1);
  expect_u8(c, sizeof(uint32_t)); /* an instruction */
  expect_u8(c, sizeof integer);
  expect_u8(c, sizeof number);
  expect(c, &integer, sizeof integer);
  expect(c, &number, sizeof number);
  return ti_buffer_get_u8(c);
}

const unsigned char *ti_bytecode_constant(struct ti_cursor *c, size_t *len) {
  const unsigned char *s;
  *len = 0;
  switch (ti_buffer_get_u8(c)) {
    case CONST_NIL:
    case CONST_FALSE:
    case CONST_TRUE: return NULL;
    case CONST_INTEGER: (void)ti_buffer_get(c, sizeof(lua_Integer)); return NULL;
    case CONST_FLOAT: (void)ti_buffer_get(c, sizeof(lua_Number)); return NULL;
    case CONST_SHORT_STRING:
    case CONST_LONG_STRING:
      s = get_string(c, len);
      if (s == NULL) refuse(c);
      return s;
    default: refuse(c); return NULL;
  }
}

/* Skips the next n bytes, and sets *part to read them. */
static void get_part(struct ti_cursor *c, struct ti_cursor *part, size_t n) {
  const unsigned char *p = ti_buffer_get(c, n);
  ti_buffer_cursor_init(part, p, p != NULL ? n : 0);
}

void ti_bytecode_head(struct ti_cursor *c, struct ti_bytecode_proto *f) {
  size_t i, len;
  skip_string(c);            /* source; none if it is the parent's */
  skip_int(c);               /* first line */
  skip_int(c);               /* last line */
  (void)ti_buffer_get(c, 2); /* parameters, vararg */
  f->nregs = ti_buffer_get_u8(c);
  f->ncode = get_count(c, sizeof(uint32_t));
  get_part(c, &f->code, f->ncode * sizeof(uint32_t));
  f->nconsts = get_count(c, 1);
  f->consts = *c;
  for (i = 0; i < f->nconsts && !c->failed; i++) (void)ti_bytecode_constant(c, &len);
  f->nupvals = get_count(c, UPVAL_SIZE);
  if (f->nupvals > MAX_UPVALS) refuse(c);
  get_part(c, &f->upvals, f->nupvals * UPVAL_SIZE);
  f->nprotos = get_count(c, 1);
}

void ti_bytecode_tail(struct ti_cursor *c, const struct ti_bytecode_proto *f) {
  size_t i, n;
  (void)ti_buffer_get(c, get_count(c, 1)); /* line of each instruction, as a difference */
  n = get_count(c, 2);                     /* lines given in full */
  for (i = 0; i < n && !c->failed; i++) {
    skip_int(c); /* instruction */
    skip_int(c); /* line */
  }
  n = get_count(c, 3); /* locals */
  for (i = 0; i < n && !c->failed; i++) {
    skip_string(c);
    skip_int(c); /* from instruction */
    skip_int(c); /* to instruction */
  }
  n = get_count(c, 1); /* names of upvalues: all or none */
  if (n != 0 && n != f->nupvals) refuse(c);
  for (i = 0; i < n && !c->failed; i++) skip_string(c);
}

static void skip_nested(struct ti_cursor *c, const struct ti_bytecode_proto *f, int depth) {
  size_t i;
  if (f->nprotos > 0 && depth == BYTECODE_MAXDEPTH) refuse(c);
  for (i = 0; i < f->nprotos && !c->failed; i++) {
    struct ti_bytecode_proto nested;
    ti_bytecode_head(c, &nested);
    skip_nested(c, &nested, depth + 1);
    ti_bytecode_tail(c, &nested);
  }
}

/* ------------------------------------------------------------- factory -- */

/* Puts a varint of one byte: v < 128. */
static void put_small(struct ti_buffer *b, unsigned v) { ti_buffer_put_u8(b, v | 0x80); }

static void put_instruction(struct ti_buffer *b, unsigned op, unsigned a, unsigned args,
                            unsigned k) {
  uint32_t i = BYTECODE_ABCK(op, a, args, 0, k);
  ti_buffer_put(b, &i, sizeof i);
}

/* Puts the factory's own function up to its nested one. Its first n registers become the cells. The
** closure comes after them, and returning it closes them. */
static void put_factory_head(struct ti_buffer *b, unsigned n) {
  put_small(b, 0);                        /* source: none, as if stripped */
  put_small(b, 0);                        /* first line */
  put_small(b, 0);                        /* last line */
  ti_buffer_put_u8(b, 0);                 /* parameters */
  ti_buffer_put_u8(b, 0);                 /* vararg */
  ti_buffer_put_u8(b, n > 0 ? n + 1 : 2); /* registers; Lua wants 2 at least */
  put_small(b, n > 0 ? 3 : 2);
  if (n > 0) put_instruction(b, BYTECODE_LOADNIL, 0, n - 1, 0);
  put_instruction(b, BYTECODE_CLOSURE, n, 0, 0);
  put_instruction(b, BYTECODE_RETURN, n, 2, 1); /* 2: one result; 1: close the cells */
  put_small(b, 0);                              /* constants */
  put_small(b, 0);                              /* upvalues */
  put_small(b, 1);                              /* nested functions */
}

static void put_factory_tail(struct ti_buffer *b) {
  put_small(b, 0); /* lines */
  put_small(b, 0); /* lines told in full */
  put_small(b, 0); /* locals */
  put_small(b, 0); /* names of upvalues */
}

bool ti_bytecode_factory(const void *data, size_t len, struct ti_buffer *out) {
  const size_t old = out->len;
  const unsigned char *body;
  struct ti_cursor c;
  struct ti_bytecode_proto f;
  size_t n = ti_bytecode_begin(&c, data, len), i;
  body = c.p;
  ti_bytecode_head(&c, &f);
  skip_nested(&c, &f, 1);
  ti_bytecode_tail(&c, &f);
  if (c.failed || c.p != c.end || f.nupvals != n || n > BYTECODE_MAXUPVALS) return false;

  ti_buffer_put(out, c.base, (size_t)(body - c.base) - 1);
  ti_buffer_put_u8(out, 0); /* upvalues of the factory */
  put_factory_head(out, (unsigned)n);
  ti_buffer_put(out, body, (size_t)(f.upvals.base - body));
  for (i = 0; i < n; i++) {
    ti_buffer_put_u8(out, 1); /* in a register of the enclosing function */
    ti_buffer_put_u8(out, (unsigned)i);
    ti_buffer_put_u8(out, f.upvals.base[i * UPVAL_SIZE + 2]);
  }
  ti_buffer_put(out, f.upvals.end, (size_t)(c.end - f.upvals.end));
  put_factory_tail(out);
  if (out->failed) out->len = old;
  return !out->failed;
}
