/* link: lua
**
** bytecode_hostile_test.c: dumps that are cut off, changed, or nested too deep; lack of memory.
**
** The seed of the changes is printed; TIDE_SEED=n makes the same ones again.
** One thread: ThreadSanitizer's run leaves this test out.
**
** SPDX-License-Identifier: MIT
*/
#include <time.h>

#include "bytecode_dump.h"

/* An allocator that refuses after `left` blocks, and counts the blocks in use. */
struct meter {
  long left; /* negative: never refuses */
  long live;
};

static void *meter_alloc(void *ud, void *p, size_t osize, size_t nsize) {
  struct meter *m = (struct meter *)ud;
  void *q;
  (void)osize;
  if (nsize == 0) {
    if (p != NULL) m->live--;
    free(p);
    return NULL;
  }
  if (m->left == 0) return NULL;
  if (m->left > 0) m->left--;
  q = realloc(p, nsize);
  if (p == NULL && q != NULL) m->live++;
  return q;
}

static const char hostile[] =
    "local up, g = 1, {} return function(...) local t <const> = {1, 2.5, 'str', nil, x = true} "
    "local _ENV = _ENV; a.b = c; function d(...) up = 3; return e, ... end "
    "for i = 1, 10 do g[i] = function() return i + up + " LONG " end end "
    "local function nest() return function() return function() return deep end end end "
    "return nest, t end";

/* Calls both functions on a block of exactly this size, so that a sanitizer finds reads beyond it.
** Returns how many of the two accepted the dump. */
static int feed(const unsigned char *data, size_t len, struct ti_bytecode_set envs) {
  unsigned char *copy = (unsigned char *)malloc(len > 0 ? len : 1);
  struct ti_buffer names, out;
  struct ti_bytecode_names found = {12345, 12345, false};
  bool globals, factory;
  if (len > 0) memcpy(copy, data, len);
  ti_buffer_init(&names, &ti_alloc_default);
  ti_buffer_init(&out, &ti_alloc_default);
  ti_buffer_put(&names, "n", 1);
  ti_buffer_put(&out, "o", 1);
  globals = ti_bytecode_globals_list(copy, len, &envs, &names, &found);
  factory = ti_bytecode_factory(copy, len, &out);
  if (globals) {
    struct ti_cursor c;
    ti_buffer_cursor_init(&c, names.data + 1, names.len - 1);
    for (size_t i = found.sure + found.maybe; i > 0 && !c.failed; i--)
      (void)ti_buffer_get(&c, (size_t)ti_buffer_get_varint(&c));
    if (c.failed || c.p != c.end) CHECK(!"names can be read back");
  } else if (found.sure != 12345 || found.maybe != 12345 || names.len != 1 || names.failed) {
    CHECK(!"refusal leaves names alone");
  }
  if (factory ? out.len <= len : out.len != 1 || out.failed) CHECK(!"out grows or stays");
  ti_buffer_fini(&names);
  ti_buffer_fini(&out);
  free(copy);
  return globals + factory;
}

static void test_truncated(lua_State *L, const char *source) {
  int strip;
  run(L, source);
  for (strip = 0; strip <= 1; strip++) {
    struct ti_buffer d = dump(L, strip);
    const struct ti_bytecode_set envs = env_of(L);
    size_t n;
    int taken = 0;
    for (n = 0; n < d.len; n++) taken += feed(d.data, n, envs);
    CHECK(taken == 0);
    CHECK(feed(d.data, d.len, envs) == 2);
    for (n = 0; n < 31; n++) { /* header: of another Lua or another machine */
      d.data[n] ^= 0x40;
      taken += feed(d.data, d.len, envs);
      d.data[n] ^= 0x40;
    }
    CHECK(taken == 0);
    ti_buffer_put_u8(&d, 0x80); /* a byte too many */
    CHECK(feed(d.data, d.len, envs) == 0);
    ti_buffer_fini(&d);
  }
  lua_pop(L, 1);
}

