/*
** platform/cpu_count: how many processors this process may use.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_PLATFORM_CPU_COUNT_H
#define TI_PLATFORM_CPU_COUNT_H

#include <stdbool.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

/* Returns the number of processors that this process may use, by its affinity mask and the CPU
** quotas of its control groups. At least 1. */
int ti_cpu_count_get(void);

/* Whether this process may use more than one processor. One system call. */
bool ti_cpu_count_parallel(void);

/* Returns the quota of control groups, rounded up to whole processors, or 0 without one. `root`
** stands for "/": tests put proc/self/cgroup and sys/fs/cgroup below another folder. */
int ti_cpu_count_cgroup(const char *root);

TI_INTERNAL_END

#endif
