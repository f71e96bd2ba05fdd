/*
** codec/pack: Lua values to a message.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/pack.h"

#include <lauxlib.h>

#include "codec/module_values.h"
#include "luautil/library_copy.h"
#include "luautil/c_stack.h"
#include "luautil/error.h"
#include "codec/module_filter.h"
#include "codec/borrow.h"
#include "codec/module_changes.h"
#include "codec/module_names.h"
#include "codec/cfunction.h"
#include "codec/pack_impl.h"
#include "codec/pack_fast.h"
#include "codec/reftype.h"
#include "codec/scalar.h"

/* Longer strings are worth a place in the memo, which forgets nothing. */
enum { MOST_RECENT = 40 };

void ti_pack_no_memory(struct ti_packer *P) { luaL_error(P->L, "not enough memory"); }

/* A reference to what was written first at `offset`. A function that rebuilds an object is called
** as soon as it is read, so it must not refer to what is not whole then. */
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
    ti_pack_keep(P);
  }
  return false;
}

/* ---------------------------------------------------------- what stays alive -- */

/* KiB, more than packing allocates in the state. */
enum { REST = 1 << 20 };

/* The collector does no work by itself: it is told that so much is free. LUA_GCSTOP would do, too,
** but LUA_GCRESTART makes it begin a cycle at once. */
static void rest(struct ti_packer *P) {
  if (lua_gc(P->L, LUA_GCISRUNNING) != 1) return; /* stopped, or this is a finalizer */
  lua_gc(P->L, LUA_GCSTEP, -REST);
  P->resting = true;
}

/* It does what is due. */
static void unrest(struct ti_packer *P) {
  if (!P->resting) return;
  P->resting = false;
  /* stopped meanwhile: what it owes is forgotten when it is started again */
  if (lua_gc(P->L, LUA_GCISRUNNING) == 1) lua_gc(P->L, LUA_GCSTEP, REST);
}

void ti_pack_leave(struct ti_packer *P) {
  P->windows++;
  unrest(P);
}

void ti_pack_enter(struct ti_packer *P) {
  if (!P->resting) rest(P);
}

void ti_pack_keep(struct ti_packer *P) { lua_rawseti(P->L, P->kept, ++P->nkept); }

void ti_pack_guard(struct ti_packer *P) {
  if (P->guarded) return;
  P->again = true;
  lua_pushnil(P->L);
  lua_error(P->L);
}

/* A short string that `recent` found at `offset`. Lua code ran since, perhaps: the string that was
** written there may have died, and this one have its address. */
static bool still_there(const struct ti_packer *P, size_t offset, const char *s, size_t len) {
  const unsigned char *p = P->b->data + offset;
  return !P->b->failed && P->b->len - offset >= len + 2 && WIRE_TAG(p[0]) == WIRE_STRING &&
         p[1] == len && memcmp(p + 2, s, len) == 0;
}

/* Slots for some levels, above what is on the stack now. */
static void make_room(struct ti_packer *P) {
  luaL_checkstack(P->L, WIRE_LEVELS * WIRE_SLOTS, "too many nested values");
  P->room = lua_gettop(P->L) + WIRE_LEVELS * WIRE_SLOTS;
}

/* Before a value at idx that may contain others. */
static void enter(struct ti_packer *P, int idx, const struct ti_value_path *at) {
  for (const struct ti_pack_rebuild *r = P->open; r != NULL; r = r->outer)
    if (r->address == lua_topointer(P->L, idx))
      ti_value_path_refuse(P->L, at, "an object with __transfer cannot be among its own arguments");
  if (++P->depth > WIRE_MAX_DEPTH)
    ti_value_path_refuse(P->L, at, "nested deeper than %d levels", WIRE_MAX_DEPTH);
  if (!ti_c_stack_deeper(P->depth)) ti_value_path_refuse(P->L, at, C_STACK_WORDS, C_STACK_LEFT);
  if (P->b->failed) ti_pack_no_memory(P); /* here, so that a huge message stops soon */
  if (lua_gettop(P->L) + WIRE_SLOTS > P->room) make_room(P);
}

/* The table or function at idx, below its name. One that says how it is rebuilt is. [-0, +0, m] */
static enum ti_module_value judge(struct ti_packer *P, int idx) {
  if (lua_istable(P->L, idx) && luaL_getmetafield(P->L, idx, "__transfer") != LUA_TNIL) {
    lua_pop(P->L, 1);
    return MODULE_VALUE_SCRIPT;
  }
  return ti_module_values_judge(P->L, idx, P->transfer);
}

