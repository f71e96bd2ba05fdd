/*
** util/message: bytes, and the objects that travel beside them.
**
** SPDX-License-Identifier: MIT
*/
#include "util/message.h"

enum { MORE_PARTS = 4 };

void ti_message_init(struct ti_message *m, const struct ti_alloc *mem) {
  ti_buffer_init_in(&m->bytes, mem, m->small, sizeof m->small);
  m->more = NULL;
  m->nparts = m->capmore = 0;
}

/* A part may refer to an object with a message of its own, with parts, and so on: a list of futures
** may have any length. Beyond MOST_LEVELS a thread therefore defers the release of parts until the
** outermost release. */
enum { MOST_LEVELS = 16 };

struct late {
  struct ti_message_part part;
  struct late *next;
};

static TI_THREAD_LOCAL struct {
  int level;         /* nested releases under way on this thread */
  struct late *late; /* deferred releases */
} releasing;

static bool put_off(const struct ti_message_part *p) {
  struct late *l = (struct late *)ti_alloc_new(&ti_alloc_default, sizeof *l);
  if (l == NULL) return false;
  l->part = *p;
  l->next = releasing.late;
  releasing.late = l;
  return true;
}

static void rele_part(const struct ti_message_part *p) {
  if (p->rele == NULL || (releasing.level >= MOST_LEVELS && put_off(p))) return;
  releasing.level++;
  p->rele(p->object);
  while (releasing.level == 1 && releasing.late != NULL) {
    struct late *l = releasing.late;
    const struct ti_message_part part = l->part;
    releasing.late = l->next;
    ti_alloc_free(&ti_alloc_default, l, sizeof *l);
    part.rele(part.object);
  }
  releasing.level--;
}

void ti_message_fini(struct ti_message *m) {
  struct ti_message_part first[MESSAGE_FIRST], *more = m->more;
  size_t n = m->nparts, cap = m->capmore;
  bool failed = m->bytes.failed;
  memcpy(first, m->first, sizeof first);
  m->more = NULL;
  m->nparts = m->capmore = 0;
  for (; n > MESSAGE_FIRST; n--) rele_part(&more[n - MESSAGE_FIRST - 1]);
  for (; n > 0; n--) rele_part(&first[n - 1]);
  ti_alloc_free(m->bytes.mem, more, cap * sizeof *more);
  ti_buffer_fini(&m->bytes);
  ti_buffer_init_in(&m->bytes, m->bytes.mem, m->small, sizeof m->small);
  m->bytes.failed = failed;
}

void ti_message_move(struct ti_message *to, struct ti_message *from) {
  *to = *from;
  if (to->bytes.borrowed) to->bytes.data = to->small;
  ti_message_init(from, from->bytes.mem);
}

static bool grow(struct ti_message *m) {
  uint32_t cap = m->capmore > 0 ? m->capmore * 2 : MORE_PARTS;
  struct ti_message_part *more;
  if (cap < m->capmore) return false;
  more = (struct ti_message_part *)ti_alloc_resize(m->bytes.mem, m->more, m->capmore * sizeof *more,
                                                   cap * sizeof *more);
  if (more == NULL) return false;
  m->more = more;
  m->capmore = cap;
  return true;
}

bool ti_message_add_part(struct ti_message *m, const void *type, void *object, void (*rele)(void *),
                         size_t *index) {
  struct ti_message_part *p;
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

void ti_message_rewind(struct ti_message *m, size_t len, size_t nparts) {
  m->bytes.len = len;
  while (m->nparts > nparts) {
    struct ti_message_part last = *ti_message_part(m, --m->nparts);
    rele_part(&last);
  }
}
