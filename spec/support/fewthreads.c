/*
** fewthreads: makes pthread_create fail after a number of threads.
**
** Preloaded into a child process of a spec, which sets TIDE_THREADS to how many threads may be
** made. Further ones fail with EAGAIN, as when a limit of the system is reached. luaopen_fewthreads
** exists only so that package.searchpath finds a module.
**
** SPDX-License-Identifier: MIT
*/
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <lua.h>

typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static atomic_long made;

__attribute__((visibility("default"))) int
pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg) {
  const char *limit = getenv("TIDE_THREADS");
  create_fn *real;
  *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
  if (limit != NULL && atomic_fetch_add(&made, 1) >= atol(limit)) return EAGAIN;
  return real(thread, attr, run, arg);
}

int luaopen_fewthreads(lua_State *L);
int luaopen_fewthreads(lua_State *L) {
  lua_pushboolean(L, 1);
  return 1;
}
