/*
** codec/pack: Lua values to a message.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/pack.h"

#include <lauxlib.h>

#include "codec/borrow.h"
#include "codec/cfunction.h"
#include "codec/pack_fast.h"
#include "codec/pack_impl.h"
#include "codec/reftype.h"
#include "codec/scalar.h"
#include "luautil/c_stack.h"
#include "luautil/error.h"
#include "luautil/library_copy.h"

/* Longer strings are worth a place in the memo, which forgets nothing. */
enum { MOST_RECENT = 40 };

void ti_pack_no_memory(struct ti_packer *P) { luaL_error(P->L, "not enough memory"); }

void ti_pack_refuse(struct ti_packer *P, const struct ti_value_path *up) {
  lua_State *L = P->L;
  int words = lua_gettop(L);
  if (ti_cfunction_among(L, 2, P->xidx))
    ti_value_path_refuse(L, up,
                         "%s. It is in module '%s', which workers cannot require: " CFUNCTION_ADVICE
                         ", or send what is needed of it, not the module",
                         lua_tostring(L, words), lua_tostring(L, -1));
  ti_value_path_refuse(L, up, "%s", lua_tostring(L, words));
}

void ti_pack_part(struct ti_packer *P, const void *type, void *object, void (*rele)(void *)) {
  size_t part;
  if (!ti_message_add_part(P->m, type, object, rele, &part)) ti_pack_no_memory(P);
  ti_buffer_put_varint(P->b, part);
}

void ti_pack_reserve(struct ti_packer *P) {
  luaL_checkstack(P->L, WIRE_LEVELS * WIRE_SLOTS, "too many nested values");
  P->stack_end = lua_gettop(P->L) + WIRE_LEVELS * WIRE_SLOTS;
}

/* Begins with a value at idx that may contain others. */
static void enter(struct ti_packer *P, int idx, const struct ti_value_path *at) {
  for (const struct ti_pack_rebuild *r = P->open; r != NULL; r = r->outer)
    if (r->address == lua_topointer(P->L, idx))
      ti_value_path_refuse(P->L, at, "an object with __transfer cannot be among its own arguments");
  if (++P->depth > WIRE_MAX_DEPTH)
    ti_value_path_refuse(P->L, at, "nested deeper than %d levels", WIRE_MAX_DEPTH);
  if (!ti_c_stack_deeper(P->depth)) ti_value_path_refuse(P->L, at, C_STACK_WORDS, C_STACK_LEFT);
  if (P->b->failed) ti_pack_no_memory(P); /* so that a huge message stops soon */
  if (lua_gettop(P->L) + WIRE_SLOTS > P->stack_end) ti_pack_reserve(P);
}

/* -------------------------------------------------------------- back references -- */

/* Puts a reference to what was written first at `offset`. A function that rebuilds an object is
** called as soon as it is read, so it must not refer to what is incomplete then. */
static void put_backref(struct ti_packer *P, size_t offset, enum ti_wire_tag ref) {
  if (P->b->failed) ti_pack_no_memory(P);
  for (const struct ti_pack_opened *o = P->boundary; o != NULL; o = o->outer)
    if (o->offset == offset)
      ti_value_path_refuse(
          P->L, P->rebuilt,
          "the function that its __transfer returned refers to what holds the object: "
          "it would be called before that is whole");
  P->b->data[offset] |= WIRE_SHARED;
  ti_pack_tag(P, ref);
  ti_buffer_put_varint(P->b, offset);
}

bool ti_pack_known(struct ti_packer *P, const void *key, enum ti_wire_tag ref) {
  size_t offset = ti_memo_add(&P->memo, key, P->b->len);
  if (offset == MEMO_NEW) return false;
  if (offset == MEMO_FULL) ti_pack_no_memory(P);
  put_backref(P, offset, ref);
  return true;
}

bool ti_pack_backref(struct ti_packer *P, int idx, const void *key) {
  if (ti_pack_known(P, key, WIRE_BACKREF)) return true;
  if (P->guarded) {
    lua_pushvalue(P->L, idx);
    ti_pack_guard_keep(P);
  }
  return false;
}

/* ------------------------------------------------------------------ values -- */

static void pack_userdata(struct ti_packer *P, int idx, const struct ti_value_path *up) {
  lua_State *L = P->L;
  const void *address = lua_topointer(L, idx);
  const tide_reftype *type;
  if (ti_pack_backref(P, idx, address)) return;
  type = ti_reftype_get(L, idx); /* before its name: a worker's module has an object of its own */
  if (type == NULL && ti_pack_name_put(P, idx, address)) return;
  if (type != NULL) {
    void *object = type->hold(L, idx);
    if (object == NULL) ti_value_path_refuse(L, up, "cannot send this %s", type->name);
    ti_pack_tag(P, WIRE_REF);
    ti_pack_part(P, type, object, type->rele);
  } else if (!ti_pack_rebuild_put(P, idx, up)) {
    if (luaL_getmetafield(L, idx, "__name") == LUA_TSTRING &&
        strncmp(lua_tostring(L, -1), "tidepool.", 9) == 0)
      ti_value_path_refuse(L, up, "cannot send a userdata (%s): " TI_SECOND_COPY,
                           lua_tostring(L, -1));
    if (luaL_getmetafield(L, idx, "__name") == LUA_TSTRING)
      lua_pushfstring(L, "cannot send a userdata (%s)", lua_tostring(L, -1));
    else
      lua_pushliteral(L, "cannot send a userdata");
    ti_pack_refuse(P, up);
  }
}

