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

/* How long to look before sleeping on t. */
static ti_time spin_time(const struct ti_task *t) {
  return ti_task_pool(t) != NULL ? ti_pool_spin_time(ti_task_pool(t)) : SPIN_TIME;
}

/* Looks for a while whether t is done, without a watch: neither this thread nor the completer
** touches a mailbox then. */
static bool look(const struct ti_task *t, struct ti_spin_wait *s) {
  struct ti_spin_loop k;
  bool found;
  if (!ti_spin_wait_start(s, spin_time(t), &k)) return false;
  do found = ti_task_done(t);
  while (!found && ti_spin_wait_again(&k));
  ti_spin_wait_stop(s, found);
  return found;
}

/* Inside a task, in a pool that has max_threads: runs t here if nobody else can (then *how is
** BLOCK_NONE), or notes that this wait is not over. */
static int look_after(const struct ti_task_wait *w, struct ti_task *t, ti_time deadline,
                      enum ti_pool_block *how) {
  if (!ti_task_wait_crowded(w) || ti_task_wait_help(w, t, how)) return TIDE_OK;
  return deadline == TI_CLOCK_NEVER && ti_task_pool(t) == w->pool ? ti_task_wait_agree(w) : TIDE_OK;
}

/* Sleeps in `box` until t is done. LUA_OK and *code, or a hook's error on top. */
static int sleep_on(struct ti_task *t, const struct ti_task_wait *w, struct ti_waiter *box,
                    struct ti_wait_hook *hook, ti_time deadline, enum ti_pool_block *how,
                    int *code) {
  struct ti_wait_set set;
  struct ti_wait_entry watch;
  ti_time slice;
  bool done;
  int status = LUA_OK;
  *code = TIDE_OK;
  if (look(t, &box->spin)) return ti_wait_hook_run(hook);
  ti_waiter_set_init(&set, box);
  set.spin_time = 0; /* it looked already */
  ti_waiter_entry_start(&watch, t, &set);
  do {
    *code = look_after(w, t, deadline, how);
    if (*code != TIDE_OK) break;
    slice = ti_wait_hook_slice(hook, deadline);
    done = ti_waiter_set_sleep(&set, 1, false, slice);
    status = ti_wait_hook_run(hook); /* also when done: not inside what protects the decoding */
    *code = done ? TIDE_OK : TIDE_ETIMEOUT;
  } while (!done && slice < deadline && status == LUA_OK);
  ti_waiter_entry_cancel(&watch);
  return status;
}

/* The same, from inside a task or not. */
static int wait_in(struct ti_task *t, const struct ti_task_wait *w, struct ti_waiter *box,
                   struct ti_wait_hook *hook, ti_time deadline, int *code) {
  enum ti_pool_block how;
  int status;
  if (deadline != TI_CLOCK_NEVER) {
    *code = ti_task_wait_block_begin(w, &how);
    if (*code != TIDE_OK) return LUA_OK;
    status = sleep_on(t, w, box, hook, deadline, &how, code);
    ti_task_wait_block_end(w, how);
    return status;
  }
  *code = ti_task_wait_begin(w, t, &how);
  if (*code != TIDE_OK) return LUA_OK;
  status =
      ti_task_done(t) ? ti_wait_hook_run(hook) : sleep_on(t, w, box, hook, deadline, &how, code);
  ti_task_wait_end(w, how);
  return status;
}

/* L's worker is being closed, and t may be for the thread that does so. */
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
    struct ti_waiter box;
    if (ti_waiter_init(&box) != 0) return TIDE_ENOMEM;
    status = wait_in(t, &w, &box, &hook, ti_clock_deadline(timeout), &code);
    ti_waiter_fini(&box);
  }
  ti_wait_hook_end(&hook);
  if (status != LUA_OK) lua_error(L);
  if (o != NULL) ti_borrow_peek(L); /* who waited has the time; plain results are read without it */
  return code;
}
