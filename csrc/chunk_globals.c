/*
** tidepool, floor 2: chunk_globals, which globals a dumped function names.
**
** Follows the upvalues that hold _ENV from the outermost function inwards. In
** each function the instructions say which constants are keys in _ENV; the set
** of names found is kept by the offsets of its members in the output.
**
** SPDX-License-Identifier: MIT
*/
#include "chunk.h"

/* --------------------------------------------------------------- names -- */

/* The names found: an open hash table of offsets in `out`. */
struct names {
  struct bytes *out;
  size_t *slots; /* offset + 1, or 0 for free; `fixed` or owned */
  size_t cap;    /* a power of two, more than `count` */
  size_t count;
  size_t fixed[64]; /* enough for most functions */
};

static size_t hash(const unsigned char *s, size_t len) {
  size_t h = 2166136261u, i; /* FNV-1a */
  for (i = 0; i < len; i++) h = (h ^ s[i]) * 16777619u;
  return h;
}

static const unsigned char *name_at(const struct names *n, size_t offset, size_t *len) {
  struct cursor c;
  tide_cursor_init(&c, n->out->data + offset, n->out->len - offset);
  *len = (size_t)tide_cursor_get_varint(&c);
  return c.p;
}

/* The slot that has this name, or the free one where it belongs. */
static size_t *find(const struct names *n, const unsigned char *s, size_t len) {
  size_t i = hash(s, len);
  for (;; i++) {
    size_t *slot = &n->slots[i & (n->cap - 1)], otherlen;
    const unsigned char *other;
    if (*slot == 0) return slot;
    other = name_at(n, *slot - 1, &otherlen);
    if (otherlen == len && memcmp(other, s, len) == 0) return slot;
  }
}

/* Room for one more; moves the members to a table twice as large when 3/4 are taken. */
static bool room(struct names *n) {
  const size_t cap = n->cap * 2;
  size_t *slots, *old = n->slots, i;
  if (n->count < n->cap / 4 * 3) return true;
  slots = cap <= SIZE_MAX / sizeof *slots
              ? (size_t *)tide_mem_zero(n->out->mem, cap * sizeof *slots)
              : NULL;
  if (slots == NULL) {
    n->out->failed = true;
    return false;
  }
  n->slots = slots;
  n->cap = cap;
  for (i = 0; i < cap / 2; i++) {
    size_t len;
    const unsigned char *name;
    if (old[i] == 0) continue;
    name = name_at(n, old[i] - 1, &len);
    *find(n, name, len) = old[i];
  }
  if (old != n->fixed) tide_mem_free(n->out->mem, old, cap / 2 * sizeof *old);
  return true;
}

static void add_name(struct names *n, const unsigned char *s, size_t len) {
  const size_t offset = n->out->len;
  size_t *slot;
  if (!room(n)) return;
  slot = find(n, s, len);
  if (*slot != 0) return;
  tide_bytes_put_varint(n->out, len);
  tide_bytes_put(n->out, s, len);
  if (n->out->failed) return;
  *slot = offset + 1;
  n->count++;
}

/* ----------------------------------------------------------- functions -- */

/* What one function does with _ENV. */
struct use {
  struct chunk_set env;  /* the upvalues that hold it */
  struct chunk_set keys; /* the constants that are keys in it */
  struct chunk_set regs; /* the registers that it is read into */
  bool read;             /* `regs` is not empty: then any constant may be a key */
};

static bool holds_any(const struct chunk_set *s) {
  return (s->words[0] | s->words[1] | s->words[2] | s->words[3]) != 0;
}

static void see_code(struct use *u, struct cursor code) {
  const unsigned char *p;
  for (; code.p != code.end;) {
    uint32_t i;
    p = tide_cursor_get(&code, sizeof i);
    if (p == NULL) break;
    memcpy(&i, p, sizeof i);
    switch (CHUNK_OPCODE(i)) {
      case CHUNK_GETUPVAL:
        if (tide_chunk_has(&u->env, CHUNK_B(i))) tide_chunk_add(&u->regs, CHUNK_A(i));
        break;
      case CHUNK_GETTABUP:
        if (tide_chunk_has(&u->env, CHUNK_B(i))) tide_chunk_add(&u->keys, CHUNK_C(i));
        break;
      case CHUNK_SETTABUP:
        if (tide_chunk_has(&u->env, CHUNK_A(i))) tide_chunk_add(&u->keys, CHUNK_B(i));
        break;
      default: break;
    }
  }
  u->read = holds_any(&u->regs);
}

static bool add_constants(struct names *n, const struct use *u, const struct chunk_proto *f) {
  struct cursor c = f->consts;
  size_t i, len;
  for (i = 0; i < f->nconsts; i++) {
    const unsigned char *s = tide_chunk_constant(&c, &len);
    const bool key = tide_chunk_has(&u->keys, i);
    if (key && s == NULL) return false;
    if (s != NULL && (key || u->read)) add_name(n, s, len);
    if (n->out->failed) return false;
  }
  for (; i < 256; i++)
    if (tide_chunk_has(&u->keys, i)) return false;
  return true;
}

/* The function whose head was read is within one that uses _ENV as `outer` says. */
static struct chunk_set inherited(const struct use *outer, const struct chunk_proto *f) {
  struct cursor c = f->upvals;
  struct chunk_set env = {{0}};
  unsigned i;
  for (i = 0; i < f->nupvals; i++) {
    const bool instack = tide_cursor_get_u8(&c) != 0;
    const unsigned index = tide_cursor_get_u8(&c);
    (void)tide_cursor_get_u8(&c); /* kind */
    if (tide_chunk_has(instack ? &outer->regs : &outer->env, index)) tide_chunk_add(&env, i);
  }
  return env;
}

/* The rest of a function whose head was read; u->env is set. */
static void see_function(struct cursor *c, struct names *n, struct use *u,
                         const struct chunk_proto *f, int depth) {
  size_t i;
  if (holds_any(&u->env)) {
    see_code(u, f->code);
    if (!add_constants(n, u, f)) c->failed = true;
  }
  if (f->nprotos > 0 && depth == TIDE_CHUNK_MAXDEPTH) c->failed = true;
  for (i = 0; i < f->nprotos && !c->failed; i++) {
    struct chunk_proto nested;
    struct use inner = {.read = false};
    tide_chunk_head(c, &nested);
    if (c->failed) return;
    inner.env = inherited(u, &nested);
    see_function(c, n, &inner, &nested, depth + 1);
  }
  tide_chunk_tail(c, f);
}

bool tide_chunk_globals(const void *data, size_t len, const struct chunk_set *envs,
                        struct bytes *names, size_t *count) {
  const size_t old = names->len;
  struct names n = {.out = names, .cap = sizeof n.fixed / sizeof n.fixed[0]};
  struct use outermost = {.env = *envs, .read = false};
  struct chunk_proto f;
  struct cursor c;
  const size_t nupvals = tide_chunk_begin(&c, data, len);
  bool done;
  n.slots = n.fixed;
  tide_chunk_head(&c, &f);
  if (!c.failed) see_function(&c, &n, &outermost, &f, 1);
  if (n.slots != n.fixed) tide_mem_free(names->mem, n.slots, n.cap * sizeof *n.slots);
  done = !c.failed && !names->failed && c.p == c.end && f.nupvals == nupvals;
  if (done)
    *count = n.count;
  else
    names->len = old;
  return done;
}
