/*
** array_test.c: array memory: its life, views and ranges. Bulk calls are compared with a plain
** model, at every offset and length that a unit of 8 bytes may be split at, also by two threads at
** once.
**
** SPDX-License-Identifier: MIT
*/
#include "util/array.h"
#include "platform/thread.h"
#include "support.h"

static struct ti_array *new_typed(tide_element type, size_t n) {
  struct ti_array *t = NULL;
  CHECK(ti_array_new(&t, &counted_mem, type, n) == TIDE_OK && t != NULL);
  return t;
}

static void types(void) {
  static const char *const names[] = {"i8",  "i16", "i32", "i64", "u8",
                                      "u16", "u32", "u64", "f32", "f64"};
  CHECK(sizeof names / sizeof *names == TI_ARRAY_TYPES);
  for (int i = 0; i < TI_ARRAY_TYPES; i++) {
    CHECK(strcmp(ti_array_element_name(i), names[i]) == 0);
    CHECK(ti_array_element_size((tide_element)i) == (size_t)atoi(names[i] + 1) / 8);
  }
  CHECK(ti_array_element_name(-1) == NULL && ti_array_element_name(TI_ARRAY_TYPES) == NULL);
}

/* ------------------------------------------------------------- life -- */

static void zeros(void) {
  static const size_t counts[] = {0, 1, 7, 1000, (size_t)1 << 19, ((size_t)1 << 19) + 1};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    struct ti_array *t = new_typed(TIDE_F64, counts[i]);
    size_t bytes = counts[i] * 8, nonzero = 0;
    CHECK((uintptr_t)t->data % 64 == 0 && t->n == counts[i]);
    if (bytes >= (size_t)4 << 20) CHECK((uintptr_t)t->data % ((size_t)2 << 20) == 0);
    for (size_t b = 0; b < bytes; b++) nonzero += t->data[b] != 0;
    CHECK(nonzero == 0);
    memset(t->data, 0xA5, bytes); /* what is allocated next finds dirt, if it gets this block */
    CHECK(ti_array_weight(t) >= bytes);
    ti_array_release(t);
  }
  CHECK(memory_clean());
}

static void out_of_memory(void) {
  struct ti_array *t, *whole;
  for (long i = 1; i <= 2; i++) { /* the struct, the block */
    atomic_store(&memory.fail_at, i);
    CHECK(ti_array_new(&t, &counted_mem, TIDE_U8, (size_t)5 << 20) == TIDE_ENOMEM && t == NULL);
    CHECK(memory_clean());
  }
  CHECK(ti_array_new(&t, &counted_mem, TIDE_U8, SIZE_MAX) == TIDE_ENOMEM && t == NULL);
  CHECK(ti_array_new(&t, &counted_mem, TIDE_F64, SIZE_MAX / 8) == TIDE_ENOMEM && t == NULL);
  CHECK(ti_array_new(&t, &counted_mem, TIDE_U16, SIZE_MAX / 4) == TIDE_ENOMEM && t == NULL);
  whole = new_typed(TIDE_U8, 10);
  atomic_store(&memory.fail_at, 1);
  CHECK(ti_array_slice(&t, whole, 0, 5) == TIDE_ENOMEM && t == NULL);
  atomic_store(&memory.fail_at, 1);
  CHECK(ti_array_wrap(&t, &counted_mem, TIDE_U8, whole->data, 5, NULL, NULL) == TIDE_ENOMEM);
  CHECK(t == NULL);
  ti_array_release(whole);
  ti_array_release(NULL);
  CHECK(memory_clean());
}

static void views(void) {
  struct ti_array *whole = new_typed(TIDE_U16, 10), *view, *inner, *empty, *t;
  size_t alone = ti_array_weight(whole);
  CHECK(ti_array_slice(&view, whole, 2, 6) == TIDE_OK);
  CHECK(ti_array_slice(&inner, view, 1, 3) == TIDE_OK);
  CHECK(ti_array_slice(&empty, view, 6, 0) == TIDE_OK && empty->n == 0);
  CHECK(inner->data == whole->data + 6 && inner->n == 3 && inner->type == TIDE_U16);
  CHECK(ti_array_slice(&t, view, 7, 0) == TIDE_EARG && t == NULL);
  CHECK(ti_array_slice(&t, view, 0, 7) == TIDE_EARG && t == NULL);
  CHECK(ti_array_slice(&t, view, 1, SIZE_MAX) == TIDE_EARG && t == NULL);
  CHECK(ti_array_slice(&t, view, SIZE_MAX, 1) == TIDE_EARG && t == NULL);
  CHECK(ti_array_weight(inner) == alone / 4); /* whole, view, inner, empty */
  ti_array_hold(inner);
  CHECK(ti_array_weight(inner) == alone / 4 / 2);
  ti_array_release(inner);
  ti_array_release(whole);
  ti_array_release(view);
  ti_array_release(empty);
  CHECK(!memory_clean());
  memset(inner->data, 1, 6); /* still there */
  ti_array_release(inner);
  CHECK(memory_clean());
}

