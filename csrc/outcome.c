/*
** tidepool, floor 2: outcome, how a call ended, as a task's message.
**
** SPDX-License-Identifier: MIT
*/
#include "outcome.h"

#include <lauxlib.h>

#include "error.h"
#include "pack.h"

static int describe(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

void tide_outcome_pushtext(lua_State *L) {
  if (lua_type(L, 1) == LUA_TSTRING) {
    lua_pushvalue(L, 1);
    return;
  }
  if (luaL_getmetafield(L, 1, "__tostring") != LUA_TNIL) {
    lua_pushcfunction(L, describe);
    lua_pushvalue(L, 1);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK) return;
  }
  lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
}

void tide_outcome_trace(lua_State *L, const char *name, struct bytes *b) {
  size_t len;
  const char *text;
  luaL_checkstack(L, 8, NULL);
  tide_outcome_pushtext(L);
  luaL_traceback(L, L, lua_tostring(L, -1), 1);
  text = lua_tolstring(L, -1, &len);
  b->len = 0;
  b->failed = false;
  tide_bytes_put(b, text, len);
  if (name != NULL && name[0] != '\0') {
    text = lua_pushfstring(L, "\n\t(in task '%s')", name);
    tide_bytes_put(b, text, strlen(text));
  }
  lua_settop(L, 1);
}

void tide_outcome_puttext(struct bytes *b, const char *s, size_t len) {
  tide_bytes_put_varint(b, len);
  tide_bytes_put(b, s, len);
}

void tide_outcome_restart(struct message *out) {
  const struct mem *mem = out->bytes.mem;
  tide_message_fini(out);
  tide_message_init(out, mem);
}

struct failure {
  const struct bytes *traceback;
  struct message *out;
  bool task_code;
  int outcome;
};

/* A kind's outcome with the message of the error object on top. */
static int put_kind(lua_State *L, const struct failure *f, int fault) {
  struct bytes *b = &f->out->bytes;
  size_t len = 0;
  const char *text;
  tide_error_message(L, -1);
  text = lua_tolstring(L, -1, &len);
  tide_outcome_puttext(b, text, len);
  tide_outcome_puttext(b, (const char *)f->traceback->data, f->traceback->len);
  return b->failed ? FAULT_NOMEM : fault;
}

/* Protected: (failure, error value) to the outcome's message. */
static int failure_body(lua_State *L) {
  struct failure *f = (struct failure *)lua_touserdata(L, 1);
  if (!f->task_code && tide_error_kind(L, 2) == FAULT_TRANSFER) {
    f->outcome = put_kind(L, f, FAULT_TRANSFER);
    return 0;
  }
  lua_settop(L, 2);
  for (int tries = 0; tries < 2; tries++) {
    int status;
    tide_outcome_puttext(&f->out->bytes, (const char *)f->traceback->data, f->traceback->len);
    status = tide_pack(L, f->out, 1, PACK_ERROR);
    if (status == LUA_OK) {
      f->outcome = FAULT_ERROR;
      return 0;
    }
    tide_outcome_restart(f->out);
    if (status == LUA_ERRMEM) return 0;
    if (tide_error_kind(L, -1) == FAULT_TRANSFER) break;
    /* else its __transfer raised this, which takes its place; but only once */
    if (tries > 0) tide_error_push(L, FAULT_TRANSFER, "error value: __transfer raised an error");
  }
  f->outcome = put_kind(L, f, FAULT_TRANSFER);
  return 0;
}

int tide_outcome_fail(lua_State *L, const struct bytes *traceback, bool task_code,
                      struct message *out) {
  struct failure f = {traceback, out, task_code, FAULT_NOMEM};
  tide_outcome_restart(out);
  lua_pushcfunction(L, failure_body);
  lua_insert(L, -2);
  lua_pushlightuserdata(L, &f);
  lua_insert(L, -2);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
    lua_pop(L, 1);
    f.outcome = FAULT_NOMEM;
  }
  if (f.outcome == FAULT_NOMEM) tide_outcome_restart(out);
  return f.outcome;
}

int tide_outcome_warnfinal(lua_State *L) {
  const struct bytes *b = (const struct bytes *)lua_touserdata(L, 2);
  const char *text;
  if (b->len > 0)
    lua_pushlstring(L, (const char *)b->data, b->len);
  else
    tide_outcome_pushtext(L);
  text = lua_tostring(L, -1);
  lua_warning(L, "tidepool: error in the finalizer of a worker: ", 1);
  lua_warning(L, text != NULL ? text : "?", 0);
  return 0;
}
