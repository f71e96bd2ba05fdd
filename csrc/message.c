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

static void rele_part(const struct part *p) {
  if (p->rele != NULL) p->rele(p->object);
}

void tide_message_fini(struct message *m) {
  struct part first[MESSAGE_FIRST], *more = m->more;
  size_t n = m->nparts, cap = m->capmore;
  bool failed = m->bytes.failed;
  memcpy(first, m->first, sizeof first);
  m->more = NULL;
  m->nparts = m->capmore = 0;
  for (; n > MESSAGE_FIRST; n--) rele_part(&more[n - MESSAGE_FIRST - 1]);
  for (; n > 0; n--) rele_part(&first[n - 1]);
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
  if (m->bytes.failed || (m->nparts == m->capmore + MESSAGE_FIRST && !grow(m))) {
    m->bytes.failed = true;
    if (rele != NULL) rele(object);
    return false;
  }
  *index = m->nparts++;
  p = *index < MESSAGE_FIRST ? &m->first[*index] : &m->more[*index - MESSAGE_FIRST];
  p->type = type;
  p->object = object;
  p->rele = rele;
  return true;
}
