/* link: lua */
/*
** unpack_test.c: a message that was packed is unpacked; a damaged one is refused.
**
** Unpacks every truncation of many messages, and messages with random bits flipped (the seed is
** TIDE_SEED). Under AddressSanitizer this shows that nothing is read out of bounds. A refusal must
** be an error of kind transfer, or what the module raises to which a flipped name leads. The bytes
** contain no bytecode, so no flip reaches lua_load.
** One thread: ThreadSanitizer's run leaves this test out.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "luautil/error.h"
#include "codec/pack.h"
#include "codec/reftype.h"
#include "codec/unpack.h"
#include "codec/wire.h"
#include "check.h"

static unsigned long long seed;

static unsigned rnd(unsigned n) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (unsigned)(seed % n);
}

/* A module that may be a C library's: its functions and tables are sent by name, or as name and
** copy. */
static const char a_module[] =
    "module = {f = coroutine.wrap(print), data = {1, mt = {__name = 'x'}, list = {1, 2, {}}}}"
    " module.data.self = module.data package.preload.module = next package.loaded.module = module";

static lua_State *new_state(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  CHECK(luaL_dostring(L, a_module) == LUA_OK);
  return L;
}

/* Expressions. The tests pack their values. */
static const char *const sources[] = {
    "nil, true, false, 0, -1, math.maxinteger, math.mininteger, 0.5, -0.0, 1/0, 0/0",
    "'', 'x', ('long'):rep(50), 'a\\0b'",
    "{}, {1,2,3}, {1.5,2.5}, {1,2.5,'x',true}, {x=1,y={z=2}}, {[1]='a',[3]='c',[2.5]=0}",
    "(function() local t = {} t.self = t t[1] = t return t end)()",
    "(function() local s = {} return {s, s, {s}} end)()",
    "setmetatable({1}, {__index = {a = 1}, __name = 'meta'})",
    "print, string.format, io.stdout, string, math.pi, _G",
    "(function() local n = 0; local function f() n = n + 1 return n end"
    " local function g() return n, f end return f, g end)()",
    "function(n) return n <= 1 and 1 or n * fact(n - 1) end",
    "(function() local f; f = function(n) return n == 0 and 0 or f(n - 1) end return f end)()",
    "setmetatable({}, {__transfer = function() return 'string.rep', 'ab', 3 end})",
    "(function() local t = {} for i = 1, 50 do t[i] = {id = i, name = 'n' .. i,"
    " tags = {'a', 'b'}} end return t end)()",
    "coroutine.wrap, setmetatable({}, getmetatable(''))",
    "('lent'):rep(20000), {('x'):rep(70000)}",
    "(function() local t = {} for i = 1, 90 do t[i] = 'key' .. i % 45 end return t end)()",
    "module.data, setmetatable({}, module.data.mt), module.data.list, module.f",
    "setmetatable({}, {__transfer = function() local a = {} for i = 1, 100 do"
    " a[i] = {{{{{{i}}}}}} end return 'table.pack', table.unpack(a) end})",
};
#define NSOURCES (sizeof sources / sizeof *sources)

/* Packs the values of an expression into *m. Returns false if the expression or the writer raises
** an error. */
static bool pack_source(lua_State *L, const char *source, struct ti_message *m) {
  lua_settop(L, 0);
  lua_pushfstring(L, "fact = fact or function(n) return n end return %s", source);
  if (luaL_dostring(L, lua_tostring(L, -1)) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    return false;
  }
  lua_remove(L, 1);
  ti_message_init(m, &ti_alloc_default);
  return ti_pack_by(L, m, lua_gettop(L), PACK_RESULTS, &ti_pack_addresses) == LUA_OK;
}

static int unpack_body(lua_State *L) {
  const struct ti_message *m = (const struct ti_message *)lua_touserdata(L, 1);
  return ti_unpack_values(L, m, 0, (enum ti_unpack_allowed)lua_tointeger(L, 2));
}

