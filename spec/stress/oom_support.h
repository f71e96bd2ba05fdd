/*
** oom_support.h: the calls that oom_test.c makes fail, its counters, and the rows that it reads.
**
** The linker puts the functions __wrap_X in place of the calls of X in the core and in Lua, which
** are linked statically.
**
** Terms
**   failure site  a set of calls of which one or more fail: allocations in the owner's thread,
**                 allocations in workers' threads, or calls of the system but allocations. Calls
**                 of one site at a time are counted.
**   row           an operation of spec/support/oom.lua
**
** SPDX-License-Identifier: MIT
*/
#ifndef OOM_SUPPORT_H
#define OOM_SUPPORT_H

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "include/tidepool.h"
#include "check.h"

enum site { OWNER, WORKERS, SYSTEM, SITES };
enum way { ONE, THREE, LASTING, WAYS };

static struct {
  enum site site;
  enum way way;
  long n; /* which of the calls fails */
  long last;
  atomic_long made;
  atomic_bool armed, on, racing;
  char text[80]; /* the above as text */
} oom;

static struct { atomic_long blocks, mapped, threads, locks, conds; } oom_alive;

static long oom_step = 3, oom_dense = 20;
static _Thread_local enum site oom_thread = WORKERS; /* the main thread is the owner's */
static _Thread_local long oom_raced;                 /* milliseconds that its clock is early */

static inline void oom_aim(enum site site, enum way way, long n) {
  static const char *const sites[] = {"owner", "workers", "system"};
  static const char *const ways[] = {"only", "and two more", "and all later ones"};
  oom.site = site;
  oom.way = way;
  oom.n = n;
  oom.last = way == ONE ? n : way == THREE ? n + 2 : n + 1000000000;
  snprintf(oom.text, sizeof oom.text, "%s, number %ld %s", sites[site], n, ways[way]);
}

/* From now on calls between oom_begin and oom_end fail. */
static inline void oom_arm(bool racing) {
  atomic_store(&oom.made, 0);
  atomic_store(&oom.racing, racing);
  atomic_store(&oom.armed, true);
}
static inline void oom_begin(void) { atomic_store(&oom.on, atomic_load(&oom.armed)); }
static inline void oom_end(void) { atomic_store(&oom.on, false); }
/* Ends that. Returns whether the nth call was reached. */
static inline bool oom_disarm(void) {
  atomic_store(&oom.armed, false);
  atomic_store(&oom.racing, false);
  return atomic_load(&oom.made) >= oom.n;
}

static inline bool oom_fails(enum site site) {
  long n;
  if (!atomic_load(&oom.on) || site != oom.site) return false;
  n = atomic_fetch_add(&oom.made, 1) + 1;
  return n >= oom.n && n <= oom.last;
}

/* Checks that nothing is alive, and resets the counters. Returns whether that was so. */
static inline bool oom_clean(void) {
  bool clean = atomic_load(&oom_alive.blocks) == 0 && atomic_load(&oom_alive.mapped) == 0 &&
               atomic_load(&oom_alive.threads) == 0 && atomic_load(&oom_alive.locks) == 0 &&
               atomic_load(&oom_alive.conds) == 0;
  if (!clean)
    printf("left: %ld blocks, %ld mapped bytes, %ld threads, %ld locks, %ld conditions\n",
           atomic_load(&oom_alive.blocks), atomic_load(&oom_alive.mapped),
           atomic_load(&oom_alive.threads), atomic_load(&oom_alive.locks),
           atomic_load(&oom_alive.conds));
  memset(&oom_alive, 0, sizeof oom_alive);
  CHECK(clean);
  return clean;
}

/* ---------------------------------------------------------------- memory -- */

