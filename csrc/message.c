/*
** tidepool, floor 0: message, bytes plus the objects that travel beside them.
**
** SPDX-License-Identifier: MIT
*/
#include "message.h"

enum { FIRST_PARTS = 1 }; /* a function's code; most calls have no other */

void tide_message_init(struct message *m, const struct mem *mem) {
  tide_bytes_init(&m->bytes, mem);
  m->parts = NULL;
  m->nparts = m->capparts = 0;
}

void tide_message_fini(struct message *m) {
  struct part *parts = m->parts;
  size_t n = m->nparts, cap = m->capparts;
  m->parts = NULL;
  m->nparts = m->capparts = 0;
  for (; n > 0; n--)
    if (parts[n - 1].rele != NULL) parts[n - 1].rele(parts[n - 1].object);
  tide_mem_free(m->bytes.mem, parts, cap * sizeof *parts);
  tide_bytes_fini(&m->bytes);
}

static bool grow(struct message *m) {
  size_t cap = m->capparts > 0 ? m->capparts * 2 : FIRST_PARTS;
  struct part *parts;
  if (cap > SIZE_MAX / sizeof *parts) return false;
  parts = (struct part *)tide_mem_resize(m->bytes.mem, m->parts, m->capparts * sizeof *parts,
                                         cap * sizeof *parts);
  if (parts == NULL) return false;
  m->parts = parts;
  m->capparts = cap;
  return true;
}

bool tide_message_addpart(struct message *m, const void *type, void *object, void (*rele)(void *),
                          size_t *index) {
  if (m->bytes.failed || (m->nparts == m->capparts && !grow(m))) {
    m->bytes.failed = true;
    if (rele != NULL) rele(object);
    return false;
  }
  *index = m->nparts++;
  m->parts[*index].type = type;
  m->parts[*index].object = object;
  m->parts[*index].rele = rele;
  return true;
}