/* Dumps whose parts contradict each other. */
static void test_forged(lua_State *L) {
  struct ti_buffer d;
  struct ti_cursor c;
  struct ti_bytecode_proto f;
  size_t key;
  run(L, "return function() return x, 1.5 end");
  d = dump(L, 1);
  lua_pop(L, 1);
  (void)ti_bytecode_begin(&c, d.data, d.len);
  ti_bytecode_head(&c, &f);
  key = (size_t)(f.code.base - d.data) + 3; /* operand C of GETTABUP */
  CHECK(f.nconsts == 2 && d.data[key] == 0 && feed(d.data, d.len, first_env) == 2);
  d.data[key] = 1; /* no string: refused by globals; no matter to the factory */
  CHECK(feed(d.data, d.len, first_env) == 1);
  d.data[key] = 2; /* no constant */
  CHECK(feed(d.data, d.len, first_env) == 1);
  d.data[key] = 0;
  d.len--; /* names of upvalues: none */
  ti_buffer_put(&d, "\x81\x80", 2);
  CHECK(feed(d.data, d.len, first_env) == 2);
  d.len -= 2; /* as many as there are not: Lua before 5.4.7 would write them anywhere */
  ti_buffer_put(&d, "\x82\x80\x80", 3);
  CHECK(feed(d.data, d.len, first_env) == 0);
  ti_buffer_fini(&d);
}

static void test_flipped(lua_State *L, uint64_t seed, int rounds) {
  struct ti_buffer d[2];
  struct ti_bytecode_set envs;
  int i, taken = 0;
  run(L, hostile);
  envs = env_of(L);
  d[0] = dump(L, 0);
  d[1] = dump(L, 1);
  for (i = 0; i < rounds; i++) {
    struct ti_buffer *b = &d[i & 1];
    unsigned char save[4096];
    size_t flips = 1 + check_random(&seed, 4);
    memcpy(save, b->data, b->len);
    for (; flips > 0; flips--) {
      const size_t bit = check_random(&seed, b->len * 8);
      b->data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    taken += feed(b->data, b->len, envs);
    memcpy(b->data, save, b->len);
  }
  printf("%d flips, %d taken\n", rounds, taken);
  CHECK(feed(d[0].data, d[0].len, envs) == 2 && feed(d[1].data, d[1].len, envs) == 2);
  ti_buffer_fini(&d[0]);
  ti_buffer_fini(&d[1]);
  lua_pop(L, 1);
}

/* A factory's factory is one level deeper: Lua's compiler stops too early for this. */
static void test_depth(lua_State *L) {
  struct ti_buffer d;
  int depth;
  run(L, "return function() end");
  d = dump(L, 1);
  lua_pop(L, 1);
  for (depth = 1; depth <= BYTECODE_MAXDEPTH; depth++) {
    struct ti_buffer out;
    if (feed(d.data, d.len, first_env) != 2) break;
    ti_buffer_init(&out, &ti_alloc_default);
    if (!ti_bytecode_factory(d.data, d.len, &out)) break;
    ti_buffer_fini(&d);
    d = out;
  }
  CHECK(depth == BYTECODE_MAXDEPTH + 1);
  CHECK(feed(d.data, d.len, first_env) == 0);
  ti_buffer_fini(&d);
}

static void test_out_of_memory(lua_State *L) {
  struct meter m = {-1, 0};
  const struct ti_alloc mem = {meter_alloc, &m};
  struct ti_buffer d, out;
  struct ti_bytecode_names found;
  long i;
  bool ok = false;
  run(L, "local t = {} for i = 1, 200 do t[i] = 'name' .. i .. '()' end "
         "return load(table.concat(t, ' '))");
  d = dump(L, 0);
  lua_pop(L, 1);
  for (i = 0; i < 100 && !ok; i++) {
    m.left = i;
    found.sure = 5;
    ti_buffer_init(&out, &mem);
    ok = ti_bytecode_globals_list(d.data, d.len, &first_env, &out, &found);
    CHECK(ok ? found.sure == 200 : found.sure == 5 && out.failed && out.len == 0);
    ti_buffer_fini(&out);
    CHECK(m.live == 0);
  }
  CHECK(ok && i > 4);
  for (i = 0, ok = false; i < 100 && !ok; i++) {
    m.left = i;
    ti_buffer_init(&out, &mem);
    ok = ti_bytecode_factory(d.data, d.len, &out);
    CHECK(ok || (out.failed && out.len == 0));
    ti_buffer_fini(&out);
    CHECK(m.live == 0);
  }
  CHECK(ok && i > 1);
  ti_buffer_fini(&d);
}

int main(void) {
  const uint64_t seed = check_seed((uint64_t)time(NULL));
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  test_truncated(L, hostile);
  test_truncated(L, "return function() end");
  test_truncated(L, "return function(...) a.b = 1.5; return ... end");
  CHECK(feed(NULL, 0, first_env) == 0);
  test_forged(L);
  test_flipped(L, seed, 100000);
  test_depth(L);
  test_out_of_memory(L);
  lua_close(L);
  return check_done();
}
