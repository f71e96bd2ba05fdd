/*
** codec/pack_fast: the fast path of the writer.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/pack_fast.h"

#include <string.h>

#include "codec/function.h"
#include "codec/module_filter.h"
#include "codec/borrow.h"
#include "codec/reftype.h"
#include "codec/scalar.h"

enum {
  MAX_STRING = 64, /* bytes; the general writer writes a longer string once and refers to it */
  MAX_UPVALUES = 8,
  MAX_REFS = 4
};

/* A message in the making. */
struct fast {
  lua_State *L;
  struct ti_codec_state *x;
  struct ti_buffer *b;
  size_t part; /* the next to be added */
  int nrefs;
  struct ref_held {
    const void *userdata;
    const tide_reftype *type;
    void *object;
  } refs[MAX_REFS]; /* they become parts in the end */
};

static bool put_userdata(struct fast *p, int idx) {
  struct ref_held *r = &p->refs[p->nrefs];
  if (p->nrefs == MAX_REFS) return false;
  r->userdata = lua_touserdata(p->L, idx);
  for (int i = 0; i < p->nrefs; i++)
    if (p->refs[i].userdata == r->userdata) return false;
  r->type = ti_reftype_get(p->L, idx);
  if (r->type == NULL || r->type->quick == NULL) return false;
  r->object = r->type->quick(p->L, idx);
  if (r->object == NULL) return false;
  p->nrefs++;
  ti_buffer_put_u8(p->b, WIRE_REF);
  ti_buffer_put_varint(p->b, p->part++);
  return true;
}

/* Releases the references from i on, which do not become parts. */
static void drop_refs(struct fast *p, int i) {
  for (; i < p->nrefs; i++) p->refs[i].type->rele(p->refs[i].object);
}

/* Returns false if the value does not qualify; a part of it may have been put then. */
static bool put_value(struct fast *p, int idx) {
  lua_State *L = p->L;
  struct ti_buffer *b = p->b;
  size_t len;
  const char *s;
  switch (lua_type(L, idx)) {
    case LUA_TSTRING:
      s = lua_tolstring(L, idx, &len);
      if (len > MAX_STRING) return false;
      ti_scalar_put_string(b, s, len);
      return true;
    case LUA_TUSERDATA: return put_userdata(p, idx);
    default: return ti_scalar_pack(L, idx, b);
  }
}

/* Puts upvalue i of the function at idx, its environment. Returns false if that is not the table of
** globals. */
static bool put_globals(lua_State *L, int idx, int i, struct ti_buffer *b) {
  bool globals;
  lua_getupvalue(L, idx, i);
  lua_pushglobaltable(L);
  globals = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  ti_buffer_put_u8(b, WIRE_GLOBALS);
  return globals;
}

static bool put_upvalues(struct fast *p, int idx, const struct ti_code *c) {
  const void *cells[MAX_UPVALUES];
  lua_State *L = p->L;
  for (int i = 0; i < c->nup; i++) {
    bool ok;
    cells[i] = c->nup > 1 ? lua_upvalueid(L, idx, i + 1) : NULL;
    for (int j = 0; j < i; j++) /* debug.upvaluejoin */
      if (cells[j] == cells[i]) return false;
    ti_buffer_put_u8(p->b, WIRE_UPVALUE);
    if (i + 1 == c->env) {
      ok = put_globals(L, idx, i + 1, p->b);
    } else {
      lua_getupvalue(L, idx, i + 1);
      ok = put_value(p, lua_gettop(L));
      lua_pop(L, 1);
    }
    if (!ok) return false;
  }
  return true;
}

/* Puts the Lua function at idx. Returns its code, which is to be the next part, without a
** reference; NULL: it does not qualify. */
static struct ti_code *put_function(struct fast *p, int idx, int xidx) {
  struct ti_code *c = ti_function_known(p->L, idx, xidx);
  if (c == NULL && !ti_module_filter_maybe(p->x, lua_topointer(p->L, idx)))
    c = ti_function_find(p->L, idx, xidx, true);
  if (c == NULL || c->library || c->nglobals > 0 || (c->loose && c->nmaybe > 0) ||
      c->nup > MAX_UPVALUES)
    return NULL;
  ti_buffer_put_u8(p->b, WIRE_FUNCTION);
  ti_buffer_put_varint(p->b, p->part++);
  ti_buffer_put_varint(p->b, (uint64_t)c->nup);
  return put_upvalues(p, idx, c) ? c : NULL;
}

/* Adds the parts of a message that qualifies. Returns whether it does, and they were added. */
static bool add_parts(struct fast *p, struct ti_message *m, struct ti_code *c, bool ok) {
  size_t part;
  int i = 0;
  ok = ok && !p->b->failed;
  if (ok && c != NULL)
    ok = ti_message_add_part(m, &ti_code_part, ti_code_hold(c), ti_code_release, &part);
  for (; ok && i < p->nrefs; i++) {
    const struct ref_held *r = &p->refs[i];
    ok = ti_message_add_part(m, r->type, r->object, r->type->rele, &part);
  }
  drop_refs(p, i);
  return ok;
}

bool ti_pack_fast_values(lua_State *L, struct ti_message *m, int n, bool call) {
  struct fast p;
  int end = lua_gettop(L), first = end - n, i = first;
  size_t start = m->bytes.len;
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(L, end);
  struct ti_code *c = NULL;
  bool ok = true;
  if (!lua_checkstack(L, 8)) return false;
  p.L = L;
  p.x = x;
  p.b = &m->bytes;
  p.part = m->nparts;
  p.nrefs = 0;
  if (x != NULL) ti_borrow_poll_at(L, x, end);
  ti_buffer_put_varint(p.b, (uint64_t)n);
  if (call && lua_isfunction(L, i)) {
    if (x != NULL && !lua_iscfunction(L, i)) c = put_function(&p, i, end);
    ok = c != NULL;
    i++;
  }
  for (; ok && i < end; i++) ok = put_value(&p, i);
  ti_buffer_put_u8(p.b, WIRE_END);
  if (!add_parts(&p, m, c, ok)) {
    lua_settop(L, end);
    p.b->len = start;
    return false;
  }
  lua_settop(L, first - 1);
  return true;
}
