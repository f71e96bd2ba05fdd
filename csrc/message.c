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

/* What a part refers to may have a message of its own, with parts, and so on: a list of futures may be any
** length. So beyond some levels a thread puts parts off, until the outermost is released. */
enum { MOST_LEVELS = 16 };

struct late {
  struct part part;
  struct late *next;
};

static TIDE_THREADS_OWN struct {
  int level;         /* of the releases under way on this thread */
  struct late *late; /* put off */
} releasing;

static bool put_off(const struct part *p) {
  struct late *l = (struct late *)tide_mem_new(&tide_mem_default, sizeof *l);
  if (l == NULL) return false;
  l->part = *p;
  l->next = releasing.late;
  releasing.late = l;
  return true;
}

static void rele_part(const struct part *p) {
  if (p->rele == NULL || (releasing.level >= MOST_LEVELS && put_off(p))) return;
  releasing.level++;
  p->rele(p->object);
  while (releasing.level == 1 && releasing.late != NULL) {
    struct late *l = releasing.late;
    const struct part part = l->part;
    releasing.late = l->next;
    tide_mem_free(&tide_mem_default, l, sizeof *l);
    part.rele(part.object);
  }
  releasing.level--;
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

void tide_message_rewind(struct message *m, size_t len, size_t nparts) {
  m->bytes.len = len;
  while (m->nparts > nparts) {
    struct part last = *tide_message_part(m, --m->nparts);
    rele_part(&last);
  }
}
