/*
** tidepool, floor 3: array, typed memory as hosts and the binding see it.
**
** SPDX-License-Identifier: MIT
*/
#include "tidepool.h"

#include "fault.h"
#include "typed.h"

_Static_assert((int)TIDE_I8 == ELEM_I8 && (int)TIDE_U8 == ELEM_U8 && (int)TIDE_F64 == ELEM_F64 &&
                   (int)TIDE_F64 + 1 == ELEM_TYPES,
               "tide_element and enum elem are the same numbers");

/* An array is a `typed` under the API's name. */
static struct typed *typed_of(tide_array *a) { return (struct typed *)(void *)a; }
static const struct typed *ctyped_of(const tide_array *a) {
  return (const struct typed *)(const void *)a;
}
static tide_array *array_of(struct typed *t) { return (tide_array *)(void *)t; }

static bool is_element(int type) { return tide_elem_name(type) != NULL; }

const char *tide_element_name(int type) { return tide_elem_name(type); }

size_t tide_element_size(int type) {
  return is_element(type) ? tide_elem_size((enum elem)type) : 0;
}

int tide_array_new(tide_array **out, tide_element type, size_t n) {
  struct typed *t = NULL;
  int fault = FAULT_ARG;
  if (is_element((int)type)) fault = tide_typed_new(&t, &tide_mem_default, (enum elem)type, n);
  *out = array_of(t);
  return fault;
}

int tide_array_wrap(tide_array **out, tide_element type, void *data, size_t n,
                    void (*release)(void *ud, void *data, size_t bytes), void *ud) {
  struct typed *t = NULL;
  int fault = FAULT_ARG;
  if (is_element((int)type))
    fault = tide_typed_wrap(&t, &tide_mem_default, (enum elem)type, data, n, release, ud);
  *out = array_of(t);
  return fault;
}

int tide_array_slice(tide_array **out, tide_array *a, size_t at, size_t n) {
  struct typed *t;
  int fault = tide_typed_slice(&t, typed_of(a), at, n);
  *out = array_of(t);
  return fault;
}

tide_array *tide_array_hold(tide_array *a) {
  tide_typed_hold(typed_of(a));
  return a;
}

void tide_array_rele(tide_array *a) { tide_typed_rele(typed_of(a)); }

void *tide_array_data(const tide_array *a) { return ctyped_of(a)->data; }

size_t tide_array_length(const tide_array *a) { return ctyped_of(a)->n; }

tide_element tide_array_type(const tide_array *a) { return (tide_element)ctyped_of(a)->type; }

int tide_array_fill(tide_array *a, size_t at, size_t n, const void *element) {
  if (!tide_typed_within(ctyped_of(a), at, n)) return TIDE_EARG;
  tide_typed_fill(typed_of(a), at, n, element);
  return TIDE_OK;
}

int tide_array_copy(tide_array *to, size_t at, const tide_array *from, size_t first, size_t n) {
  struct typed *t = typed_of(to);
  const struct typed *f = ctyped_of(from);
  if (t->type != f->type || !tide_typed_within(t, at, n) || !tide_typed_within(f, first, n))
    return TIDE_EARG;
  tide_typed_move(t, at, f, first, n);
  return TIDE_OK;
}

int tide_array_read(const tide_array *a, size_t at, size_t n, void *bytes) {
  if (!tide_typed_within(ctyped_of(a), at, n)) return TIDE_EARG;
  tide_typed_read(ctyped_of(a), at, n, bytes);
  return TIDE_OK;
}

size_t tide_array_weight(const tide_array *a) { return tide_typed_weight(ctyped_of(a)); }
