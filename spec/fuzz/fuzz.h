/*
** fuzz.h: what the fuzz targets share.
**
** A target is one function, LLVMFuzzerTestOneInput, linked with libFuzzer's main (`make fuzz`), or
** with replay.c, which feeds it files (`make test`: every seed and every regression input). If
** something is wrong, the process aborts, which the fuzzer reports.
**
** SPDX-License-Identifier: MIT
*/
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WANT(what)                                                       \
  do {                                                                   \
    if (!(what)) {                                                       \
      fprintf(stderr, "%s:%d: wanted: %s\n", __FILE__, __LINE__, #what); \
      abort();                                                           \
    }                                                                    \
  } while (0)

/* The rest of an input, which continues with zeros. */
struct input {
  const uint8_t *p, *end;
};

static inline unsigned input_u8(struct input *in) { return in->p < in->end ? *in->p++ : 0; }

#endif