void ti_pack_index(struct ti_packer *P) {
  if (!P->indexed) {
    if (ti_module_changes_any(P->L, P->transfer)) {
      ti_pack_guard(P); /* package.searchpath may be the script's own */
      ti_pack_leave(P);
      ti_module_changes_apply(P->L, P->transfer);
      ti_pack_enter(P);
    }
    P->indexed = true;
    if (P->rules->objects) ti_cfunction_refresh(P->L, P->transfer, false);
  }
}

bool ti_pack_name(struct ti_packer *P, int idx, const void *address) {
  size_t len;
  const char *name;
  enum ti_module_value judged = MODULE_VALUE_OTHER;
  ti_pack_index(P);
  if (!ti_module_filter_maybe(P->x, address)) return false;
  switch (ti_module_names_find(P->L, idx, P->transfer)) {
    case NAMES_NONE:
      return P->rules->objects && !lua_isfunction(P->L, idx) && ti_pack_cfunction(P, idx, NULL);
    case NAMES_OWN: break;
    case NAMES_OPEN: judged = judge(P, idx);
  }
  if (judged != MODULE_VALUE_SCRIPT) {
    name = lua_tolstring(P->L, -1, &len) + 1;
    ti_pack_tag(P, judged == MODULE_VALUE_DATA ? WIRE_EITHER : WIRE_NAME);
    ti_buffer_put_varint(P->b, len - 1);
    ti_buffer_put(P->b, name, len - 1);
  }
  lua_pop(P->L, 1);
  return judged == MODULE_VALUE_OTHER;
}

bool ti_pack_cfunction(struct ti_packer *P, int idx, void *fn) {
  size_t len;
  const char *path;
  if (!ti_cfunction_find(P->L, idx, P->transfer)) return false;
  path = lua_tolstring(P->L, -1, &len);
  ti_pack_tag(P, WIRE_NATIVE);
  if (fn != NULL)
    ti_pack_part(P, &ti_reftype_cfunction_part, fn, NULL);
  else
    ti_buffer_put_varint(P->b, WIRE_NO_PART);
  ti_buffer_put_varint(P->b, len);
  ti_buffer_put(P->b, path, len);
  lua_pop(P->L, 1);
  return true;
}

