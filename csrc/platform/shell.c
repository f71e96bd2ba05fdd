/*
** platform/shell: programs that are run by the system's shell.
**
** SPDX-License-Identifier: MIT
*/
#include "platform/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <stdio_ext.h>
#endif

#include "platform/child_mask.h"
#include "platform/signal.h"

bool ti_shell_exists(void) { return access("/bin/sh", X_OK) == 0; }

/* Starts the shell. Its descriptor `to`, if that is not negative, is `from`. */
static int start_shell(const char *command, int from, int to, pid_t *pid) {
  union {
    const char *in;
    char *out;
  } arg = {command}; /* posix_spawn does not write to it */
  char sh[] = "sh", c[] = "-c", *argv[] = {sh, c, arg.out, NULL};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attr;
  sigset_t mask;
  int err = posix_spawnattr_init(&attr);
  if (err != 0) return err;
  err = posix_spawn_file_actions_init(&actions);
  if (err == 0) {
    ti_child_mask_get(&mask);
    err = posix_spawnattr_setsigmask(&attr, &mask);
    if (err == 0) err = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    if (err == 0 && to >= 0) err = posix_spawn_file_actions_adddup2(&actions, from, to);
    if (err == 0) err = posix_spawn(pid, "/bin/sh", &actions, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
  }
  posix_spawnattr_destroy(&attr);
  return err;
}

int ti_shell_start(const char *command, pid_t *pid) { return start_shell(command, -1, -1, pid); }

int ti_shell_start_pipe(const char *command, const char *mode, FILE **f, pid_t *pid) {
  bool reads = mode[0] == 'r';
  int ends[2], err;
  *f = NULL;
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
  *f = fdopen(ends[reads ? 0 : 1], mode);
  if (*f == NULL) {
    err = errno;
    close(ends[0]);
    close(ends[1]);
    return err;
  }
  err = start_shell(command, ends[reads ? 1 : 0], reads ? STDOUT_FILENO : STDIN_FILENO, pid);
  close(ends[reads ? 1 : 0]);
  if (err != 0) {
    fclose(*f);
    *f = NULL;
  }
  return err;
}

int ti_shell_wait(pid_t pid, struct ti_shell_end *end) {
  int status = 0;
  while (waitpid(pid, &status, 0) == -1)
    if (errno != EINTR) return errno;
  end->by_signal = WIFSIGNALED(status);
  end->code = end->by_signal ? WTERMSIG(status) : WEXITSTATUS(status);
  /* A Ctrl-C that ended the program may still be on its way to the script's own thread. */
  ti_signal_settle(end->code == (end->by_signal ? SIGINT : 128 + SIGINT));
  return 0;
}

void ti_shell_flush(FILE *f) {
#ifdef __linux__
  if (__fpending(f) == 0) return; /* fflush would move the place in a file that is read */
#endif
  (void)fflush(f);
}
