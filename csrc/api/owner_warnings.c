/*
** api/owner_warnings: giving out, in a state, the warnings of its executors' workers.
**
** SPDX-License-Identifier: MIT
*/
#include "api/owner_warnings.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "platform/byte_lock.h"
#include "platform/signal.h"

/* The queues of all states. The lock is a leaf, held for a few instructions. */
static struct ti_byte_lock exit_lock;
static struct ti_owner_warnings *exit_list; /* exit_lock */
static bool exit_registered;                /* exit_lock */

/* Protected: (text). A host's warn function may raise an error. */
static int warn(lua_State *L) {
  lua_warning(L, (const char *)lua_touserdata(L, 1), 0);
  return 0;
}

static int call_warn(lua_State *L, char *text) {
  lua_pushcfunction(L, warn);
  lua_pushlightuserdata(L, text);
  return lua_pcall(L, 1, 0, 0);
}

int ti_owner_warnings_give(lua_State *L, const struct ti_owner_warnings *w) {
  struct ti_warning *one;
  size_t queued, left_out, more = SIZE_MAX;
  int status = LUA_OK;
  while (status == LUA_OK && more > 0 &&
         (one = ti_warnings_take(w->queue, &queued, &left_out)) != NULL) {
    more = more == SIZE_MAX ? queued : more - 1;
    status = call_warn(L, one->text);
    ti_warnings_free(one);
  }
  if (status == LUA_OK && more == SIZE_MAX && left_out > 0) {
    char text[128];
    snprintf(text, sizeof text,
             "tidepool: %llu more warnings of tasks were left out: too many waited",
             (unsigned long long)left_out);
    status = call_warn(L, text);
  }
  return status;
}

/* Returns the next queue of the calling thread that is not given out yet, or NULL. It stays: no
** other thread closes the state. */
static struct ti_owner_warnings *next_at_exit(void) {
  struct ti_owner_warnings *w;
  ti_byte_lock_lock(&exit_lock);
  for (w = exit_list; w != NULL && (w->given_at_exit || !ti_thread_is_self(&w->thread));)
    w = w->next;
  if (w != NULL) w->given_at_exit = true;
  ti_byte_lock_unlock(&exit_lock);
  return w;
}

/* The program ends by exit(), perhaps without closing its states, as os.exit does. Gives out the
** warnings for states of this thread. Calls nothing in Lua but their warn functions. */
static void at_exit(void) {
  struct ti_owner_warnings *w;
  while ((w = next_at_exit()) != NULL) {
    struct ti_warning *one;
    size_t queued, left_out;
    if (ti_fork_guard_forked(w->guard)) continue;
    while ((one = ti_warnings_take(w->queue, &queued, &left_out)) != NULL) {
      lua_warning(w->main, one->text, 0);
      ti_warnings_free(one);
    }
  }
}

bool ti_owner_warnings_open(struct ti_owner_warnings *w, lua_State *main,
                            const struct ti_fork_guard *guard) {
  bool first;
  if (w->queue != NULL) return true;
  w->queue = ti_warnings_new();
  if (w->queue == NULL) return false;
  w->main = main;
  w->thread = ti_thread_self();
  w->guard = guard;
  ti_byte_lock_lock(&exit_lock);
  w->next = exit_list;
  exit_list = w;
  first = !exit_registered;
  exit_registered = true;
  ti_byte_lock_unlock(&exit_lock);
  /* The handler must stay loaded until the program ends. If it cannot be registered, an exit gives
  ** out no warnings. */
  if (first && ti_signal_stay_loaded()) (void)atexit(at_exit);
  return true;
}

void ti_owner_warnings_forget(struct ti_owner_warnings *w) {
  struct ti_owner_warnings **p;
  if (w->queue == NULL) return;
  ti_byte_lock_lock(&exit_lock);
  for (p = &exit_list; *p != NULL && *p != w;) p = &(*p)->next;
  if (*p != NULL) *p = w->next;
  ti_byte_lock_unlock(&exit_lock);
}

void ti_owner_warnings_close(lua_State *L, struct ti_owner_warnings *w) {
  if (w->queue == NULL) return;
  ti_owner_warnings_forget(w);
  ti_warnings_close(w->queue);
  if (lua_checkstack(L, 4) && ti_owner_warnings_give(L, w) != LUA_OK) lua_pop(L, 1);
  ti_warnings_release(w->queue);
  w->queue = NULL;
}