static int try_allowed(lua_State *L, const struct ti_message *m, enum ti_unpack_allowed allowed) {
  union {
    const struct ti_message *in;
    void *out;
  } p;
  p.in = m;
  lua_settop(L, 0);
  lua_pushcfunction(L, unpack_body);
  lua_pushlightuserdata(L, p.out);
  lua_pushinteger(L, allowed);
  return lua_pcall(L, 2, LUA_MULTRET, 0);
}

static int try_unpack(lua_State *L, const struct ti_message *m) {
  return try_allowed(L, m, UNPACK_ALL);
}

/* Returns m with the first `len` bytes in a block of that size, so that AddressSanitizer reports a
** read of one byte too many. The caller frees the block. The parts are m's. */
static struct ti_message copy_of(const struct ti_message *m, size_t len) {
  struct ti_message copy = *m;
  copy.bytes.data = (unsigned char *)malloc(len > 0 ? len : 1);
  if (len > 0) memcpy(copy.bytes.data, m->bytes.data, len);
  copy.bytes.len = copy.bytes.cap = len;
  return copy;
}

static void test_round_trips(lua_State *from, lua_State *to) {
  for (size_t i = 0; i < NSOURCES; i++) {
    struct ti_message m;
    CHECK(pack_source(from, sources[i], &m));
    CHECK(try_unpack(to, &m) == LUA_OK);
    CHECK(lua_gettop(to) >= 1);
    ti_message_fini(&m);
  }
}

static void test_values(lua_State *from, lua_State *to) {
  struct ti_message m;
  CHECK(pack_source(from, sources[0], &m));
  CHECK(try_unpack(to, &m) == LUA_OK);
  CHECK(lua_gettop(to) == 11);
  CHECK(lua_isnil(to, 1) && lua_toboolean(to, 2) && lua_isboolean(to, 3) && !lua_toboolean(to, 3));
  CHECK(lua_isinteger(to, 4) && lua_tointeger(to, 5) == -1);
  CHECK(lua_tointeger(to, 6) == LUA_MAXINTEGER && lua_tointeger(to, 7) == LUA_MININTEGER);
  CHECK(!lua_isinteger(to, 9) && 1 / lua_tonumber(to, 9) < 0);
  CHECK(lua_tonumber(to, 11) != lua_tonumber(to, 11));
  ti_message_fini(&m);
  /* shared upvalues stay shared, and each message has its own */
  for (int round = 0; round < 2; round++) {
    CHECK(pack_source(from, sources[7], &m));
    CHECK(try_unpack(to, &m) == LUA_OK);
    lua_pushvalue(to, 1);
    lua_call(to, 0, 1);
    CHECK(lua_tointeger(to, -1) == 1);
    lua_pushvalue(to, 2);
    lua_call(to, 0, 2);
    CHECK(lua_tointeger(to, -2) == 1);
    CHECK(lua_rawequal(to, -1, 1));
    ti_message_fini(&m);
  }
}

/* Sends more strings than the writer remembers and the reader has slots for, each several times. */
static void test_strings(lua_State *from, lua_State *to) {
  struct ti_message m;
  CHECK(pack_source(from,
                    "(function() local t = {} for i = 1, 5000 do"
                    " t[i] = (i % 3 == 0 and 'short' or ('long'):rep(12)) .. i * 7 % 1500 end"
                    " return t end)()",
                    &m));
  CHECK(try_unpack(to, &m) == LUA_OK && lua_rawlen(to, 1) == 5000);
  for (int i = 1; i <= 5000; i++) {
    char expected[80];
    lua_rawgeti(to, 1, i);
    snprintf(expected, sizeof expected, "%s%d",
             i % 3 == 0 ? "short" : "longlonglonglonglonglonglonglonglonglonglonglong",
             i * 7 % 1500);
    if (strcmp(lua_tostring(to, -1), expected) != 0) CHECK(!"the string that was sent");
    lua_pop(to, 1);
  }
  ti_message_fini(&m);
}

