/*
** codec/outcome: how a call ended, as a task's message.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/outcome.h"

#include <lauxlib.h>

#include "luautil/error.h"
#include "codec/pack.h"

static int describe(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

void ti_outcome_push_text(lua_State *L) {
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

void ti_outcome_trace(lua_State *L, const char *name, struct ti_buffer *b) {
  size_t len;
  const char *text;
  luaL_checkstack(L, 8, NULL);
  ti_outcome_push_text(L);
  luaL_traceback(L, L, lua_tostring(L, -1), 1);
  text = lua_tolstring(L, -1, &len);
  b->len = 0;
  b->failed = false;
  ti_buffer_put(b, text, len);
  if (name != NULL && name[0] != '\0') {
    text = lua_pushfstring(L, "\n\t(in task '%s')", name);
    ti_buffer_put(b, text, strlen(text));
  }
  lua_settop(L, 1);
}

void ti_outcome_put_text(struct ti_buffer *b, const char *s, size_t len) {
  ti_buffer_put_varint(b, len);
  ti_buffer_put(b, s, len);
}

void ti_outcome_restart(struct ti_message *out) {
  const struct ti_alloc *mem = out->bytes.mem;
  ti_message_fini(out);
  ti_message_init(out, mem);
}

struct failure {
  const struct ti_buffer *traceback;
  struct ti_message *out;
  bool task_code;
  int outcome;
};

/* Puts an outcome of this kind, with the message of the error object on top. Returns its error
** code. */
static int put_kind(lua_State *L, const struct failure *f, int code) {
  struct ti_buffer *b = &f->out->bytes;
  size_t len = 0;
  const char *text;
  ti_error_message(L, -1);
  text = lua_tolstring(L, -1, &len);
  ti_outcome_put_text(b, text, len);
  ti_outcome_put_text(b, (const char *)f->traceback->data, f->traceback->len);
  return b->failed ? TIDE_ENOMEM : code;
}

/* Protected: fills the outcome's message. (failure, error value) -> () */
static int failure_body(lua_State *L) {
  struct failure *f = (struct failure *)lua_touserdata(L, 1);
  if (!f->task_code && ti_error_kind(L, 2) == TIDE_ETRANSFER) {
    f->outcome = put_kind(L, f, TIDE_ETRANSFER);
    return 0;
  }
  lua_settop(L, 2);
  for (int tries = 0; tries < 2; tries++) {
    int status;
    ti_outcome_put_text(&f->out->bytes, (const char *)f->traceback->data, f->traceback->len);
    status = ti_pack_values(L, f->out, 1, PACK_ERROR);
    if (status == LUA_OK) {
      f->outcome = TIDE_EERROR;
      return 0;
    }
    ti_outcome_restart(f->out);
    if (status == LUA_ERRMEM) return 0;
    if (ti_error_kind(L, -1) == TIDE_ETRANSFER) break;
    /* else the value's __transfer raised this error, which replaces it, but only once */
    if (tries > 0) ti_error_push(L, TIDE_ETRANSFER, "error value: __transfer raised an error");
  }
  f->outcome = put_kind(L, f, TIDE_ETRANSFER);
  return 0;
}

int ti_outcome_fail(lua_State *L, const struct ti_buffer *traceback, bool task_code,
                    struct ti_message *out) {
  struct failure f = {traceback, out, task_code, TIDE_ENOMEM};
  ti_outcome_restart(out);
  lua_pushcfunction(L, failure_body);
  lua_insert(L, -2);
  lua_pushlightuserdata(L, &f);
  lua_insert(L, -2);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
    lua_pop(L, 1);
    f.outcome = TIDE_ENOMEM;
  }
  if (f.outcome == TIDE_ENOMEM) ti_outcome_restart(out);
  return f.outcome;
}

int ti_outcome_warn_final(lua_State *L) {
  const struct ti_buffer *b = (const struct ti_buffer *)lua_touserdata(L, 2);
  const char *text;
  if (b->len > 0)
    lua_pushlstring(L, (const char *)b->data, b->len);
  else
    ti_outcome_push_text(L);
  text = lua_tostring(L, -1);
  lua_warning(L, "tidepool: error in the finalizer of a worker: ", 1);
  lua_warning(L, text != NULL ? text : "?", 0);
  return 0;
}
