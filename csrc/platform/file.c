/*
** platform/file: what the system says about files.
**
** SPDX-License-Identifier: MIT
*/
#include "platform/file.h"

#include <unistd.h>

bool ti_file_readable(const char *path) { return access(path, R_OK) == 0; }