void *__real_malloc(size_t size); /* which compilers make of realloc(NULL, size) */
void *__wrap_malloc(size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__real_mmap(void *p, size_t size, int prot, int flags, int fd, off_t at);
int __real_munmap(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);
void *__wrap_mmap(void *p, size_t size, int prot, int flags, int fd, off_t at);
int __wrap_munmap(void *p, size_t size);

void *__wrap_realloc(void *p, size_t size) {
  void *q = oom_fails(oom_thread) ? NULL : __real_realloc(p, size);
  if (p == NULL && q != NULL) atomic_fetch_add(&oom_alive.blocks, 1);
  return q;
}

void *__wrap_malloc(size_t size) {
  void *q = oom_fails(oom_thread) ? NULL : __real_malloc(size);
  if (q != NULL) atomic_fetch_add(&oom_alive.blocks, 1);
  return q;
}

void __wrap_free(void *p) {
  if (p != NULL) atomic_fetch_sub(&oom_alive.blocks, 1);
  __real_free(p);
}

void *__wrap_mmap(void *p, size_t size, int prot, int flags, int fd, off_t at) {
  void *q = oom_fails(oom_thread) ? MAP_FAILED : __real_mmap(p, size, prot, flags, fd, at);
  if (q != MAP_FAILED) atomic_fetch_add(&oom_alive.mapped, (long)size);
  return q;
}

int __wrap_munmap(void *p, size_t size) {
  atomic_fetch_sub(&oom_alive.mapped, (long)size);
  return __real_munmap(p, size);
}

/* realloc and free as a host's allocator. */
static void *oom_alloc(void *ud, void *p, size_t osize, size_t nsize) {
  (void)ud;
  (void)osize;
  if (nsize > 0) return __wrap_realloc(p, nsize);
  __wrap_free(p);
  return NULL;
}

/* ---------------------------------------------------------------- system -- */

#define OOM_WRAP(type, name, parameters, arguments, error, count)        \
  type __real_##name parameters;                                         \
  type __wrap_##name parameters;                                         \
  type __wrap_##name parameters {                                        \
    type result = oom_fails(SYSTEM) ? (error) : __real_##name arguments; \
    if (result == 0) atomic_fetch_add(count, 1);                         \
    return result;                                                       \
  }
#define OOM_UNWRAP(name, parameters, arguments, count) \
  int __real_##name parameters;                        \
  int __wrap_##name parameters;                        \
  int __wrap_##name parameters {                       \
    atomic_fetch_sub(count, 1);                        \
    return __real_##name arguments;                    \
  }

static atomic_long oom_uncounted;

OOM_WRAP(int, pthread_create,
         (pthread_t * t, const pthread_attr_t *a, void *(*fn)(void *), void *arg), (t, a, fn, arg),
         EAGAIN, &oom_alive.threads)
OOM_UNWRAP(pthread_join, (pthread_t t, void **result), (t, result), &oom_alive.threads)
OOM_WRAP(int, pthread_mutex_init, (pthread_mutex_t * m, const pthread_mutexattr_t *a), (m, a),
         ENOMEM, &oom_alive.locks)
OOM_UNWRAP(pthread_mutex_destroy, (pthread_mutex_t * m), (m), &oom_alive.locks)
OOM_WRAP(int, pthread_cond_init, (pthread_cond_t * c, const pthread_condattr_t *a), (c, a), ENOMEM,
         &oom_alive.conds)
OOM_UNWRAP(pthread_cond_destroy, (pthread_cond_t * c), (c), &oom_alive.conds)
OOM_WRAP(int, pthread_mutexattr_init, (pthread_mutexattr_t * a), (a), ENOMEM, &oom_uncounted)
OOM_WRAP(int, pthread_condattr_init, (pthread_condattr_t * a), (a), ENOMEM, &oom_uncounted)
OOM_WRAP(int, pthread_attr_init, (pthread_attr_t * a), (a), ENOMEM, &oom_uncounted)
OOM_WRAP(int, posix_spawn,
         (pid_t * pid, const char *path, const posix_spawn_file_actions_t *fa,
          const posix_spawnattr_t *a, char *const argv[], char *const envp[]),
         (pid, path, fa, a, argv, envp), EAGAIN, &oom_uncounted)

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode) {
  if (!oom_fails(SYSTEM)) return __real_fopen(path, mode);
  errno = EMFILE;
  return NULL;
}

/* Chunks of a map are shared once they have taken some time. Here the clock of a worker advances by
** a millisecond each time it is read. */
int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t) {
  int result = __real_clock_gettime(clock, t);
  if (oom_thread == WORKERS && atomic_load(&oom.racing)) {
    long ns = t->tv_nsec + ++oom_raced * 1000000;
    t->tv_sec += ns / 1000000000;
    t->tv_nsec = ns % 1000000000;
  }
  return result;
}

/* ------------------------------------------------------------------ rows -- */

/* A function or a module as bytecode: loading its source each time would take most of the time. */
struct dumped {
  char name[32];
  char *data;
  size_t len;
};

static const struct row {
  char name[64];
  struct dumped run, first;
  int workers;
  bool fresh, borrows, alone, racing;
} * oom_rows;
static size_t oom_nrows;
static struct dumped oom_prelude, oom_warm, oom_modules[32];
static size_t oom_nmodules;

static inline int oom_write(lua_State *L, const void *p, size_t size, void *ud) {
  struct dumped *d = (struct dumped *)ud;
  (void)L;
  d->data = (char *)__real_realloc(d->data, d->len + size);
  if (d->data == NULL) abort();
  memcpy(d->data + d->len, p, size);
  d->len += size;
  return 0;
}

/* Dumps the function on top. [-1, +0, -] */
static inline void oom_dump(lua_State *L, struct dumped *d) {
  d->data = NULL;
  d->len = 0;
  if (lua_isfunction(L, -1)) lua_dump(L, oom_write, d, 0);
  lua_pop(L, 1);
}

