/*
** unpack_parts: the parts that a message of the unpack target may have.
**
** Made once, never freed, borrowed by each message: code of functions that this program compiled,
** a C function, an object sent by reference, a lent string, and a part of nobody's type.
**
** SPDX-License-Identifier: MIT
*/
#include "unpack_parts.h"

#include <lauxlib.h>
#include <string.h>

#include "../../csrc/code.h"
#include "../../csrc/lend.h"
#include "../../csrc/pack.h"
#include "../../csrc/reftype.h"
#include "fuzz.h"

enum { CODES = 5, CFUNCTION = CODES, OBJECT, LOAN, STRANGE, KINDS };

/* By number of upvalues; the last has two, like the third, and one is the environment. */
static const char functions[] = "local a, b, c return"
                                " function() end,"
                                " function() return a end,"
                                " function() return function() return a end, b end,"
                                " function() return a, b, c end,"
                                " function() h = g return a end";

static struct part parts[KINDS];

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

static const struct reftype object_type = {"object", hold_object, push_object, rele_object, NULL};

static void push_object(lua_State *L, void *object) {
  WANT(object == &parts[OBJECT]);
  luaL_checkstack(L, 3, NULL);
  lua_newuserdatauv(L, 1, 0);
  lua_newtable(L);
  tide_reftype_set(L, -1, &object_type);
  lua_setmetatable(L, -2);
}

static void make_parts(void) {
  static struct message m; /* keeps the code */
  static struct loan loan = {.data = "a string on loan", .len = 16};
  lua_State *L = luaL_newstate();
  lua_CFunction fn = count_upvalues;
  WANT(L != NULL && luaL_dostring(L, functions) == LUA_OK);
  tide_message_init(&m, &tide_mem_default);
  WANT(tide_pack_by(L, &m, CODES, PACK_RESULTS, &tide_pack_addresses) == LUA_OK &&
       m.nparts == CODES);
  lua_close(L);
  for (size_t i = 0; i < CODES; i++) {
    parts[i] = *tide_message_part(&m, i);
    parts[i].rele = NULL;
  }
  parts[CFUNCTION].type = &tide_cfunction_part;
  memcpy(&parts[CFUNCTION].object, &fn, sizeof fn);
  parts[OBJECT].type = &object_type;
  parts[OBJECT].object = &parts[OBJECT];
  parts[LOAN].type = &tide_loan_part;
  parts[LOAN].object = &loan;
}

void parts_add(struct message *m, unsigned kind) {
  const struct part *part = &parts[kind % KINDS];
  size_t index;
  if (parts[0].type == NULL) make_parts();
  WANT(tide_message_addpart(m, part->type, part->object, NULL, &index));
}

unsigned parts_kind(const struct part *part) {
  if (part->type == &tide_cfunction_part) return CFUNCTION;
  if (part->type == &tide_loan_part) return LOAN;
  if (part->type == &tide_code_part) {
    const struct code *c = (const struct code *)part->object;
    if (c->nup == 2 && c->nglobals > 0) return CODES - 1;
    if (c->nup < CODES - 1) return (unsigned)c->nup;
  }
  return part->type != NULL ? OBJECT : STRANGE;
}
