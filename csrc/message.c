/*
** tidepool, floor 0: message, bytes plus the objects that travel beside them.
**
** SPDX-License-Identifier: MIT
*/
#include "message.h"

enum { MORE_PARTS = 4 };

void tide_message_init(struct message *m, const struct mem *mem) {
  tide_bytes_init_in(&m->bytes, mem, m->small, sizeof m->small);
  m->more = NULL;
  m->nparts = m->capmore = 0;
}

void tide_message_fini(struct message *m) {
  struct part first = m->first, *more = m->more;
  size_t n = m->nparts, cap = m->capmore;
  bool failed = m->bytes.failed;
  m->more = NULL;
  m->nparts = m->capmore = 0;
  for (; n > 1; n--)
    if (more[n - 2].rele != NULL) more[n - 2].rele(more[n - 2].object);
  if (n == 1 && first.rele != NULL) first.rele(first.object);
  tide_mem_free(m->bytes.mem, more, cap * sizeof *more);
  tide_bytes_fini(&m->bytes);
  tide_bytes_init_in(&m->bytes, m->bytes.mem, m->small, sizeof m->small);
  m->bytes.failed = failed;
}

void tide_message_move(struct message *to, struct message *from) {
  *to = *from;
  if (to->bytes.borrowed) to->bytes.data = to->small;
  tide_message_init(from, from->bytes.mem);
}

static bool grow(struct message *m) {
  uint32_t cap = m->capmore > 0 ? m->capmore * 2 : MORE_PARTS;
  struct part *more;
  if (cap < m->capmore) return false;
  more = (struct part *)tide_mem_resize(m->bytes.mem, m->more, m->capmore * sizeof *more,
                                        cap * sizeof *more);
  if (more == NULL) return false;
  m->more = more;
  m->capmore = cap;
  return true;
}

bool tide_message_addpart(struct message *m, const void *type, void *object, void (*rele)(void *),
                          size_t *index) {
  struct part *p;
  if (m->bytes.failed || (m->nparts == m->capmore + 1 && !grow(m))) {
    m->bytes.failed = true;
    if (rele != NULL) rele(object);
    return false;
  }
  *index = m->nparts++;
  p = *index == 0 ? &m->first : &m->more[*index - 1];
  p->type = type;
  p->object = object;
  p->rele = rele;
  return true;
}
