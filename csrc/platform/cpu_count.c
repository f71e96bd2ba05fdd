/*
** platform/cpu_count: how many processors this process may use.
**
** The smaller of two limits: the affinity mask, and the CPU quota of the control
** groups that the process is in. A quota at any level binds those below, so each
** level from the process' own group up to the root is read. Inside a container
** the path may name groups that cannot be seen; levels that are not there are
** passed over and the walk continues towards the root, which is then the container's.
**
** SPDX-License-Identifier: MIT
*/
#include "platform/cpu_count.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_CPUS (1 << 20) /* where the search for a mask that is large enough ends */
#define MAX_PATH 4352      /* a root and two paths below it; longer ones are not read */

static int affinity(void) {
  int cpus;
  /* the kernel refuses a mask that is smaller than its own */
  for (cpus = 1024; cpus <= MAX_CPUS; cpus *= 2) {
    cpu_set_t *set = CPU_ALLOC((size_t)cpus);
    size_t size = CPU_ALLOC_SIZE((size_t)cpus);
    int n = 0;
    if (set == NULL) break;
    if (sched_getaffinity(0, size, set) == 0) n = CPU_COUNT_S(size, set);
    CPU_FREE(set);
    if (n > 0) return n;
  }
  return 0;
}

bool ti_cpu_count_parallel(void) { return affinity() > 1; }

/* The first line of a file, or NULL. */
static char *read_line(const char *path, char *line, int size) {
  FILE *f = fopen(path, "re");
  char *got;
  if (f == NULL) return NULL;
  got = fgets(line, size, f);
  fclose(f);
  return got;
}

static double smaller(double a, double b) {
  if (a <= 0) return b;
  return b > 0 && b < a ? b : a;
}

/* Processors that a group's files allow, 0 if they set no limit. */
typedef double quota_of(const char *dir);

static double quota_v2(const char *dir) {
  char path[MAX_PATH + 32], line[128], *end;
  double quota, period;
  snprintf(path, sizeof path, "%s/cpu.max", dir);
  if (read_line(path, line, sizeof line) == NULL) return 0;
  quota = strtod(line, &end); /* "max 100000" or "150000 100000" */
  if (end == line) return 0;
  period = strtod(end, NULL);
  return quota > 0 && period > 0 ? quota / period : 0;
}

static double quota_v1(const char *dir) {
  char path[MAX_PATH + 32], line[128];
  double quota, period;
  snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", dir);
  if (read_line(path, line, sizeof line) == NULL) return 0;
  quota = strtod(line, NULL); /* -1: no limit */
  snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir);
  if (read_line(path, line, sizeof line) == NULL) return 0;
  period = strtod(line, NULL);
  return quota > 0 && period > 0 ? quota / period : 0;
}

/* The smallest quota from `group` below `mount` up to the mount itself. */
static double walk(const char *mount, const char *group, quota_of *quota) {
  char dir[MAX_PATH];
  size_t top = strlen(mount);
  double least = 0;
  /* "/../x": a group above what this namespace shows */
  if (strncmp(group, "/..", 3) == 0) group = "/";
  if (snprintf(dir, sizeof dir, "%s%s", mount, group) >= (int)sizeof dir) return 0;
  for (;;) {
    char *slash;
    least = smaller(least, quota(dir));
    slash = strrchr(dir, '/');
    if (strlen(dir) <= top || slash == NULL || (size_t)(slash - dir) < top) return least;
    *slash = '\0';
  }
}

/* Whether the list "cpu,cpuacct" has cpu in it. */
static bool names_cpu(const char *list) {
  for (; list != NULL; list = strchr(list, ',') != NULL ? strchr(list, ',') + 1 : NULL)
    if (strncmp(list, "cpu", 3) == 0 && (list[3] == '\0' || list[3] == ',')) return true;
  return false;
}

/* One line of proc/self/cgroup: "0::/group" (v2) or "4:cpu,cpuacct:/group" (v1). */
static double line_quota(const char *root, char *line) {
  char mount[MAX_PATH];
  char *list = strchr(line, ':'), *group = list != NULL ? strchr(list + 1, ':') : NULL;
  double least = 0;
  if (group == NULL) return 0;
  *group++ = '\0';
  list++;
  group[strcspn(group, "\n")] = '\0';
  if (*list == '\0') {
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
    least = walk(mount, group, quota_v2);
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/unified", root); /* beside v1 */
    return smaller(least, walk(mount, group, quota_v2));
  }
  if (!names_cpu(list)) return 0;
  snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/%s", root, list);
  least = walk(mount, group, quota_v1);
  snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/cpu", root);
  return smaller(least, walk(mount, group, quota_v1));
}

int ti_cpu_count_cgroup(const char *root) {
  char path[256], line[MAX_PATH];
  double least = 0;
  FILE *f;
  if (snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >= (int)sizeof path) return 0;
  f = fopen(path, "re");
  if (f == NULL) return 0;
  while (fgets(line, sizeof line, f) != NULL) least = smaller(least, line_quota(root, line));
  fclose(f);
  if (least <= 0) return 0;
  if (least >= (double)INT_MAX) return INT_MAX;
  return (int)least + (least > (double)(int)least ? 1 : 0);
}

int ti_cpu_count_get(void) {
  int mask = affinity(), quota = ti_cpu_count_cgroup("");
  int n = mask > 0 ? mask : (int)sysconf(_SC_NPROCESSORS_ONLN);
  if (quota > 0 && quota < n) n = quota;
  return n > 0 ? n : 1;
}
