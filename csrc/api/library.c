/*
** api/library: what belongs to no object of the API.
**
** SPDX-License-Identifier: MIT
*/
#include "api/library.h"

#include "codec/codec_state.h"
#include "codec/reftype.h"
#include "luautil/error.h"
#include "platform/cpu_count.h"
#include "platform/signal.h"
#include "util/errcode.h"

const struct ti_library_copy ti_library_this_copy = {TIDE_VERSION, luaopen_tidepool_core};

void tide_makeknown(lua_State *L, const char *from) {
  ti_library_copy_claim(L, &ti_library_this_copy, from);
}

const char *tide_kindname(int kind) { return ti_errcode_name(kind); }

int tide_cpu_count(void) { return ti_cpu_count_get(); }

const char *tide_signal_problem(int sig) {
  const char *unfit = ti_signal_unfit(sig);
  if (unfit == NULL && ti_signal_taken(sig)) return "the program handles or ignores it";
  return unfit;
}

void tide_pusherror(lua_State *L, int kind, const char *message) {
  ti_error_push(L, kind, message);
}

void tide_pushwhere(lua_State *L) { ti_error_where(L); }

int tide_errorkind(lua_State *L, int idx) { return ti_error_kind(L, idx); }

int tide_stringerrors(lua_State *L, int on) { return ti_codec_state_set_error_strings(L, on != 0); }

void tide_pusherrormessage(lua_State *L, int idx) { ti_error_message(L, idx); }

void tide_setreftype(lua_State *L, int idx, const tide_reftype *type) {
  ti_reftype_set(L, idx, type);
}