/* Returns whether the short string that was written at `offset` is this one. If Lua code ran since,
** that string may have died, and this one have its address. */
static bool still_there(const struct ti_packer *P, size_t offset, const char *s, size_t len) {
  const unsigned char *p = P->b->data + offset;
  return !P->b->failed && P->b->len - offset >= len + 2 && WIRE_TAG(p[0]) == WIRE_STRING &&
         p[1] == len && memcmp(p + 2, s, len) == 0;
}

/* Puts a long string as a borrowed one. Returns false if the state may not lend it. */
static bool pack_borrowed(struct ti_packer *P, int idx) {
  bool outcome = P->style == PACK_RESULTS || P->style == PACK_ERROR;
  struct ti_borrowed *loan = ti_borrow_string(P->L, idx, P->xidx, outcome);
  if (loan == NULL) return false;
  ti_pack_tag(P, WIRE_BORROWED);
  ti_pack_part(P, &ti_borrowed_part, loan, ti_borrowed_release);
  return true;
}

static void pack_string(struct ti_packer *P, int idx) {
  size_t len, offset;
  const char *s = lua_tolstring(P->L, idx, &len);
  if (len < 2) {
    ti_scalar_put_string(P->b, s, len);
  } else if (len <= MOST_RECENT) {
    if (!P->recent.used) {
      memset(&P->recent, 0, sizeof P->recent);
      P->recent.used = true;
    }
    offset = ti_memo_recent_add(&P->recent, s, P->b->len);
    if (offset != MEMO_NEW && P->guarded && !still_there(P, offset, s, len)) {
      ti_memo_recent_move(&P->recent, s, P->b->len);
      offset = MEMO_NEW;
    }
    if (offset == MEMO_NEW)
      ti_scalar_put_string(P->b, s, len);
    else
      put_backref(P, offset, WIRE_BACKREF);
  } else if (!ti_pack_backref(P, idx, s)) {
    if (len < BORROWED_LEAST || !pack_borrowed(P, idx)) ti_scalar_put_string(P->b, s, len);
  }
}

void ti_pack_value(struct ti_packer *P, int idx, const struct ti_value_path *up) {
  int type = lua_type(P->L, idx);
  struct ti_pack_opened self;
  switch (type) {
    case LUA_TNIL:
    case LUA_TBOOLEAN:
    case LUA_TNUMBER:
    case LUA_TLIGHTUSERDATA: (void)ti_scalar_pack(P->L, idx, P->b); break;
    case LUA_TSTRING: pack_string(P, idx); break;
    case LUA_TTHREAD:
      lua_pushliteral(P->L, "cannot send a coroutine");
      ti_pack_refuse(P, up);
      break;
    default:
      enter(P, idx, up);
      self.outer = P->opened;
      self.offset = P->b->len;
      P->opened = &self;
      if (type == LUA_TTABLE)
        ti_pack_table_put(P, idx, up);
      else if (type == LUA_TFUNCTION)
        ti_pack_function_put(P, idx, up);
      else
        pack_userdata(P, idx, up);
      P->opened = self.outer;
      P->depth--;
  }
}

static int allow_any(lua_CFunction fn, void *ud) {
  (void)fn, (void)ud;
  return 1;
}

const struct ti_pack_rules ti_pack_addresses = {allow_any, NULL, false, false};

/* For shares and promises of states that are no workers. */
static const struct ti_pack_rules script_rules = {NULL, NULL, true, true};

/* Returns the first step of the path to value number i, as a refusal calls it. */
static struct ti_value_path first_step(enum ti_pack_style style, int i) {
  struct ti_value_path at = {NULL, STEP_NAMED, 0, 0, NULL};
  switch (style) {
    case PACK_CALL:
      at.text = i == 1 ? "function" : "argument";
      at.number = i - 1;
      break;
    case PACK_OPENING:
      at.text = i == 1 ? "initializer" : i == 2 ? "finalizer" : "initializer argument";
      at.number = i > 2 ? i - 2 : 0;
      break;
    case PACK_RESULTS:
      at.text = "result";
      at.number = i;
      break;
    case PACK_ERROR: at.text = "error value"; break;
    case PACK_SHARED: at.text = "shared value"; break;
  }
  return at;
}