static void test_truncations(lua_State *from, lua_State *to) {
  for (size_t i = 0; i < NSOURCES; i++) {
    struct ti_message m;
    CHECK(pack_source(from, sources[i], &m));
    for (size_t len = 0; len < m.bytes.len; len++) {
      struct ti_message cut = copy_of(&m, len);
      int status = try_unpack(to, &cut);
      CHECK(status == LUA_ERRRUN && ti_error_kind(to, -1) == TIDE_ETRANSFER);
      free(cut.bytes.data);
    }
    ti_message_fini(&m);
  }
}

static void test_flips(lua_State *from, lua_State *to, int rounds) {
  long refused = 0;
  for (int r = 0; r < rounds; r++) {
    struct ti_message m, copy;
    size_t i = rnd((unsigned)NSOURCES);
    CHECK(pack_source(from, sources[i], &m));
    for (int again = 0; again < 20; again++) {
      copy = copy_of(&m, m.bytes.len);
      for (unsigned flips = 1 + rnd(3); flips > 0; flips--)
        copy.bytes.data[rnd((unsigned)copy.bytes.len)] ^= (unsigned char)(1u << rnd(8));
      refused += try_unpack(to, &copy) != LUA_OK;
      free(copy.bytes.data);
    }
    ti_message_fini(&m);
    lua_settop(to, 0);
  }
  CHECK(refused > 0);
}

static void test_random_bytes(lua_State *to, int rounds) {
  long refused = 0;
  for (int r = 0; r < rounds; r++) {
    struct ti_message m;
    size_t len = rnd(60);
    ti_message_init(&m, &ti_alloc_default);
    for (size_t i = 0; i < len; i++)
      ti_buffer_put_u8(&m.bytes, i == 0 ? rnd(4) : rnd(4) ? rnd(24) : rnd(256));
    struct ti_message exact = copy_of(&m, m.bytes.len);
    refused += try_unpack(to, &exact) != LUA_OK;
    free(exact.bytes.data);
    ti_message_fini(&m);
  }
  CHECK(refused > rounds / 2);
}

/* A message of functions without its parts is refused. */
static void test_no_parts(lua_State *from, lua_State *to) {
  struct ti_message m, bare;
  CHECK(pack_source(from, sources[9], &m));
  bare = copy_of(&m, m.bytes.len);
  bare.nparts = 0;
  CHECK(try_unpack(to, &bare) == LUA_ERRRUN && ti_error_kind(to, -1) == TIDE_ETRANSFER);
  free(bare.bytes.data);
  ti_message_fini(&m);
}

/* Returns whether the error on top of `to` is of kind transfer and its message has `what` in it. */
static bool refused(lua_State *to, const char *what) {
  bool is = ti_error_kind(to, -1) == TIDE_ETRANSFER;
  lua_getfield(to, -1, "message");
  return is && strstr(lua_tostring(to, -1), what) != NULL;
}

/* Where only data is allowed, data is unpacked. Whatever leads to running code is refused, wherever
** it is in the message. */
static void test_allowed(lua_State *from, lua_State *to) {
  static const char *const cases[][2] = {
      {"nil, true, -1, 0.5, 'x', ('long'):rep(50), {1, {2.5, x = {}}}", NULL},
      {"(function() local t = {} t.self = t return setmetatable(t, {__name = 'meta'}) end)()",
       NULL},
      {"('lent'):rep(20000)", NULL},
      {"function() end", "a function"},
      {"1, {{x = function() return fact end}}", "a function"},
      {"setmetatable({}, {__gc = function() end})", "a function"},
      {"getmetatable(io.stdout).__tostring", "a function"},
      {"string.format", "the name of a module"},
      {"{string}", "the name of a module"},
      {"module.f", "the name of a module"},
      {"{module.data}", "the name of a module"},
      {"setmetatable({}, {__transfer = function() return 'os.exit', 1 end})",
       "a call of a function"},
      {"_G", "the globals"},
      {"setmetatable({}, {__index = _G})", "the globals"},
  };
  struct ti_message m;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    CHECK(pack_source(from, cases[i][0], &m));
    if (cases[i][1] == NULL)
      CHECK(try_allowed(to, &m, UNPACK_DATA) == LUA_OK);
    else
      CHECK(try_allowed(to, &m, UNPACK_DATA) == LUA_ERRRUN && refused(to, cases[i][1]));
    ti_message_fini(&m);
  }
  ti_message_init(&m, &ti_alloc_default);
  lua_pushlightuserdata(from, &m);
  CHECK(ti_pack_values(from, &m, 1, PACK_RESULTS) == LUA_OK);
  CHECK(try_allowed(to, &m, UNPACK_DATA) == LUA_ERRRUN && refused(to, "a light userdata"));
  ti_message_fini(&m);
  ti_message_init(&m, &ti_alloc_default); /* a global without a function */
  ti_buffer_put(&m.bytes, "\0", 1);
  ti_buffer_put_u8(&m.bytes, WIRE_STRING);
  ti_buffer_put(&m.bytes, "\5print", 6);
  ti_buffer_put_u8(&m.bytes, WIRE_NIL);
  ti_buffer_put_u8(&m.bytes, WIRE_END);
  CHECK(try_allowed(to, &m, UNPACK_ALL) == LUA_OK);
  CHECK(try_allowed(to, &m, UNPACK_DATA) == LUA_ERRRUN && refused(to, "a global"));
  ti_message_fini(&m);
}

