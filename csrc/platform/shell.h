/*
** platform/shell: programs that are run by the system's shell.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_PLATFORM_SHELL_H
#define TI_PLATFORM_SHELL_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

/* Whether there is a shell. */
bool ti_shell_exists(void);

/* Starts `sh -c command`. The program begins with the mask of child_mask.h. Returns 0 or an errno
** code. Any thread. */
int ti_shell_start(const char *command, pid_t *pid);

/* The same with a pipe: mode "r" reads what the program writes, "w" writes what it reads. Stores
** the open end in *f. No other program inherits an end of the pipe. */
int ti_shell_start_pipe(const char *command, const char *mode, FILE **f, pid_t *pid);

/* How a program ended: its exit status, or the signal that ended it. */
struct ti_shell_end {
  bool by_signal;
  int code;
};

/* Blocks until the program has ended, then as long as ti_signal_settle. Returns 0 or an errno
** code. */
int ti_shell_wait(pid_t pid, struct ti_shell_end *end);

/* Writes out what is buffered in a stream that is written to. */
void ti_shell_flush(FILE *f);

TI_INTERNAL_END

#endif