/* Protected: writes the values behind the packer, and what they need. (packer, value*) -> () */
static int pack_body(lua_State *L) {
  struct ti_packer *P = (struct ti_packer *)lua_touserdata(L, 1);
  struct ti_codec_state *x;
  int n = lua_gettop(L) - 1;
  luaL_checkstack(L, 16, NULL);
  P->x = x = ti_codec_state_get(L);
  P->xidx = lua_gettop(L);
  if (P->rules == NULL) P->rules = x->rules != NULL ? x->rules : &script_rules;
  P->loose = false;
  if (!x->late) P->memo.spare = &x->memo;
  if (!x->internals.known) ti_lua_internals_find(L, &x->internals);
  ti_borrow_poll_at(L, x, P->xidx);
  lua_pushnil(L);
  P->globals = lua_gettop(L);
  P->guarded = P->guarded || x->begin_guarded;
  if (P->guarded)
    lua_newtable(L);
  else
    lua_pushnil(L);
  P->kept = lua_gettop(L);
  lua_pushglobaltable(L);
  P->env = lua_topointer(L, -1);
  ti_pack_guard_lua_end(P);
  ti_buffer_put_varint(P->b, (uint64_t)n);
  for (int i = 1; i <= n; i++) {
    struct ti_value_path at = first_step(P->style, i);
    ti_pack_value(P, i + 1, &at);
  }
  ti_pack_globals_put(P);
  if (P->b->failed) ti_pack_no_memory(P);
  x->begin_guarded = P->guard_next;
  return 0;
}

/* Tells the program that a message is being written (spec/support/sanitizer/lua_main.c). */
#ifdef TI_COLLECT
__attribute__((weak, visibility("default"))) void ti_pack_collecting(int change);
#define TELL(change) (ti_pack_collecting != NULL ? ti_pack_collecting(change) : (void)0)
#else
#define TELL(change) ((void)0)
#endif

/* Tries to write the n values on top. Returns a status of lua_pcall. [-n, +(0|1), m] */
static int pack_once(lua_State *L, struct ti_packer *P, int n) {
  int status;
  P->restart = false;
  P->indexed = P->loose = false;
  P->depth = P->stack_end = 0;
  P->open = NULL;
  P->opened = P->boundary = NULL;
  P->error_meta = P->inert_meta = NULL;
  P->nkept = 0;
  P->recent.used = false;
  ti_memo_init(&P->memo);
  lua_pushcfunction(L, pack_body);
  lua_pushlightuserdata(L, P);
  lua_rotate(L, -(n + 2), 2);
  TELL(1);
  status = lua_pcall(L, n + 1, 0, 0);
  TELL(-1);
  ti_memo_fini(&P->memo);
  ti_pack_guard_resume_gc(P);
  return status;
}

/* More values than this are guarded from the start, and so are those that the stack cannot hold a
** second time: a message that starts anew needs them again. */
enum { MOST_COPIED = 100 };

/* The general writer. Not part of ti_pack_values: a packer is more than a page of the C stack,
** which most workers never touch. [-n, +(0|1), m] */
static __attribute__((noinline)) int pack_all(lua_State *L, struct ti_message *m, int n,
                                              enum ti_pack_style style,
                                              const struct ti_pack_rules *rules) {
  struct ti_packer P;
  size_t len = m->bytes.len, nparts = m->nparts;
  int status, first = lua_gettop(L) - n + 1;
  P.L = L;
  P.m = m;
  P.b = &m->bytes;
  P.style = style;
  P.rules = rules;
  P.guard_next = P.gc_paused = false;
  P.lua_calls = 0;
  luaL_checkstack(L, 8, NULL);
  P.guarded = n > MOST_COPIED || !lua_checkstack(L, n + 8);
  if (P.guarded) return pack_once(L, &P, n);
  for (int i = 0; i < n; i++) lua_pushvalue(L, first + i);
  status = pack_once(L, &P, n);
  if (P.restart) {
    lua_settop(L, first + n - 1);
    ti_message_rewind(m, len, nparts);
    P.guarded = true;
    return pack_once(L, &P, n);
  }
  if (status != LUA_OK) lua_copy(L, -1, first);
  lua_settop(L, status != LUA_OK ? first : first - 1);
  return status;
}

int ti_pack_below(lua_State *L, struct ti_message *m, int n, enum ti_pack_style style,
                  const struct ti_pack_rules *rules) {
  if (ti_pack_fast_values(L, m, n, style == PACK_CALL)) return LUA_OK;
  lua_pop(L, 1);
  return pack_all(L, m, n, style, rules);
}

int ti_pack_by(lua_State *L, struct ti_message *m, int n, enum ti_pack_style style,
               const struct ti_pack_rules *rules) {
  luaL_checkstack(L, 1, NULL);
  ti_codec_state_peek(L);
  return ti_pack_below(L, m, n, style, rules);
}

int ti_pack_values(lua_State *L, struct ti_message *m, int n, enum ti_pack_style style) {
  return ti_pack_by(L, m, n, style, NULL);
}
