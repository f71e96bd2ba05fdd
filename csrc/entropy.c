/*
** tidepool, floor 1: entropy, random bytes from the system.
**
** SPDX-License-Identifier: MIT
*/
#include "entropy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/auxv.h>
#include <sys/random.h>
#endif

/* From the kernel, without a file. False: there is no such call, or it is not allowed, or the
** kernel has not gathered enough yet. */
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

/* Adds what a clock says. */
static struct seed add_clock(struct seed s, clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t) != 0) return s;
  return tide_seed_add(tide_seed_add(s, (uint64_t)t.tv_sec), (uint64_t)t.tv_nsec);
}

struct seed tide_entropy_fallback(void) {
  static atomic_uint_least64_t calls; /* A: tells the calls of this process apart (relaxed) */
  struct seed s = {0, 0};
#if defined(__linux__) && defined(AT_RANDOM)
  const void *bytes =
      (const void *)(uintptr_t)getauxval(AT_RANDOM); /* 16 of the kernel's, the same all along */
  if (bytes != NULL) memcpy(&s, bytes, sizeof s);
#endif
  s = add_clock(s, CLOCK_REALTIME);
  s = add_clock(s, CLOCK_MONOTONIC);
  s = tide_seed_add(s, (uint64_t)getpid());
  s = tide_seed_add(s, (uint64_t)(uintptr_t)&s);     /* the stack's address */
  s = tide_seed_add(s, (uint64_t)(uintptr_t)&calls); /* the library's */
  return tide_seed_add(s, atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed));
}

struct seed tide_entropy(void) {
  struct seed s;
  int saved = errno;
  bool got = from_kernel(&s, sizeof s) || from_file(&s, sizeof s);
  errno = saved;
  return got ? s : tide_entropy_fallback();
}
