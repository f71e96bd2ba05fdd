/*
** platform/child_mask: the signal mask that child programs begin with.
**
** SPDX-License-Identifier: MIT
*/
#include "platform/child_mask.h"

#include <assert.h>
#include <pthread.h>

static void must(int err) {
  assert(err == 0);
  (void)err;
}

/* On a thread of the library: its children's mask. A handler of fork reads it. */
static TI_THREAD_LOCAL const sigset_t *programs;

void ti_child_mask_get(sigset_t *mask) {
  if (programs != NULL)
    *mask = *programs;
  else
    must(pthread_sigmask(SIG_SETMASK, NULL, mask));
}

/* Runs in the child of a fork. */
static void unblock_child(void) {
  if (programs != NULL) pthread_sigmask(SIG_SETMASK, programs, NULL);
}

/* Without memory for the handler, children keep the thread's mask. The C library removes the
** handler when it unloads the library that this code is in. */
static void register_child(void) { (void)pthread_atfork(NULL, NULL, unblock_child); }

void ti_child_mask_set(const sigset_t *mask) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  must(pthread_once(&once, register_child));
  programs = mask;
  if (sigismember(mask, SIGPIPE) == 1) {
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    must(pthread_sigmask(SIG_BLOCK, &pipe, NULL));
  }
}
