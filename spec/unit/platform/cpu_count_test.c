/*
** cpu_count_test.c: CPU quotas of control groups, on small trees of files.
**
** SPDX-License-Identifier: MIT
*/
#include <errno.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/cpu_count.h"
#include "support.h"

static char root[] = "/tmp/tidepool-cpus-XXXXXX";

/* Writes root/path, making its folders. */
static void put(const char *path, const char *text) {
  char full[600], *slash;
  FILE *f;
  snprintf(full, sizeof full, "%s/%s", root, path);
  for (slash = strchr(full + strlen(root) + 1, '/'); slash != NULL;
       slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    CHECK(mkdir(full, 0700) == 0 || errno == EEXIST);
    *slash = '/';
  }
  f = fopen(full, "w");
  CHECK(f != NULL);
  if (f == NULL) return;
  fputs(text, f);
  fclose(f);
}

static void clear(void) {
  char command[sizeof root + 32];
  snprintf(command, sizeof command, "rm -rf '%s'/*", root);
  CHECK(system(command) == 0);
}

static void test_version_2(void) {
  put("proc/self/cgroup", "0::/a/b/c\n");
  CHECK(ti_cpu_count_cgroup(root) == 0); /* no files at all */
  put("sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
  put("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  CHECK(ti_cpu_count_cgroup(root) == 0);
  put("sys/fs/cgroup/a/b/c/cpu.max", "400000 100000\n");
  CHECK(ti_cpu_count_cgroup(root) == 4);
  put("sys/fs/cgroup/a/b/cpu.max", "250000 100000\n"); /* a parent's binds, rounded up */
  CHECK(ti_cpu_count_cgroup(root) == 3);
  put("sys/fs/cgroup/a/cpu.max", "1000 100000\n");
  CHECK(ti_cpu_count_cgroup(root) == 1);
  put("sys/fs/cgroup/a/cpu.max", "max 100000\n");
  put("sys/fs/cgroup/cpu.max", "200000 100000\n"); /* the root of a container */
  CHECK(ti_cpu_count_cgroup(root) == 2);
  clear();
  /* a path that does not exist: the walk continues to the root */
  put("proc/self/cgroup", "0::/docker/0123\n");
  put("sys/fs/cgroup/cpu.max", "150000 50000\n");
  CHECK(ti_cpu_count_cgroup(root) == 3);
  put("proc/self/cgroup", "0::/../elsewhere\n");
  CHECK(ti_cpu_count_cgroup(root) == 3);
  put("proc/self/cgroup", "0::/\n");
  CHECK(ti_cpu_count_cgroup(root) == 3);
  clear();
}

static void test_version_1(void) {
  put("proc/self/cgroup", "12:cpuset:/x\n4:cpu,cpuacct:/a/b\n2:memory:/m\n1:name=systemd:/s\n");
  put("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
  put("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
  CHECK(ti_cpu_count_cgroup(root) == 0);
  put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "350000\n");
  put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
  CHECK(ti_cpu_count_cgroup(root) == 4);
  put("sys/fs/cgroup/cpuset/x/cpu.cfs_quota_us", "1\n"); /* not the cpu controller's */
  put("sys/fs/cgroup/cpuset/x/cpu.cfs_period_us", "100000\n");
  CHECK(ti_cpu_count_cgroup(root) == 4);
  put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
  put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  CHECK(ti_cpu_count_cgroup(root) == 2);
  clear();
}

static void test_nonsense(void) {
  static const char *const texts[] = {"",      "\n",   "x y\n",      "100000\n",  "100000 0\n",
                                      "0 5\n", "-3 1", "nan 100000", "100000 nan"};
  size_t i;
  CHECK(ti_cpu_count_cgroup(root) == 0);
  CHECK(ti_cpu_count_cgroup("/nowhere/at/all") == 0);
  put("proc/self/cgroup", "0::/a\n");
  for (i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    put("sys/fs/cgroup/a/cpu.max", texts[i]);
    CHECK(ti_cpu_count_cgroup(root) == 0);
  }
  put("sys/fs/cgroup/a/cpu.max", "1e300 1\n");
  CHECK(ti_cpu_count_cgroup(root) > 1000000);
  for (i = 0; i < 2; i++) {
    put("proc/self/cgroup", i == 0 ? "\n:\n::\n0:\nxyz\n" : "0::no/slash\n9:cpu:\n");
    CHECK(ti_cpu_count_cgroup(root) == 0);
  }
  clear();
}

static void test_this_machine(void) {
  cpu_set_t all, one;
  int cpu = 0;
  CHECK(ti_cpu_count_get() >= 1);
  CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
  CHECK(ti_cpu_count_get() <= CPU_COUNT(&all));
  while (!CPU_ISSET(cpu, &all)) cpu++;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
  CHECK(ti_cpu_count_get() == 1);
  CHECK(sched_setaffinity(0, sizeof all, &all) == 0);
}

int main(void) {
  if (mkdtemp(root) == NULL) return 2;
  test_nonsense();
  test_version_2();
  test_version_1();
  test_this_machine();
  CHECK(rmdir(root) == 0);
  return check_done();
}