static void put_name(struct ti_message *m, unsigned tag, const char *name, size_t len) {
  ti_message_init(m, &ti_alloc_default);
  ti_buffer_put_varint(&m->bytes, 1);
  ti_buffer_put_u8(&m->bytes, tag);
  ti_buffer_put_varint(&m->bytes, len);
  ti_buffer_put(&m->bytes, name, len);
}

/* Names without a valid form, and names that lead to nothing, are refused. */
static void test_names(lua_State *to) {
  static const struct {
    const char *name;
    size_t len;
    bool good;
  } cases[] = {
#define CASE(text, good) {text "", sizeof(text) - 1, (good)}
      CASE("string", true),
      CASE("string\0", true),
      CASE("string\0.\6format", true),
      CASE("string\0.\7format", false),
      CASE("string\0.\5forma", false),
      CASE("string\0.\xff\xff\xff\xff\xff\xff\xff\xff\xff\1x", false),
      CASE("string\0.", false),
      CASE("string\0x", false),
      CASE("string\0m", false),
      CASE("string\0mmmm", false),
      CASE("string\0.\6formatm", false),
      CASE("string\0.\6format.\1x", false),
      CASE("string\0.\6format^\1\1x", false),
      CASE("string\0.\6format^\0\0", false),
      CASE("string\0^\1\1x", false),
      CASE("string\0.\6format^\xff\xff\xff\xff\x0f\1x", false),
      CASE("module\0.\4data.\2mt", true),
      CASE("module\0.\4data.\2mt.\6__name.\1x", false),
      CASE("string\1salias\1lno.such.module\1\1s\1", true),
      CASE("", false),
      CASE("\0", false),
      CASE("\1\1\0", false),
#undef CASE
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct ti_message m, copy;
    for (int either = 0; either < 2; either++) {
      put_name(&m, either ? WIRE_EITHER : WIRE_NAME, cases[i].name, cases[i].len);
      if (either) ti_buffer_put(&m.bytes, "\x09\0\0\0\0\0\0\0\0", 9); /* an empty table */
      ti_buffer_put_u8(&m.bytes, WIRE_END);
      copy = copy_of(&m, m.bytes.len);
      CHECK((try_unpack(to, &copy) == LUA_OK) == (either || cases[i].good));
      CHECK(!either || (lua_istable(to, -1) && lua_rawlen(to, -1) == 0));
      CHECK(try_allowed(to, &copy, UNPACK_DATA) == LUA_ERRRUN &&
            refused(to, "the name of a module"));
      free(copy.bytes.data);
      ti_message_fini(&m);
    }
  }
  /* only a table or a function may follow a name */
  for (unsigned tag = WIRE_NIL; tag < 64; tag++) {
    struct ti_message m;
    if (tag == WIRE_TABLE || tag == WIRE_TABLE_INTS || tag == WIRE_TABLE_FLOATS) continue;
    put_name(&m, WIRE_EITHER, "module\0.\4data", 13);
    ti_buffer_put_u8(&m.bytes, tag);
    ti_buffer_put_u8(&m.bytes, WIRE_END);
    CHECK(try_unpack(to, &m) == LUA_ERRRUN);
    ti_message_fini(&m);
  }
}

