/*
** tidepool, floor 3: group, futures delivered in the order in which they finish.
**
** A thin layer over a mailset: an entry keeps the watch, the future and the caller's tag.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>

#include "owner.h"
#include "within.h"

struct entry {
  struct watch watch;
  struct fifo_node link; /* in group->entries, until it is taken */
  struct task *task;     /* held */
  void *tag;
};

struct tide_group {
  struct owner *owner; /* I; NULL: `own` is the mailbox */
  struct mailbox own;
  struct mailset set;
  struct fifo entries; /* all that were added and not taken */
  size_t n;
};

int tide_group_new(tide_group **out, lua_State *L) {
  struct owner *owner;
  tide_group *g;
  *out = NULL;
  /* One made in a finalizer may never be freed, if the state is closing: it must not stay
  ** behind in the owner's mailbox. */
  owner = L != NULL && lua_gc(L, LUA_GCISRUNNING) >= 0 ? tide_owner_of(L) : NULL;
  g = (tide_group *)tide_mem_zero(&tide_mem_default, sizeof *g);
  if (g == NULL) return TIDE_ENOMEM;
  g->owner = owner;
  if (g->owner == NULL && tide_mailbox_init(&g->own) != 0) {
    tide_mem_free(&tide_mem_default, g, sizeof *g);
    return TIDE_ENOMEM;
  }
  if (g->owner == NULL) tide_mark_init(&g->own.mark);
  tide_mailset_init(&g->set, g->owner != NULL ? &g->owner->box : &g->own);
  fifo_init(&g->entries);
  if (g->owner != NULL) g->owner->groups++;
  *out = g;
  return TIDE_OK;
}

/* In a child that was forked: it was the parent's, and completers that are not here may have left it half
** changed. Nothing of it is touched or given back then. */
static bool is_lost(const tide_group *g) { return tide_mark_lost(&g->set.box->mark); }

static void free_entry(tide_group *g, struct entry *e) {
  fifo_remove(&e->link);
  g->n--;
  tide_mem_free(&tide_mem_default, e, sizeof *e);
}

void tide_group_free(tide_group *g) {
  struct fifo_node *node;
  if (g == NULL || is_lost(g)) return;
  while ((node = fifo_peek(&g->entries)) != NULL) {
    struct entry *e = TIDE_CONTAINER(node, struct entry, link);
    struct task *t = e->task;
    tide_watch_cancel(&e->watch);
    free_entry(g, e);
    tide_future_rele(tide_future_of(t));
  }
  if (g->owner != NULL) {
    g->owner->groups--;
  } else {
    tide_mark_fini(&g->own.mark);
    tide_mailbox_fini(&g->own);
  }
  tide_mem_free(&tide_mem_default, g, sizeof *g);
}

int tide_group_add(tide_group *g, tide_future *f, void *tag) {
  struct task *t = tide_task_of(f);
  struct entry *e;
  if (is_lost(g) || (tide_future_lost(f) && !tide_task_done(t))) return TIDE_EBROKEN;
  e = (struct entry *)tide_mem_zero(&tide_mem_default, sizeof *e);
  if (e == NULL) return TIDE_ENOMEM;
  e->task = tide_task_hold(t);
  if (e->task->pool != NULL && tide_pool_spintime(e->task->pool) < g->set.spin_time)
    g->set.spin_time = tide_pool_spintime(e->task->pool); /* the least of all that are in it */
  e->tag = tag;
  fifo_push(&g->entries, &e->link);
  g->n++;
  tide_watch_start(&e->watch, e->task, &g->set);
  return TIDE_OK;
}

size_t tide_group_size(const tide_group *g) { return g->n; }

static int wait_each(const tide_group *g, lua_State *L) {
  const struct fifo_node *n;
  int status = TIDE_OK;
  for (n = g->entries.head.next; n != &g->entries.head && status == TIDE_OK; n = n->next)
    status = tide_future_wait(tide_future_of(TIDE_CONTAINER(n, struct entry, link)->task), L,
                              TIDE_FOREVER);
  return status;
}

/* Inside a task, in a pool that has max_threads: runs one of g's here if nobody else can, and is away
** again then; or notes that this wait is not over. */
static int look_after(const tide_group *g, const struct within *w, sys_time deadline,
                      enum absence *how) {
  const struct fifo_node *n;
  bool own = true, helped = false;
  if (!tide_within_crowded(w)) return FAULT_NONE;
  for (n = g->entries.head.next; n != &g->entries.head && !helped; n = n->next) {
    struct task *t = TIDE_CONTAINER(n, struct entry, link)->task;
    if (t->pool != w->pool) own = own && tide_task_done(t);
    helped = t->pool == w->pool && tide_within_help(w, t, how);
  }
  if (helped) return tide_within_away(w, how);
  return own && deadline == SYS_NEVER ? tide_within_agree(w) : FAULT_NONE;
}

int tide_group_wait(tide_group *g, lua_State *L, size_t need, int stop_on_failure, double timeout) {
  struct hookwatch hook;
  struct within w = tide_within(L);
  sys_time deadline = tide_deadline(timeout), slice;
  enum absence how = ABSENCE_NONE;
  bool done;
  int status, fault;
  if (is_lost(g)) return TIDE_EBROKEN;
  if (need > g->n) need = g->n;
  /* In a task, all of them as long as that takes: one after the other, so that each can be run here. */
  if (w.pool != NULL && deadline == SYS_NEVER && need == g->n && (!stop_on_failure || need == 1) &&
      (status = wait_each(g, L)) != TIDE_OK)
    return status;
  tide_hook_start(&hook, L, g->owner, timeout == 0);
  done = tide_mailset_sleep(&g->set, need, stop_on_failure != 0, 0);
  if (timeout != 0 && !done && (fault = tide_within_away(&w, &how)) != FAULT_NONE) {
    tide_hook_end(&hook);
    return fault;
  }
  do {
    fault = done || timeout == 0 ? FAULT_NONE : look_after(g, &w, deadline, &how);
    if (fault != FAULT_NONE) break;
    slice = timeout == 0 ? 0 : tide_hook_slice(&hook, deadline);
    done = tide_mailset_sleep(&g->set, need, stop_on_failure != 0, slice);
    status = tide_hook_run(&hook);
  } while (!done && slice < deadline && timeout != 0 && status == LUA_OK);
  tide_within_back(&w, how);
  tide_hook_end(&hook);
  if (fault != FAULT_NONE) return fault;
  if (status != LUA_OK) lua_error(L);
  return done ? TIDE_OK : TIDE_ETIMEOUT;
}

tide_future *tide_group_next(tide_group *g, void **tag) {
  struct watch *w = is_lost(g) ? NULL : tide_mailset_take(&g->set);
  struct entry *e;
  struct task *t;
  if (w == NULL) return NULL;
  e = TIDE_CONTAINER(w, struct entry, watch);
  t = e->task;
  if (tag != NULL) *tag = e->tag;
  free_entry(g, e);
  return tide_future_of(t); /* with the entry's reference */
}
