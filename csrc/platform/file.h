/*
** platform/file: what the system says about files.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_PLATFORM_FILE_H
#define TI_PLATFORM_FILE_H

#include <stdbool.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

/* Returns whether this process may read the file at `path`. Does not open it: opening a FIFO blocks
** until another process writes to it. Any thread. */
bool ti_file_readable(const char *path);

TI_INTERNAL_END

#endif