void ti_pack_refuse(struct ti_packer *P, const struct ti_value_path *up) {
  lua_State *L = P->L;
  int words = lua_gettop(L);
  if (ti_cfunction_among(L, 2, P->transfer))
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

/* --------------------------------------------------------- tables, userdata -- */

/* What rebuilds the object: the function at idx. */
static void pack_rebuilder(struct ti_packer *P, int idx, const struct ti_value_path *up) {
  struct ti_value_path at = {up, STEP_NAMED, 0, 0, "__transfer function"};
  const struct ti_pack_opened *boundary = P->boundary;
  const struct ti_value_path *rebuilt = P->rebuilt;
  P->boundary = P->opened;
  P->rebuilt = up;
  ti_pack_value(P, idx, &at);
  P->boundary = boundary;
  P->rebuilt = rebuilt;
}

bool ti_pack_rebuild(struct ti_packer *P, int idx, const struct ti_value_path *up) {
  lua_State *L = P->L;
  struct ti_value_path at = {up, STEP_NAMED, 0, 0, "__transfer argument"};
  struct ti_pack_rebuild self = {P->open, lua_topointer(L, idx)};
  int base = lua_gettop(L), n;
  size_t len;
  const char *name;
  switch (luaL_getmetafield(L, idx, "__transfer")) {
    case LUA_TNIL: return false;
    case LUA_TFUNCTION: break;
    default:
      ti_value_path_refuse(L, up, "its __transfer is a %s, not a function", luaL_typename(L, -1));
  }
  if (!ti_c_stack_call()) ti_value_path_refuse(L, up, C_STACK_WORDS, C_STACK_LEFT);
  P->met = true;
  ti_pack_guard(P);
  lua_pushvalue(L, idx);
  ti_pack_leave(P);
  lua_call(L, 1, LUA_MULTRET);
  ti_pack_enter(P);
  n = lua_gettop(L) - base;
  if (n == 0 || (lua_type(L, base + 1) != LUA_TSTRING && !lua_isfunction(L, base + 1)))
    ti_value_path_refuse(
        L, up, "__transfer did not return a function or a 'module.function', and arguments");
  make_room(P); /* what it returned took what there was */
  ti_pack_tag(P, WIRE_REBUILD);
  ti_buffer_put_varint(P->b, (uint64_t)(n - 1));
  P->open = &self;
  if (lua_isfunction(L, base + 1)) {
    pack_rebuilder(P, base + 1, up);
  } else {
    name = lua_tolstring(L, base + 1, &len);
    ti_scalar_put_string(P->b, name, len);
  }
  for (int i = 2; i <= n; i++) {
    at.number = i - 1;
    ti_pack_value(P, base + i, &at);
  }
  P->open = self.outer;
  lua_settop(L, base);
  return true;
}

static void pack_userdata(struct ti_packer *P, int idx, const struct ti_value_path *up) {
  lua_State *L = P->L;
  const void *address = lua_topointer(L, idx);
  const tide_reftype *type;
  if (ti_pack_backref(P, idx, address)) return;
  type = ti_reftype_get(L, idx); /* before its name: a module in the worker has another one */
  if (type == NULL && ti_pack_name(P, idx, address)) return;
  if (type != NULL) {
    void *object = type->hold(L, idx);
    if (object == NULL) ti_value_path_refuse(L, up, "cannot send this %s", type->name);
    ti_pack_tag(P, WIRE_REF);
    ti_pack_part(P, type, object, type->rele);
  } else if (!ti_pack_rebuild(P, idx, up)) {
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

/* ------------------------------------------------------------------ values -- */

/* A long string goes in place, if the state may lend it. */
static bool pack_lent(struct ti_packer *P, int idx) {
  bool outcome = P->style == PACK_RESULTS || P->style == PACK_ERROR;
  struct ti_borrowed *loan = ti_borrow_string(P->L, idx, P->transfer, outcome);
  if (loan == NULL) return false;
  ti_pack_tag(P, WIRE_LENT);
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
    if (len < BORROWED_LEAST || !pack_lent(P, idx)) ti_scalar_put_string(P->b, s, len);
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

static int say_yes(lua_CFunction fn, void *ud) {
  (void)fn, (void)ud;
  return 1;
}

const struct ti_pack_rules ti_pack_addresses = {say_yes, NULL, false, false};

/* Of states that are no workers, for what is not packed for an executor: shares, promises. */
static const struct ti_pack_rules script_rules = {NULL, NULL, true, true};

/* Protected: the packer, then the values. */
static int pack_body(lua_State *L) {
  struct ti_packer *P = (struct ti_packer *)lua_touserdata(L, 1);
  struct ti_codec_state *x;
  int n = lua_gettop(L) - 1;
  luaL_checkstack(L, 16, NULL);
  P->x = x = ti_codec_state_get(L);
  P->transfer = lua_gettop(L);
  if (P->rules == NULL) P->rules = x->rules != NULL ? x->rules : &script_rules;
  P->loose = false;
  if (!x->late) P->memo.spare = &x->memo;
  if (!x->layout.known) ti_lua_internals_find(L, &x->layout);
  ti_borrow_look(L, x, P->transfer);
  lua_pushnil(L);
  P->globals = lua_gettop(L);
  P->guarded = P->guarded || x->wary;
  if (P->guarded)
    lua_newtable(L);
  else
    lua_pushnil(L);
  P->kept = lua_gettop(L);
  lua_pushglobaltable(L);
  P->env = lua_topointer(L, -1);
  ti_pack_enter(P);
  ti_buffer_put_varint(P->b, (uint64_t)n);
  for (int i = 1; i <= n; i++) {
    struct ti_value_path at = {NULL, STEP_NAMED, 0, 0, NULL};
    switch (P->style) {
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
    ti_pack_value(P, i + 1, &at);
  }
  ti_pack_globals_put(P);
  if (P->b->failed) ti_pack_no_memory(P);
  x->wary = P->met;
  return 0;
}

/* Tells the program that a message is being packed (spec/support/sanitizer/lua_main.c). */
#ifdef TI_COLLECT
__attribute__((weak, visibility("default"))) void ti_pack_collecting(int change);
#define TELL(change) (ti_pack_collecting != NULL ? ti_pack_collecting(change) : (void)0)
#else
#define TELL(change) ((void)0)
#endif

/* Packs the n values on top, and pops them. */
static int pack_once(lua_State *L, struct ti_packer *P, int n) {
  int status;
  P->again = false;
  P->indexed = P->loose = false;
  P->depth = P->room = 0;
  P->open = NULL;
  P->opened = P->boundary = NULL;
  P->errormeta = P->plainmeta = NULL;
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
  unrest(P);
  return status;
}

/* More values than this are guarded from the start, and so are those that there is no room to
** copy. */
enum { MOST_COPIED = 100 };

/* Not part of ti_pack_values: a packer is more than a page of the stack, which most workers never
** touch. */
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
  P.met = P.resting = false;
  P.windows = 0;
  luaL_checkstack(L, 8, NULL);
  P.guarded = n > MOST_COPIED || !lua_checkstack(L, n + 8);
  if (P.guarded) return pack_once(L, &P, n);
  for (int i = 0; i < n; i++) lua_pushvalue(L, first + i);
  status = pack_once(L, &P, n);
  if (P.again) {
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
