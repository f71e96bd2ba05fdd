/*
** api/group: futures delivered in the order in which they finish.
**
** A group is a wait set (sched/waiter.h) whose entries also have the future and the caller's tag.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>

#include "api/wait_hook.h"
#include "api/task_wait.h"
#include "platform/clock.h"

struct entry {
  struct ti_wait_entry wait;
  struct ti_list_node link; /* in group->entries, until it is taken */
  struct ti_task *task;     /* held */
  void *tag;
};

struct tide_group {
  struct ti_owner *owner; /* I; NULL: the group sleeps on `own` */
  struct ti_waiter own;
  struct ti_wait_set set;
  struct ti_list entries; /* all that were added and not taken */
  size_t n;
};

int tide_group_new(tide_group **out, lua_State *L) {
  struct ti_owner *owner;
  tide_group *g;
  *out = NULL;
  /* A group made in a finalizer of a closing state may never be freed. It must not stay behind in
  ** the owner's waiter. */
  owner = L != NULL && lua_gc(L, LUA_GCISRUNNING) >= 0 ? ti_owner_of(L) : NULL;
  g = (tide_group *)ti_alloc_zero(&ti_alloc_default, sizeof *g);
  if (g == NULL) return TIDE_ENOMEM;
  g->owner = owner;
  if (g->owner == NULL && ti_waiter_init(&g->own) != 0) {
    ti_alloc_free(&ti_alloc_default, g, sizeof *g);
    return TIDE_ENOMEM;
  }
  if (g->owner == NULL) ti_fork_guard_init(&g->own.fork_guard);
  ti_waiter_set_init(&g->set, g->owner != NULL ? &g->owner->waiter : &g->own);
  ti_list_init(&g->entries);
  if (g->owner != NULL) g->owner->groups++;
  *out = g;
  return TIDE_OK;
}

/* Returns whether this process is a forked child of the one that made g. Threads that are not here
** may have left g half changed, so it is neither used nor freed. */
static bool is_forked(const tide_group *g) {
  return ti_fork_guard_forked(&g->set.waiter->fork_guard);
}

static void free_entry(tide_group *g, struct entry *e) {
  ti_list_remove(&e->link);
  g->n--;
  ti_alloc_free(&ti_alloc_default, e, sizeof *e);
}

void tide_group_free(tide_group *g) {
  struct ti_list_node *node;
  if (g == NULL || is_forked(g)) return;
  while ((node = ti_list_peek(&g->entries)) != NULL) {
    struct entry *e = TI_CONTAINER(node, struct entry, link);
    struct ti_task *t = e->task;
    ti_waiter_entry_cancel(&e->wait);
    free_entry(g, e);
    tide_future_rele(ti_executor_future_of(t));
  }
  if (g->owner != NULL) {
    g->owner->groups--;
  } else {
    ti_fork_guard_fini(&g->own.fork_guard);
    ti_waiter_fini(&g->own);
  }
  ti_alloc_free(&ti_alloc_default, g, sizeof *g);
}

int tide_group_add(tide_group *g, tide_future *f, void *tag) {
  struct ti_task *t = ti_executor_task_of(f);
  struct entry *e;
  if (is_forked(g) || (ti_executor_future_forked(f) && !ti_task_done(t))) return TIDE_EBROKEN;
  e = (struct entry *)ti_alloc_zero(&ti_alloc_default, sizeof *e);
  if (e == NULL) return TIDE_ENOMEM;
  e->task = ti_task_hold(t);
  if (ti_task_pool(e->task) != NULL && ti_pool_spin_time(ti_task_pool(e->task)) < g->set.spin_time)
    g->set.spin_time = ti_pool_spin_time(ti_task_pool(e->task)); /* the least of all in the group */
  e->tag = tag;
  ti_list_push(&g->entries, &e->link);
  g->n++;
  ti_waiter_entry_start(&e->wait, e->task, &g->set);
  return TIDE_OK;
}