/* Pushes the function that was dumped. [-0, +1, e] */
static inline void oom_load(lua_State *L, const struct dumped *d) {
  if (luaL_loadbufferx(L, d->data, d->len, "=dumped", "b") != LUA_OK) lua_error(L);
}

/* A loader in package.preload, of workers too: (name): returns that module. */
static inline int oom_module(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  for (size_t i = 0; i < oom_nmodules; i++)
    if (strcmp(oom_modules[i].name, name) == 0) {
      oom_load(L, &oom_modules[i]);
      lua_pushvalue(L, 1);
      lua_call(L, 1, 1);
      return 1;
    }
  return luaL_error(L, "no module '%s'", name);
}

static inline void oom_preload(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_tidepool_core);
  lua_setfield(L, -2, "tidepool.core");
  for (size_t i = 0; i < oom_nmodules; i++) {
    lua_pushcfunction(L, oom_module);
    lua_setfield(L, -2, oom_modules[i].name);
  }
  lua_pop(L, 1);
}

static inline bool oom_flag(lua_State *L, const char *name) {
  bool is = lua_getfield(L, -1, name) != LUA_TNIL;
  lua_pop(L, 1);
  return is;
}

/* Dumps all of the library's own modules that are loaded. */
static inline void oom_dumpmodules(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "loaded");
  for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
    const char *name = lua_tostring(L, -2);
    struct dumped *d = &oom_modules[oom_nmodules];
    if (strncmp(name, "tidepool", 8) != 0 || strcmp(name, "tidepool.core") == 0) continue;
    snprintf(d->name, sizeof d->name, "%s", name);
    lua_getfield(L, -4, "searchpath");
    lua_pushvalue(L, -3);
    lua_getfield(L, -6, "path");
    lua_call(L, 2, 1);
    if (luaL_loadfile(L, lua_tostring(L, -1)) != LUA_OK) lua_error(L);
    oom_dump(L, d);
    lua_pop(L, 1);
    oom_nmodules++;
  }
  lua_pop(L, 2);
}

static inline int oom_read(lua_State *L) {
  struct row *rows;
  luaL_openlibs(L);
  oom_preload(L);
  if (luaL_dostring(L, "require 'tidepool' require 'tidepool.map.worker'") != LUA_OK) lua_error(L);
  oom_dumpmodules(L);
  if (luaL_dofile(L, "spec/support/oom.lua") != LUA_OK) lua_error(L);
  oom_dump(L, &oom_warm);
  oom_dump(L, &oom_prelude);
  oom_nrows = (size_t)luaL_len(L, -1);
  rows = (struct row *)__real_malloc(oom_nrows * sizeof *rows);
  if (rows == NULL) abort();
  oom_rows = rows;
  for (size_t i = 0; i < oom_nrows; i++, lua_pop(L, 1)) {
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    lua_getfield(L, -1, "name");
    snprintf(rows[i].name, sizeof rows[i].name, "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
    lua_getfield(L, -1, "run");
    oom_dump(L, &rows[i].run);
    lua_getfield(L, -1, "first");
    oom_dump(L, &rows[i].first);
    lua_getfield(L, -1, "workers");
    rows[i].workers = (int)luaL_optinteger(L, -1, 1);
    lua_pop(L, 1);
    rows[i].fresh = oom_flag(L, "fresh");
    rows[i].borrows = oom_flag(L, "borrows");
    rows[i].alone = rows[i].borrows && lua_getfield(L, -1, "borrows") == LUA_TSTRING;
    if (rows[i].borrows) lua_pop(L, 1);
    rows[i].racing = oom_flag(L, "racing");
  }
  return 0;
}

static inline void oom_start(void) {
  const char *step = getenv("TIDE_OOM_STEP");
  lua_State *L = luaL_newstate();
#if defined(__SANITIZE_ADDRESS__)
  oom_step = 40, oom_dense = 8;
#elif defined(__SANITIZE_THREAD__)
  oom_step = 60, oom_dense = 4;
#endif
  if (step != NULL) oom_step = strtol(step, NULL, 10);
  oom_thread = OWNER;
  lua_pushcfunction(L, oom_read);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
    printf("%s\n", lua_tostring(L, -1));
    exit(1);
  }
  lua_close(L);
}

static inline void oom_stop(void) {
  for (size_t i = 0; i < oom_nmodules; i++) __real_free(oom_modules[i].data);
  for (size_t i = 0; i < oom_nrows; i++) {
    __real_free(oom_rows[i].run.data);
    __real_free(oom_rows[i].first.data);
  }
  __real_free(oom_prelude.data);
  __real_free(oom_warm.data);
  __real_free((void *)(uintptr_t)oom_rows);
}

#endif
