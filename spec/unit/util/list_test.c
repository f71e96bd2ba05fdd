/*
** list_test.c: the list against a plain array.
** One thread: ThreadSanitizer's run leaves this test out.
**
** SPDX-License-Identifier: MIT
*/
#include "util/list.h"
#include "check.h"

enum { N = 50, LISTS = 3 };

struct item {
  int mark;
  struct ti_list_node node;
};

static struct ti_list list[LISTS];
static int model[LISTS][N];
static int count[LISTS];
static struct item items[N];

static bool same(int l) {
  const struct ti_list_node *n = list[l].head.next;
  int i;
  for (i = 0; i < count[l]; i++, n = n->next) {
    if (n != &items[model[l][i]].node || n->next->prev != n) return false;
  }
  return n == &list[l].head && ti_list_empty(&list[l]) == (count[l] == 0) &&
         ti_list_peek(&list[l]) == (count[l] > 0 ? &items[model[l][0]].node : NULL);
}

static void model_remove(int l, int at) {
  count[l]--;
  for (; at < count[l]; at++) model[l][at] = model[l][at + 1];
}

static void step(uint64_t *r) {
  int l = (int)check_random(r, LISTS), k = (int)check_random(r, N), i;
  switch (check_random(r, 8)) {
    default:
      if (ti_list_linked(&items[k].node)) return;
      ti_list_push(&list[l], &items[k].node);
      model[l][count[l]++] = k;
      break;
    case 0: {
      const struct ti_list_node *n = ti_list_pop(&list[l]);
      CHECK((n == NULL) == (count[l] == 0));
      if (n == NULL) return;
      CHECK(TI_CONTAINER(n, struct item, node)->mark == model[l][0] && !ti_list_linked(n));
      model_remove(l, 0);
      break;
    }
    case 1:
      if (count[l] == 0) return;
      i = (int)check_random(r, (size_t)count[l]);
      ti_list_remove(&items[model[l][i]].node);
      model_remove(l, i);
      break;
    case 2: {
      int to = (l + 1) % LISTS;
      ti_list_splice(&list[to], &list[l]);
      for (i = 0; i < count[l]; i++) model[to][count[to]++] = model[l][i];
      count[l] = 0;
      break;
    }
  }
}

int main(void) {
  uint64_t r = check_seed(3);
  int i, l;
  for (l = 0; l < LISTS; l++) ti_list_init(&list[l]);
  for (i = 0; i < N; i++) {
    items[i].mark = i;
    ti_list_node_init(&items[i].node);
  }
  for (i = 0; i < 20000; i++) {
    step(&r);
    for (l = 0; l < LISTS; l++) CHECK(same(l));
  }
  return check_done();
}