/* Of a name and a copy the receiver takes its own object if that has the same content, else the
** copy. */
static void test_either(lua_State *from, lua_State *to) {
  struct ti_message m;
  for (int changed = 0; changed < 2; changed++) {
    if (changed) CHECK(luaL_dostring(from, "module.data.list[3].x = 1") == LUA_OK);
    CHECK(pack_source(from, "{module.data, module.data, module.data.mt, module.f}", &m));
    CHECK(try_unpack(to, &m) == LUA_OK);
    lua_setglobal(to, "t");
    CHECK(luaL_loadstring(to, "local changed = ... assert(t[1] == t[2] and t[1].self == t[1])"
                              " assert((t[1] ~= module.data) == changed and t[3] == module.data.mt)"
                              " assert(t[4] == module.f and (t[1].list[3].x == 1) == changed)"
                              " assert(t[1].mt == t[3])") == LUA_OK);
    lua_pushboolean(to, changed);
    CHECK(lua_pcall(to, 1, 0, 0) == LUA_OK);
    if (lua_gettop(to) > 0) printf("%s\n", lua_tostring(to, -1));
    ti_message_fini(&m);
  }
}

static void test_depth(lua_State *from, lua_State *to) {
  struct ti_message m;
  CHECK(pack_source(from, "(function() local t = {} for _ = 1, 998 do t = {t} end return t end)()",
                    &m));
  CHECK(try_unpack(to, &m) == LUA_OK);
  ti_message_fini(&m);
  CHECK(!pack_source(
      from, "(function() local t = {} for _ = 1, 1000 do t = {t} end return t end)()", &m));
  CHECK(ti_error_kind(from, -1) == TIDE_ETRANSFER);
  ti_message_fini(&m);
}

/* An allocator whose allocation number `countdown` fails. */
struct failing {
  long countdown;
};

static void *failing_alloc(void *ud, void *p, size_t osize, size_t nsize) {
  struct failing *f = (struct failing *)ud;
  (void)osize;
  if (nsize == 0) {
    free(p);
    return NULL;
  }
  return f->countdown-- == 0 ? NULL : realloc(p, nsize);
}

/* Each allocation of the writer fails once. */
static void test_out_of_memory(lua_State *from) {
  struct failing f;
  struct ti_alloc mem = {failing_alloc, &f};
  struct ti_message m;
  int status = LUA_ERRRUN;
  for (long n = 0; status != LUA_OK && n < 1000; n++) {
    lua_settop(from, 0);
    CHECK(luaL_dostring(from, "local t = {} for i = 1, 100 do t[i] = {'v' .. i} end return t,"
                              " function() return t end, print") == LUA_OK);
    f.countdown = n;
    ti_message_init(&m, &mem);
    status = ti_pack_values(from, &m, 3, PACK_RESULTS);
    ti_message_fini(&m);
  }
  CHECK(status == LUA_OK);
}

int main(void) {
  lua_State *from = new_state(), *to = new_state();
  const char *s = getenv("TIDE_SEED"), *n = getenv("TIDE_ROUNDS"), *san = getenv("SAN");
  int rounds = n != NULL ? atoi(n) : san != NULL && *san != '\0' ? 1000 : 3000;
  seed = s != NULL ? strtoull(s, NULL, 0) : (unsigned long long)time(NULL) * 2654435761u + 1;
  printf("seed %llu\n", seed);
  if (seed == 0) seed = 1;
  test_round_trips(from, to);
  test_values(from, to);
  test_strings(from, to);
  test_truncations(from, to);
  test_flips(from, to, rounds);
  test_random_bytes(to, 10 * rounds);
  test_no_parts(from, to);
  test_allowed(from, to);
  test_names(to);
  test_either(from, to);
  test_depth(from, to);
  test_out_of_memory(from);
  lua_close(from);
  lua_close(to);
  return check_done();
}
