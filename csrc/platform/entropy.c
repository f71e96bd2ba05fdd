/*
** platform/entropy: random bytes from the system.
**
** SPDX-License-Identifier: MIT
*/
#include "platform/entropy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/auxv.h>
#include <sys/random.h>
#endif

/* Gets bytes from the kernel, without a file. Returns false if there is no such call, it is not
** allowed, or the kernel has not gathered enough yet. */
static bool from_kernel(void *buf, size_t size) {
#if defined(__linux__) && defined(GRND_NONBLOCK)
  ssize_t n;
  do n = getrandom(buf, size, GRND_NONBLOCK);
  while (n < 0 && errno == EINTR);
  return n == (ssize_t)size; /* up to 256 bytes come at once or not at all */
#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__)
  return getentropy(buf, size) == 0;
#else
  (void)buf, (void)size;
  return false;
#endif
}

static bool from_file(void *buf, size_t size) {
  char *p = (char *)buf;
  int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  while (size > 0) {
    ssize_t n = read(fd, p, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    p += n;
    size -= (size_t)n;
  }
  close(fd);
  return size == 0;
}

/* Adds the time of a clock. */
static struct ti_seed add_time(struct ti_seed s, const struct timespec *t) {
  return ti_seed_add(ti_seed_add(s, (uint64_t)t->tv_sec), (uint64_t)t->tv_nsec);
}

/* Adds the monotonic clock's next tick, so that no two calls on one thread add the same. */
static struct ti_seed add_tick(struct ti_seed s) {
  struct timespec first = {0, 0}, next = {0, 0};
  (void)clock_gettime(CLOCK_MONOTONIC, &first);
  for (int i = 0; i < 1000000; i++) {
    (void)clock_gettime(CLOCK_MONOTONIC, &next);
    if (next.tv_nsec != first.tv_nsec || next.tv_sec != first.tv_sec) break;
  }
  return add_time(s, &next);
}

struct ti_seed ti_entropy_fallback(void) {
  struct timespec now = {0, 0};
  struct ti_seed s = {0, 0};
#if defined(__linux__) && defined(AT_RANDOM)
  const void *bytes =
      (const void *)(uintptr_t)getauxval(AT_RANDOM); /* 16 of the kernel's, the same all along */
  if (bytes != NULL) memcpy(&s, bytes, sizeof s);
#endif
  (void)clock_gettime(CLOCK_REALTIME, &now);
  s = add_tick(add_time(s, &now));
  s = ti_seed_add(s, (uint64_t)getpid());
  return ti_seed_add(s, (uint64_t)(uintptr_t)&s); /* differs between threads */
}

struct ti_seed ti_entropy_get(void) {
  struct ti_seed s;
  int saved = errno;
  bool got = from_kernel(&s, sizeof s) || from_file(&s, sizeof s);
  errno = saved;
  return got ? s : ti_entropy_fallback();
}