size_t tide_group_size(const tide_group *g) { return g->n; }

static int wait_each(const tide_group *g, lua_State *L) {
  const struct ti_list_node *n;
  int status = TIDE_OK;
  for (n = g->entries.head.next; n != &g->entries.head && status == TIDE_OK; n = n->next)
    status = tide_future_wait(ti_executor_future_of(TI_CONTAINER(n, struct entry, link)->task), L,
                              TIDE_FOREVER);
  return status;
}

/* Inside a task, at max_threads. If all other threads wait, runs a task of g on this one, and is
** blocked again; or agrees that this wait is not over. */
static int help_or_agree(const tide_group *g, const struct ti_task_wait *w, ti_time deadline,
                         enum ti_pool_block *how) {
  const struct ti_list_node *n;
  bool own = true, helped = false;
  if (!ti_task_wait_at_max_threads(w)) return TIDE_OK;
  for (n = g->entries.head.next; n != &g->entries.head && !helped; n = n->next) {
    struct ti_task *t = TI_CONTAINER(n, struct entry, link)->task;
    if (ti_task_pool(t) != w->pool) own = own && ti_task_done(t);
    helped = ti_task_pool(t) == w->pool && ti_task_wait_help(w, t, how);
  }
  if (helped) return ti_task_wait_block_begin(w, how);
  return own && deadline == TI_CLOCK_NEVER ? ti_task_wait_agree(w) : TIDE_OK;
}

int tide_group_wait(tide_group *g, lua_State *L, size_t need, int stop_on_failure, double timeout) {
  struct ti_wait_hook hook;
  struct ti_task_wait w = ti_task_wait_of(L);
  ti_time deadline = ti_clock_deadline(timeout), slice;
  enum ti_pool_block how = BLOCK_NONE;
  bool done;
  int status, code;
  if (is_forked(g)) return TIDE_EBROKEN;
  if (need > g->n) need = g->n;
  /* A task that waits for all of them, without a timeout, waits for one after the other. So each
  ** can run on this thread. */
  if (w.pool != NULL && deadline == TI_CLOCK_NEVER && need == g->n &&
      (!stop_on_failure || need == 1) && (status = wait_each(g, L)) != TIDE_OK)
    return status;
  ti_wait_hook_start(&hook, L, g->owner, timeout == 0);
  done = ti_waiter_set_sleep(&g->set, need, stop_on_failure != 0, 0);
  if (timeout != 0 && !done && (code = ti_task_wait_block_begin(&w, &how)) != TIDE_OK) {
    ti_wait_hook_end(&hook);
    return code;
  }
  do {
    code = done || timeout == 0 ? TIDE_OK : help_or_agree(g, &w, deadline, &how);
    if (code != TIDE_OK) break;
    slice = timeout == 0 ? 0 : ti_wait_hook_slice(&hook, deadline);
    done = ti_waiter_set_sleep(&g->set, need, stop_on_failure != 0, slice);
    status = ti_wait_hook_run(&hook);
  } while (!done && slice < deadline && timeout != 0 && status == LUA_OK);
  ti_task_wait_block_end(&w, how);
  ti_wait_hook_end(&hook);
  if (code != TIDE_OK) return code;
  if (status != LUA_OK) lua_error(L);
  return done ? TIDE_OK : TIDE_ETIMEOUT;
}

tide_future *tide_group_next(tide_group *g, void **tag) {
  struct ti_wait_entry *w = is_forked(g) ? NULL : ti_waiter_set_take(&g->set);
  struct entry *e;
  struct ti_task *t;
  if (w == NULL) return NULL;
  e = TI_CONTAINER(w, struct entry, wait);
  t = e->task;
  if (tag != NULL) *tag = e->tag;
  free_entry(g, e);
  return ti_executor_future_of(t); /* the entry's reference becomes the caller's */
}
