/*
** api/array: arrays under the API's names.
**
** SPDX-License-Identifier: MIT
*/
#include "include/tidepool.h"

#include "util/errcode.h"
#include "util/array.h"

/* A tide_array is a struct ti_array under the API's name. */
static struct ti_array *impl_of(tide_array *a) { return (struct ti_array *)(void *)a; }
static const struct ti_array *c_impl_of(const tide_array *a) {
  return (const struct ti_array *)(const void *)a;
}
static tide_array *array_of(struct ti_array *t) { return (tide_array *)(void *)t; }

static bool is_element(int type) { return ti_array_element_name(type) != NULL; }

const char *tide_element_name(int type) { return ti_array_element_name(type); }

size_t tide_element_size(int type) {
  return is_element(type) ? ti_array_element_size((tide_element)type) : 0;
}

int tide_array_new(tide_array **out, tide_element type, size_t n) {
  struct ti_array *t = NULL;
  int code = TIDE_EARG;
  if (is_element((int)type)) code = ti_array_new(&t, &ti_alloc_default, (tide_element)type, n);
  *out = array_of(t);
  return code;
}

int tide_array_wrap(tide_array **out, tide_element type, void *data, size_t n,
                    void (*release)(void *ud, void *data, size_t bytes), void *ud) {
  struct ti_array *t = NULL;
  int code = TIDE_EARG;
  if (is_element((int)type))
    code = ti_array_wrap(&t, &ti_alloc_default, (tide_element)type, data, n, release, ud);
  *out = array_of(t);
  return code;
}

int tide_array_slice(tide_array **out, tide_array *a, size_t at, size_t n) {
  struct ti_array *t;
  int code = ti_array_slice(&t, impl_of(a), at, n);
  *out = array_of(t);
  return code;
}

tide_array *tide_array_hold(tide_array *a) {
  ti_array_hold(impl_of(a));
  return a;
}

void tide_array_rele(tide_array *a) { ti_array_release(impl_of(a)); }

void *tide_array_data(const tide_array *a) { return c_impl_of(a)->data; }

size_t tide_array_length(const tide_array *a) { return c_impl_of(a)->n; }

tide_element tide_array_type(const tide_array *a) { return (tide_element)c_impl_of(a)->type; }

int tide_array_fill(tide_array *a, size_t at, size_t n, const void *element) {
  if (!ti_array_within(c_impl_of(a), at, n)) return TIDE_EARG;
  ti_array_fill(impl_of(a), at, n, element);
  return TIDE_OK;
}

int tide_array_copy(tide_array *to, size_t at, const tide_array *from, size_t first, size_t n) {
  struct ti_array *t = impl_of(to);
  const struct ti_array *f = c_impl_of(from);
  if (t->type != f->type || !ti_array_within(t, at, n) || !ti_array_within(f, first, n))
    return TIDE_EARG;
  ti_array_move(t, at, f, first, n);
  return TIDE_OK;
}

int tide_array_read(const tide_array *a, size_t at, size_t n, void *bytes) {
  if (!ti_array_within(c_impl_of(a), at, n)) return TIDE_EARG;
  ti_array_read(c_impl_of(a), at, n, bytes);
  return TIDE_OK;
}

size_t tide_array_weight(const tide_array *a) { return ti_array_weight(c_impl_of(a)); }
