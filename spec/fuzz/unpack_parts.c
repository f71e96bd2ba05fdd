/*
** unpack_parts: the parts that a message of the unpack target may have.
**
** Made once, never freed, and used by each message: code of functions that this program compiled, a
** C function, an object sent by reference, a borrowed string, and a part of an unknown type.
**
** SPDX-License-Identifier: MIT
*/
#include "unpack_parts.h"

#include <lauxlib.h>
#include <string.h>

#include "codec/code.h"
#include "codec/borrow.h"
#include "codec/pack.h"
#include "codec/reftype.h"
#include "fuzz.h"

enum { CODES = 5, CFUNCTION = CODES, OBJECT, LOAN, STRANGE, KINDS };

/* By number of upvalues; the last has two, like the third, and one is the environment. */
static const char functions[] = "local a, b, c return"
                                " function() end,"
                                " function() return a end,"
                                " function() return function() return a end, b end,"
                                " function() return a, b, c end,"
                                " function() h = g return a end";

static struct ti_message_part parts[KINDS];

static int count_upvalues(lua_State *L) {
  lua_pushinteger(L, lua_gettop(L));
  return 1;
}

static void *hold_object(lua_State *L, int idx) {
  (void)idx;
  return L != NULL ? &parts[OBJECT] : NULL; /* any address */
}

static void push_object(lua_State *L, void *object);
static void rele_object(void *object) { WANT(object == &parts[OBJECT]); }

static const tide_reftype object_type = {"object", hold_object, push_object, rele_object, NULL};

static void push_object(lua_State *L, void *object) {
  WANT(object == &parts[OBJECT]);
  luaL_checkstack(L, 3, NULL);
  lua_newuserdatauv(L, 1, 0);
  lua_newtable(L);
  ti_reftype_set(L, -1, &object_type);
  lua_setmetatable(L, -2);
}

static void make_parts(void) {
  static struct ti_message m; /* keeps the code */
  static struct ti_borrowed loan = {.data = "a string on loan", .len = 16};
  lua_State *L = luaL_newstate();
  lua_CFunction fn = count_upvalues;
  WANT(L != NULL && luaL_dostring(L, functions) == LUA_OK);
  ti_message_init(&m, &ti_alloc_default);
  WANT(ti_pack_by(L, &m, CODES, PACK_RESULTS, &ti_pack_addresses) == LUA_OK && m.nparts == CODES);
  lua_close(L);
  for (size_t i = 0; i < CODES; i++) {
    parts[i] = *ti_message_part(&m, i);
    parts[i].rele = NULL;
  }
  parts[CFUNCTION].type = &ti_reftype_cfunction_part;
  memcpy(&parts[CFUNCTION].object, &fn, sizeof fn);
  parts[OBJECT].type = &object_type;
  parts[OBJECT].object = &parts[OBJECT];
  parts[LOAN].type = &ti_borrowed_part;
  parts[LOAN].object = &loan;
}

void parts_add(struct ti_message *m, unsigned kind) {
  const struct ti_message_part *part = &parts[kind % KINDS];
  size_t index;
  if (parts[0].type == NULL) make_parts();
  WANT(ti_message_add_part(m, part->type, part->object, NULL, &index));
}

unsigned parts_kind(const struct ti_message_part *part) {
  if (part->type == &ti_reftype_cfunction_part) return CFUNCTION;
  if (part->type == &ti_borrowed_part) return LOAN;
  if (part->type == &ti_code_part) {
    const struct ti_code *c = (const struct ti_code *)part->object;
    if (c->nup == 2 && c->nglobals > 0) return CODES - 1;
    if (c->nup < CODES - 1) return (unsigned)c->nup;
  }
  return part->type != NULL ? OBJECT : STRANGE;
}
