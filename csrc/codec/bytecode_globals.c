/*
** codec/bytecode_globals: which globals a dumped function names.
**
** Reads all functions of the dump, then follows each, from the outermost inwards (bytecode_flow.c).
** The set of names found is kept by the offsets of its members in the output.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/bytecode_flow.h"

/* --------------------------------------------------------------- names -- */

/* The names found: an open hash table of offsets in `out`. */
struct name_set {
  struct ti_buffer *out;
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

static const unsigned char *name_at(const struct name_set *n, size_t offset, size_t *len) {
  struct ti_cursor c;
  ti_buffer_cursor_init(&c, n->out->data + offset, n->out->len - offset);
  *len = (size_t)ti_buffer_get_varint(&c);
  return c.p;
}

/* Returns the slot that has this name, or the free one where it belongs. */
static size_t *find(const struct name_set *n, const unsigned char *s, size_t len) {
  size_t i = hash(s, len);
  for (;; i++) {
    size_t *slot = &n->slots[i & (n->cap - 1)], otherlen;
    const unsigned char *other;
    if (*slot == 0) return slot;
    other = name_at(n, *slot - 1, &otherlen);
    if (otherlen == len && memcmp(other, s, len) == 0) return slot;
  }
}

/* Makes sure that there is a free slot: moves the members to a table twice as large when 3/4 are
** taken. Returns false when memory runs out. */
static bool reserve(struct name_set *n) {
  const size_t cap = n->cap * 2;
  size_t *slots, *old = n->slots, i;
  if (n->count < n->cap / 4 * 3) return true;
  slots = cap <= SIZE_MAX / sizeof *slots
              ? (size_t *)ti_alloc_zero(n->out->mem, cap * sizeof *slots)
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
  if (old != n->fixed) ti_alloc_free(n->out->mem, old, cap / 2 * sizeof *old);
  return true;
}

static void add_name(struct name_set *n, const unsigned char *s, size_t len) {
  const size_t offset = n->out->len;
  size_t *slot;
  if (!reserve(n)) return;
  slot = find(n, s, len);
  if (*slot != 0) return;
  ti_buffer_put_varint(n->out, len);
  ti_buffer_put(n->out, s, len);
  if (n->out->failed) return;
  *slot = offset + 1;
  n->count++;
}

/* ----------------------------------------------------------- functions -- */

/* The functions of a dump, in the order in which they lie there. */
struct all {
  struct ti_flow flow;
  size_t cap;
};

/* Returns the index of one more function, or SIZE_MAX when memory runs out. */
static size_t more(struct all *all) {
  struct ti_flow *f = &all->flow;
  if (f->n == all->cap) {
    size_t cap = all->cap > 0 ? all->cap * 2 : 8;
    struct ti_flow_function *bigger =
        (struct ti_flow_function *)ti_alloc_new(f->mem, cap * sizeof *bigger);
    if (bigger == NULL) return SIZE_MAX;
    if (f->n > 0) memcpy(bigger, f->all, f->n * sizeof *bigger);
    ti_alloc_free(f->mem, f->all, all->cap * sizeof *bigger);
    f->all = bigger;
    all->cap = cap;
  }
  memset(&f->all[f->n], 0, sizeof *f->all);
  return f->n++;
}

/* Reads a function and those within it. Returns its index. Failure is sticky in c or
** all->failed. */
static size_t read_function(struct ti_cursor *c, struct all *all, int depth) {
  struct ti_bytecode_proto proto;
  size_t me = more(all), last = SIZE_MAX;
  if (me == SIZE_MAX) {
    all->flow.nomemory = c->failed = true;
    return 0;
  }
  ti_bytecode_head(c, &proto);
  if (proto.nprotos > 0 && depth == BYTECODE_MAXDEPTH) c->failed = true;
  for (size_t i = 0; i < proto.nprotos && !c->failed; i++) {
    size_t inner = read_function(c, all, depth + 1);
    if (c->failed) break;
    if (last == SIZE_MAX)
      all->flow.all[me].child = inner;
    else
      all->flow.all[last].next = inner;
    last = inner;
  }
  ti_bytecode_tail(c, &proto);
  all->flow.all[me].proto = proto;
  return me;
}

static void add_uses(struct name_set *n, const struct ti_flow_constant *k,
                     const unsigned char *uses, size_t nconsts, unsigned use) {
  for (size_t i = 0; i < nconsts && !n->out->failed; i++)
    if (uses[i] & use) add_name(n, k[i].s, k[i].len);
}

/* Follows function i, and adds the names that it uses. */
static void follow_function(struct ti_flow *f, size_t i, struct name_set *sure,
                            struct name_set *maybe) {
  const size_t n = f->all[i].proto.nconsts;
  const size_t size = n * (sizeof(struct ti_flow_constant) + 1);
  struct ti_cursor c = f->all[i].proto.consts;
  struct ti_flow_constant *k;
  unsigned char *uses;
  if (n == 0 && f->all[i].proto.nprotos == 0 && f->loose) return; /* it has nothing to add */
  k = (struct ti_flow_constant *)ti_alloc_new(f->mem, size > 0 ? size : 1);
  if (k == NULL) {
    f->failed = f->nomemory = true;
    return;
  }
  uses = (unsigned char *)(k + n);
  memset(uses, 0, n);
  for (size_t j = 0; j < n; j++) k[j].s = ti_bytecode_constant(&c, &k[j].len);
  ti_bytecode_flow_follow(f, i, k, uses);
  if (!f->failed) {
    add_uses(sure, k, uses, n, FLOW_SURE);
    add_uses(maybe, k, uses, n, FLOW_MAYBE);
  }
  ti_alloc_free(f->mem, k, size > 0 ? size : 1);
}

static void names_init(struct name_set *n, struct ti_buffer *out) {
  memset(n, 0, sizeof *n);
  n->out = out;
  n->cap = sizeof n->fixed / sizeof n->fixed[0];
  n->slots = n->fixed;
}

static void names_fini(struct name_set *n) {
  if (n->slots != n->fixed) ti_alloc_free(n->out->mem, n->slots, n->cap * sizeof *n->slots);
}

/* Appends to `sure` those in `maybe` that it lacks. */
static void append_names(struct name_set *sure, const struct name_set *maybe) {
  struct ti_cursor c;
  ti_buffer_cursor_init(&c, maybe->out->data, maybe->out->len);
  for (size_t i = 0; i < maybe->count && !sure->out->failed; i++) {
    size_t len = (size_t)ti_buffer_get_varint(&c);
    add_name(sure, ti_buffer_get(&c, len), len);
  }
}

bool ti_bytecode_globals_list(const void *data, size_t len, const struct ti_bytecode_set *envs,
                              struct ti_buffer *names, struct ti_bytecode_names *found) {
  const size_t old = names->len;
  struct all all;
  struct ti_flow *f = &all.flow;
  struct name_set sure, maybe;
  struct ti_buffer more_names;
  struct ti_cursor c;
  const size_t nupvals = ti_bytecode_begin(&c, data, len);
  bool done;
  size_t nsure = 0;
  memset(&all, 0, sizeof all);
  f->mem = names->mem;
  ti_buffer_init(&more_names, names->mem);
  names_init(&sure, names);
  names_init(&maybe, &more_names);
  (void)read_function(&c, &all, 1);
  if (!c.failed && c.p == c.end && f->all[0].proto.nupvals == nupvals) {
    f->all[0].holds = *envs;
    for (size_t i = 0; i < f->n && !f->failed; i++) follow_function(f, i, &sure, &maybe);
    nsure = sure.count;
    append_names(&sure, &maybe);
    done = !f->failed && !more_names.failed && !names->failed;
  } else {
    done = false;
  }
  if (done) {
    found->sure = nsure;
    found->maybe = sure.count - nsure;
    found->loose = f->loose;
  } else {
    names->failed = names->failed || f->nomemory || more_names.failed;
    names->len = old;
  }
  names_fini(&sure);
  names_fini(&maybe);
  ti_buffer_fini(&more_names);
  ti_alloc_free(f->mem, f->all, all.cap * sizeof *f->all);
  return done;
}
