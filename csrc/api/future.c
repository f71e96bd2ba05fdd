/*
** api/future: waiting for a task, and stopping it.
**
** SPDX-License-Identifier: MIT
*/
#include "api/task_wait.h"
#include "api/wait_hook.h"
#include "codec/borrow.h"
#include "sched/pool_cancel.h"

tide_future *tide_future_hold(tide_future *f) {
  ti_task_hold(ti_executor_task_of(f));
  return f;
}

void tide_future_rele(tide_future *f) {
  if (f != NULL && !ti_executor_future_forked(f)) ti_task_release(ti_executor_task_of(f));
}

const char *tide_future_name(const tide_future *f) {
  return ti_task_name(ti_executor_c_task_of(f));
}

tide_status tide_future_status(const tide_future *f) {
  return (tide_status)ti_task_state(ti_executor_c_task_of(f));
}

int tide_future_cancel(tide_future *f) {
  struct ti_task *t = ti_executor_task_of(f);
  if (ti_executor_future_forked(f)) return ti_task_state(t) == TIDE_CANCELLED;
  if (ti_task_pool(t) != NULL) return ti_pool_cancel_task(ti_task_pool(t), t);
  return ti_task_cancel(t) || ti_task_state(t) == TIDE_CANCELLED;
}

int tide_future_interrupt(tide_future *f) {
  struct ti_task *t = ti_executor_task_of(f);
  if (ti_task_pool(t) == NULL || ti_executor_future_forked(f)) return tide_future_cancel(f);
  return ti_pool_cancel_interrupt(ti_task_pool(t), t);
}

/* Returns how long to check t before sleeping on it. */
static ti_time spin_time(const struct ti_task *t) {
  return ti_task_pool(t) != NULL ? ti_pool_spin_time(ti_task_pool(t)) : SPIN_TIME;
}

/* Returns whether t is done, which it checks for a while. No wait entry is needed for that, so
** neither this thread nor the completer takes the waiter's lock. */
static bool spin(const struct ti_task *t, struct ti_spin_wait *s) {
  struct ti_spin_loop k;
  bool found;
  if (!ti_spin_wait_start(s, spin_time(t), &k)) return false;
  do found = ti_task_done(t);
  while (!found && ti_spin_wait_again(&k));
  ti_spin_wait_stop(s, found);
  return found;
}

/* Inside a task, at max_threads. If all other threads wait, runs t on this one; then *how is
** BLOCK_NONE. Or agrees that this wait is not over. */
static int help_or_agree(const struct ti_task_wait *w, struct ti_task *t, ti_time deadline,
                         enum ti_pool_block *how) {
  if (!ti_task_wait_at_max_threads(w) || ti_task_wait_help(w, t, how)) return TIDE_OK;
  return deadline == TI_CLOCK_NEVER && ti_task_pool(t) == w->pool ? ti_task_wait_agree(w) : TIDE_OK;
}

/* Sleeps on `waiter` until t is done. Returns LUA_OK and sets *code; or another status, with a
** hook's error on top. [-0, +(0|1), -] */
static int sleep_on(struct ti_task *t, const struct ti_task_wait *w, struct ti_waiter *waiter,
                    struct ti_wait_hook *hook, ti_time deadline, enum ti_pool_block *how,
                    int *code) {
  struct ti_wait_set set;
  struct ti_wait_entry entry;
  ti_time slice;
  bool done;
  int status = LUA_OK;
  *code = TIDE_OK;
  if (spin(t, &waiter->spin)) return ti_wait_hook_run(hook);
  ti_waiter_set_init(&set, waiter);
  set.spin_time = 0; /* spin has checked t already */
  ti_waiter_entry_start(&entry, t, &set);
  do {
    *code = help_or_agree(w, t, deadline, how);
    if (*code != TIDE_OK) break;
    slice = ti_wait_hook_slice(hook, deadline);
    done = ti_waiter_set_sleep(&set, 1, false, slice);
    status = ti_wait_hook_run(hook); /* also when done, before the caller decodes the outcome */
    *code = done ? TIDE_OK : TIDE_ETIMEOUT;
  } while (!done && slice < deadline && status == LUA_OK);
  ti_waiter_entry_cancel(&entry);
  return status;
}

/* The same, also inside a task. */
static int wait_in(struct ti_task *t, const struct ti_task_wait *w, struct ti_waiter *waiter,
                   struct ti_wait_hook *hook, ti_time deadline, int *code) {
  enum ti_pool_block how;
  int status;
  if (deadline != TI_CLOCK_NEVER) {
    *code = ti_task_wait_block_begin(w, &how);
    if (*code != TIDE_OK) return LUA_OK;
    status = sleep_on(t, w, waiter, hook, deadline, &how, code);
    ti_task_wait_block_end(w, how);
    return status;
  }
  *code = ti_task_wait_begin(w, t, &how);
  if (*code != TIDE_OK) return LUA_OK;
  status =
      ti_task_done(t) ? ti_wait_hook_run(hook) : sleep_on(t, w, waiter, hook, deadline, &how, code);
  ti_task_wait_end(w, how);
  return status;
}

/* Returns whether L's worker is being closed, and t may need the thread that does so. */
static bool for_own_worker(lua_State *L, const struct ti_task *t) {
  return L != NULL && ti_task_pool(t) != NULL && ti_worker_state_closing(L) &&
         ti_task_pool(t) == ((const tide_executor *)ti_worker_state_user(L))->pool;
}

int tide_future_wait(tide_future *f, lua_State *L, double timeout) {
  struct ti_task *t = ti_executor_task_of(f);
  struct ti_owner *o;
  struct ti_wait_hook hook;
  struct ti_task_wait w;
  int code, status;
  if (ti_task_done(t)) return TIDE_OK;
  if (ti_executor_future_forked(f)) return TIDE_EBROKEN;
  if (timeout == 0) return TIDE_ETIMEOUT;
  if (timeout < 0 && for_own_worker(L, t)) return TIDE_EDEADLOCK;
  o = L != NULL ? ti_owner_of(L) : NULL;
  ti_wait_hook_start(&hook, L, o, false);
  w = ti_task_wait_of(L);
  if (o != NULL) {
    status = wait_in(t, &w, &o->waiter, &hook, ti_clock_deadline(timeout), &code);
  } else {
    struct ti_waiter waiter;
    if (ti_waiter_init(&waiter) != 0) return TIDE_ENOMEM;
    status = wait_in(t, &w, &waiter, &hook, ti_clock_deadline(timeout), &code);
    ti_waiter_fini(&waiter);
  }
  ti_wait_hook_end(&hook);
  if (status != LUA_OK) lua_error(L);
  /* After a wait there is time for it. tide_pushplain does not do it. */
  if (o != NULL) ti_borrow_poll(L);
  return code;
}
