/*
** buffer_test.c: allocators and buffers: round trips against a plain list, ends and failures.
** One thread: ThreadSanitizer's run leaves this test out.
**
** SPDX-License-Identifier: MIT
*/
#include "util/buffer.h"
#include "support.h"

enum { MAX_OPS = 400, MAX_BLOCK = 300 };

enum kind { U8, U64, VARINT, BLOCK };

/* The model: what was put, in order. */
struct op {
  enum kind kind;
  uint64_t number;
  unsigned char block[MAX_BLOCK];
  size_t len;
};

static struct op ops[MAX_OPS];

static uint64_t any_number(uint64_t *r) {
  /* as many small as large ones, and the edges of each length */
  uint64_t v = ((uint64_t)check_random(r, 1u << 31) << 33) ^ check_random(r, 1u << 31);
  unsigned bits = (unsigned)check_random(r, 65);
  uint64_t mask = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
  return check_random(r, 4) == 0 ? mask : v & mask;
}

static void put(struct ti_buffer *b, const struct op *op) {
  switch (op->kind) {
    case U8: ti_buffer_put_u8(b, (unsigned)op->number); break;
    case U64: ti_buffer_put_u64(b, op->number); break;
    case VARINT: ti_buffer_put_varint(b, op->number); break;
    case BLOCK: ti_buffer_put(b, op->block, op->len); break;
  }
}

static bool get(struct ti_cursor *c, const struct op *op) {
  switch (op->kind) {
    case U8: return ti_buffer_get_u8(c) == (op->number & 0xff) && !c->failed;
    case U64: return ti_buffer_get_u64(c) == op->number && !c->failed;
    case VARINT: return ti_buffer_get_varint(c) == op->number && !c->failed;
    default: {
      const unsigned char *p = ti_buffer_get(c, op->len);
      return p != NULL && memcmp(p, op->block, op->len) == 0;
    }
  }
}

static size_t make_ops(uint64_t *r) {
  size_t n = check_random(r, MAX_OPS), i, k;
  for (i = 0; i < n; i++) {
    ops[i].kind = (enum kind)check_random(r, 4);
    ops[i].number = any_number(r);
    ops[i].len = check_random(r, check_random(r, 2) == 0 ? 8 : MAX_BLOCK);
    for (k = 0; k < ops[i].len; k++) ops[i].block[k] = (unsigned char)check_random(r, 256);
  }
  return n;
}

static void test_round_trips(uint64_t seed) {
  int round;
  uint64_t r = seed;
  for (round = 0; round < 300; round++) {
    size_t n = make_ops(&r), i;
    struct ti_buffer b;
    struct ti_cursor c;
    bool equal = true;
    ti_buffer_init(&b, &counted_mem);
    for (i = 0; i < n; i++) put(&b, &ops[i]);
    CHECK(!b.failed && b.len <= b.cap);
    ti_buffer_cursor_init(&c, b.data, b.len);
    for (i = 0; i < n; i++) equal = equal && get(&c, &ops[i]);
    CHECK(equal && ti_buffer_left(&c) == 0 && !c.failed);
    ti_buffer_fini(&b);
    ti_buffer_fini(&b);
    CHECK(b.data == NULL && b.len == 0 && b.cap == 0 && memory_clean());
  }
}