static int released;

static void release(void *ud, void *data, size_t bytes) {
  CHECK(ud == &released && bytes == 12);
  memset(data, 0xEE, bytes);
  released++;
}

static void wrapping(void) {
  uint32_t mine[4] = {1, 2, 3, 4};
  struct ti_array *t, *view;
  CHECK(ti_array_wrap(&t, &counted_mem, TIDE_U32, mine + 1, 3, release, &released) == TIDE_OK);
  CHECK(t->data == (unsigned char *)(mine + 1) && t->n == 3 && ti_array_weight(t) >= 12);
  CHECK(ti_array_slice(&view, t, 1, 1) == TIDE_OK);
  ti_array_release(t);
  CHECK(released == 0 && mine[2] == 3);
  ti_array_release(view);
  CHECK(released == 1 && mine[2] == 0xEEEEEEEE);
  CHECK(ti_array_wrap(&t, &counted_mem, TIDE_U32, (char *)mine + 2, 1, release, &released) ==
        TIDE_EARG);
  CHECK(ti_array_wrap(&t, &counted_mem, TIDE_U32, NULL, 1, release, &released) == TIDE_EARG);
  CHECK(t == NULL && released == 1);
  CHECK(ti_array_wrap(&t, &counted_mem, TIDE_U8, NULL, 0, NULL, NULL) == TIDE_OK);
  CHECK(ti_array_weight(t) < 1024);
  CHECK(ti_array_slice(&view, t, 0, 0) == TIDE_OK);
  ti_array_move(t, 0, view, 0, 0);
  ti_array_fill(t, 0, 0, mine);
  ti_array_read(t, 0, 0, mine);
  ti_array_release(view);
  ti_array_release(t);
  CHECK(memory_clean());
}

/* ------------------------------------------------------------- bulk -- */

enum { BYTES = 96 };

static void bulk(uint64_t *r, tide_element type) {
  size_t esize = ti_array_element_size(type), n = BYTES / esize;
  struct ti_array *t = new_typed(type, n);
  unsigned char model[BYTES], out[BYTES + 1];
  for (size_t i = 0; i < BYTES; i++) model[i] = t->data[i] = (unsigned char)check_random(r, 256);
  for (int round = 0; round < 3000; round++) {
    size_t at = check_random(r, n + 1), count = check_random(r, n - at + 1), from;
    switch (check_random(r, 3)) {
      case 0: {
        unsigned char element[8];
        for (size_t i = 0; i < sizeof element; i++)
          element[i] = (unsigned char)check_random(r, 256);
        ti_array_fill(t, at, count, element);
        for (size_t i = 0; i < count; i++) memcpy(model + (at + i) * esize, element, esize);
        break;
      }
      case 1:
        from = check_random(r, n - count + 1);
        ti_array_move(t, at, t, from, count);
        memmove(model + at * esize, model + from * esize, count * esize);
        break;
      default: /* to an odd address */
        memset(out, 0x55, sizeof out);
        ti_array_read(t, at, count, out + 1);
        CHECK(memcmp(out + 1, model + at * esize, count * esize) == 0 && out[0] == 0x55);
        CHECK(count == n || out[1 + count * esize] == 0x55);
    }
    CHECK(memcmp(t->data, model, BYTES) == 0);
  }
  ti_array_release(t);
}

/* ------------------------------------------------------------ threads -- */

enum { SHARED = 501, ROUNDS = 300 };

static struct ti_array *shared;

static void *work(void *arg) {
  uint16_t mine = *(const uint16_t *)arg, seen[SHARED];
  for (int i = 0; i < ROUNDS; i++) {
    struct ti_array *view;
    ti_array_fill(shared, 0, SHARED, &mine);
    ti_array_move(shared, 1, shared, 0, SHARED - 1);
    ti_array_read(shared, 0, SHARED, seen);
    for (int k = 0; k < SHARED; k++)
      if (seen[k] != 0x1111 && seen[k] != 0x2222) CHECK(!"an element half written");
    CHECK(ti_array_slice(&view, shared, 3, 5) == TIDE_OK);
    ti_array_release(view);
  }
  return NULL;
}

static void two_threads(void) {
  uint16_t values[2] = {0x1111, 0x2222};
  struct ti_thread t[2];
  shared = new_typed(TIDE_U16, SHARED);
  ti_array_fill(shared, 0, SHARED, &values[0]);
  for (int i = 0; i < 2; i++) CHECK(ti_thread_start(&t[i], 0, work, &values[i]) == 0);
  for (int i = 0; i < 2; i++) ti_thread_join(&t[i]);
  ti_array_release(shared);
  CHECK(memory_clean());
}

int main(void) {
  uint64_t r = check_seed(11);
  types();
  zeros();
  out_of_memory();
  views();
  wrapping();
  for (int type = 0; type < TI_ARRAY_TYPES; type++) bulk(&r, (tide_element)type);
  CHECK(memory_clean());
  two_threads();
  return check_done();
}