/* Wherever the data is cut off, reads fail, return zeros from then on, and stay inside. The copy
** has exactly the bytes that are left, so that a sanitizer sees any access behind them. */
static void test_cut_off(uint64_t seed) {
  uint64_t r = seed;
  size_t n = make_ops(&r), i, cut;
  struct ti_buffer b;
  if (n > 40) n = 40;
  ti_buffer_init(&b, &counted_mem);
  for (i = 0; i < n; i++) put(&b, &ops[i]);
  for (cut = 0; cut < b.len; cut++) {
    struct ti_cursor c;
    unsigned char *copy = (unsigned char *)malloc(cut > 0 ? cut : 1);
    bool before = true, after = true;
    if (copy == NULL) exit(2);
    if (cut > 0) memcpy(copy, b.data, cut);
    ti_buffer_cursor_init(&c, copy, cut);
    for (i = 0; i < n && before; i++) before = get(&c, &ops[i]);
    /* only the last one may be whole, if what follows is empty blocks */
    for (; i < n; i++) after = after && !get(&c, &ops[i]);
    CHECK(c.failed && after);
    CHECK(ti_buffer_get_u8(&c) == 0 && ti_buffer_get_u64(&c) == 0);
    CHECK(ti_buffer_get_varint(&c) == 0 && ti_buffer_get(&c, 0) == NULL);
    free(copy);
  }
  ti_buffer_fini(&b);
}

static void test_varints(void) {
  static const struct {
    const char *bytes;
    size_t len;
    bool ok;
    uint64_t value;
  } cases[] = {
      {"\x00", 1, true, 0},
      {"\x7f", 1, true, 127},
      {"\x80\x01", 2, true, 128},
      {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, true, UINT64_MAX},
      {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 10, true, UINT64_C(1) << 63},
      {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, false, 0}, /* 65 bits */
      {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11, false, 0},
      {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11, false, 0},
      {"\x80", 1, false, 0},
      {"", 0, false, 0},
  };
  size_t i;
  for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct ti_cursor c;
    ti_buffer_cursor_init(&c, cases[i].bytes, cases[i].len);
    CHECK(ti_buffer_get_varint(&c) == cases[i].value);
    CHECK(c.failed == !cases[i].ok);
  }
}

static void test_empty(void) {
  struct ti_cursor c;
  ti_buffer_cursor_init(&c, NULL, 0);
  CHECK(ti_buffer_get(&c, 0) != NULL && !c.failed);
  CHECK(ti_buffer_get(&c, 1) == NULL && c.failed);
}

static void test_too_much(void) {
  struct ti_buffer b;
  ti_buffer_init(&b, &counted_mem);
  ti_buffer_put_u8(&b, 1);
  CHECK(!ti_buffer_reserve(&b, SIZE_MAX));
  CHECK(b.failed && b.len == 1);
  CHECK(!ti_buffer_reserve(&b, 1)); /* sticky */
  ti_buffer_fini(&b);
  CHECK(b.failed && memory_clean());
}

static void test_out_of_memory(uint64_t seed) {
  uint64_t r = seed;
  size_t n = make_ops(&r), i;
  long fail_at;
  bool failed = true;
  for (fail_at = 1; failed; fail_at++) {
    struct ti_buffer b;
    atomic_store(&memory.fail_at, fail_at);
    ti_buffer_init(&b, &counted_mem);
    for (i = 0; i < n; i++) put(&b, &ops[i]);
    failed = b.failed;
    CHECK(failed == (atomic_load(&memory.fail_at) <= 0));
    atomic_store(&memory.fail_at, 0);
    ti_buffer_fini(&b);
    CHECK(memory_clean());
  }
  CHECK(fail_at > 2 || n < 5);
}

static void test_default_mem(void) {
  unsigned char *p = (unsigned char *)ti_alloc_zero(&ti_alloc_default, 100);
  CHECK(p != NULL && p[0] == 0 && p[99] == 0);
  p = (unsigned char *)ti_alloc_resize(&ti_alloc_default, p, 100, 10);
  CHECK(p != NULL && p[9] == 0);
  ti_alloc_free(&ti_alloc_default, p, 10);
  ti_alloc_free(&ti_alloc_default, NULL, 0);
}

int main(void) {
  uint64_t seed = check_seed(20), i;
  test_round_trips(seed);
  for (i = 0; i < 10; i++) test_cut_off(seed + i);
  test_varints();
  test_empty();
  test_too_much();
  for (i = 0; i < 10; i++) test_out_of_memory(seed + i);
  test_default_mem();
  return check_done();
}
