/*
** limits.c: what the machine allows. Prints one line per figure: name, tab, value.
**
** The figures of tidepool are read beside these, taken in the same run: two
** threads that wake each other, plain copies of memory, starting a thread,
** opening a Lua state, and reading and building Lua values through the C API.
** Times of short things are medians over many repeats; times are in seconds.
**
** usage: limits [REPEATS]    (default 20; of short things 2, 10 or 100 times as many)
**
** SPDX-License-Identifier: MIT
*/
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "timing.h"

enum { MIB = 1 << 20, BIG = 64 * MIB, NUMBERS = 100000, RECORDS = 10000 };

/* ----------------------------------------------------- threads that wake -- */

/* Two threads, each of which sleeps on a condition of its own until it is its turn. */
typedef struct pingpong {
  pthread_mutex_t mutex;
  pthread_cond_t cond[2]; /* cond[i]: turn == i */
  int turn;               /* under mutex */
  int rounds;
} pingpong;

static void play(pingpong *p, int me) {
  pthread_mutex_lock(&p->mutex);
  while (p->turn != me) pthread_cond_wait(&p->cond[me], &p->mutex);
  p->turn = !me;
  pthread_cond_signal(&p->cond[!me]);
  pthread_mutex_unlock(&p->mutex);
}

static void *partner(void *ud) {
  pingpong *p = ud;
  for (int i = 0; i < p->rounds; i++) play(p, 1);
  return NULL;
}

/* Returns the time of a round trip: from the signal to the partner until its response. */
static void bench_pingpong(int rounds) {
  pingpong p = {PTHREAD_MUTEX_INITIALIZER,
                {PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER},
                0,
                rounds + 1};
  pthread_t thread;
  double *took = need(malloc(sizeof *took * (size_t)rounds));
  if (pthread_create(&thread, NULL, partner, &p) != 0) abort();
  play(&p, 0);
  for (int i = 0; i < rounds; i++) {
    pthread_mutex_lock(&p.mutex);
    while (p.turn != 0) pthread_cond_wait(&p.cond[0], &p.mutex);
    double start = now();
    p.turn = 1;
    pthread_cond_signal(&p.cond[1]);
    while (p.turn != 0) pthread_cond_wait(&p.cond[0], &p.mutex);
    took[i] = now() - start;
    pthread_mutex_unlock(&p.mutex);
  }
  pthread_join(thread, NULL);
  emit("condvar_p50", quantile(took, rounds, 0.5));
  emit("condvar_p99", quantile(took, rounds, 0.99));
  free(took);
}

/* ------------------------------------------------- memory, threads, states -- */

typedef struct copying {
  char *from, *to;
} copying;

static void copy_mib(void *ud) {
  copying *c = ud;
  memcpy(c->to, c->from, MIB);
  __asm__ volatile("" : : "r"(c->to) : "memory"); /* keeps the copy */
}

/* Two threads that copy from each other's memory. A string that goes there and back costs at least
** this where each has a processor of its own. They poll, and do not sleep. */
enum { BLOCKS = 4 }; /* each uses its blocks in turn, as a collector's heap does */

typedef struct exchange {
  const char *from;
  char *there[BLOCKS], *back[BLOCKS];
  atomic_long turn; /* odd: the partner's; -1: the end */
} exchange;

static void *copy_there(void *ud) {
  exchange *e = ud;
  for (long i = 0;; i++) {
    long turn;
    while ((turn = atomic_load(&e->turn)) != 2 * i + 1)
      if (turn < 0) return NULL;
    memcpy(e->there[i % BLOCKS], e->from, MIB);
    atomic_store(&e->turn, 2 * i + 2);
  }
}

static void bench_exchange(const char *from, int rounds) {
  exchange e = {.from = from};
  double *took = need(malloc(sizeof *took * (size_t)rounds));
  pthread_t partner;
  for (int i = 0; i < BLOCKS; i++) {
    e.there[i] = need(calloc(1, MIB));
    e.back[i] = need(calloc(1, MIB));
    memset(e.there[i], 'x', MIB);
    memset(e.back[i], 'x', MIB);
  }
  atomic_init(&e.turn, 0);
  if (pthread_create(&partner, NULL, copy_there, &e) != 0) abort();
  for (long i = 0; i < rounds; i++) {
    double start = now();
    atomic_store(&e.turn, 2 * i + 1);
    while (atomic_load(&e.turn) != 2 * i + 2) continue;
    memcpy(e.back[i % BLOCKS], e.there[i % BLOCKS], MIB);
    took[i] = now() - start;
  }
  atomic_store(&e.turn, -1);
  pthread_join(partner, NULL);
  emit("exchange_1mib", quantile(took, rounds, 0.5));
  for (int i = 0; i < BLOCKS; i++) {
    free(e.there[i]);
    free(e.back[i]);
  }
  free(took);
}

static void alloc_copy_big(void *ud) {
  copying *c = ud;
  char *to = need(malloc(BIG));
  memcpy(to, c->from, BIG);
  __asm__ volatile("" : : "r"(to) : "memory");
  free(to);
}

static void *nothing(void *ud) { return ud; }

static void create_join(void *ud) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, nothing, ud) == 0) pthread_join(thread, NULL);
}

static void open_close(void *ud) {
  lua_State *L = need(luaL_newstate());
  (void)ud;
  luaL_openlibs(L);
  lua_close(L);
}

/* ------------------------------------------------------ values through C -- */

static void build_integers(lua_State *L) {
  lua_createtable(L, NUMBERS, 0);
  for (int i = 1; i <= NUMBERS; i++) {
    lua_pushinteger(L, i);
    lua_rawseti(L, -2, i);
  }
}

static void build_floats(lua_State *L) {
  lua_createtable(L, NUMBERS, 0);
  for (int i = 1; i <= NUMBERS; i++) {
    lua_pushnumber(L, i + 0.5);
    lua_rawseti(L, -2, i);
  }
}

/* Builds records: {id = 7, name = "name7", tags = {"a", "b"}} and so on. Key strings are kept on
** the stack, as an efficient decoder does. */
static void build_records(lua_State *L) {
  lua_createtable(L, RECORDS, 0);
  lua_pushliteral(L, "id");
  lua_pushliteral(L, "name");
  lua_pushliteral(L, "tags");
  lua_pushliteral(L, "a");
  lua_pushliteral(L, "b");
  int list = lua_gettop(L) - 5;
  for (int i = 1; i <= RECORDS; i++) {
    char name[16];
    int len = snprintf(name, sizeof name, "name%d", i);
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, list + 1);
    lua_pushinteger(L, i);
    lua_rawset(L, -3);
    lua_pushvalue(L, list + 2);
    lua_pushlstring(L, name, (size_t)len);
    lua_rawset(L, -3);
    lua_pushvalue(L, list + 3);
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, list + 4);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, list + 5);
    lua_rawseti(L, -2, 2);
    lua_rawset(L, -3);
    lua_rawseti(L, list, i);
  }
  lua_settop(L, list);
}

static volatile size_t sink; /* keeps the compiler from removing the reading */

/* Reads the value at the top and all that it contains. */
static size_t read_value(lua_State *L) {
  size_t seen = 0;
  switch (lua_type(L, -1)) {
    case LUA_TNUMBER:
      return lua_isinteger(L, -1) ? (size_t)lua_tointeger(L, -1) : (size_t)lua_tonumber(L, -1);
    case LUA_TSTRING: lua_tolstring(L, -1, &seen); return seen;
    case LUA_TTABLE: {
      size_t len = lua_rawlen(L, -1);
      for (size_t i = 1; i <= len; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i);
        seen += read_value(L);
        lua_pop(L, 1);
      }
      if (len > 0) return seen;
      lua_pushnil(L);
      while (lua_next(L, -2)) {
        seen += read_value(L);
        lua_pop(L, 1);
      }
      return seen;
    }
    default: return 0;
  }
}

typedef struct values {
  lua_State *L;
  void (*build)(lua_State *L);
} values;

/* Builds a value, and collects the garbage of the last one. */
static void build(void *ud) {
  values *v = ud;
  v->build(v->L);
  lua_settop(v->L, 0);
}

/* Reads the value on the stack. */
static void reading(void *ud) {
  values *v = ud;
  sink += read_value(v->L);
}

static void bench_values(const char *name, void (*make)(lua_State *L), int repeats) {
  values v = {need(luaL_newstate()), make};
  char line[64];
  snprintf(line, sizeof line, "build_%s", name);
  emit(line, median_time(build, &v, repeats));
  make(v.L);
  snprintf(line, sizeof line, "read_%s", name);
  emit(line, median_time(reading, &v, repeats));
  lua_close(v.L);
}

int main(int argc, char **argv) {
  long given = argc > 1 ? strtol(argv[1], NULL, 10) : 20;
  int repeats = given < 1 ? 1 : given > 1000 ? 1000 : (int)given;
  copying c = {need(malloc(BIG)), need(malloc(MIB))};
  memset(c.from, 'x', BIG);

  bench_pingpong(repeats * 100);
  emit("copy_1mib", median_time(copy_mib, &c, repeats * 10));
  bench_exchange(c.from, repeats * 10);
  emit("alloc_copy_64mib", median_time(alloc_copy_big, &c, repeats / 4 + 1));
  emit("thread_create_join", median_time(create_join, NULL, repeats * 10));
  emit("state_open_close", median_time(open_close, NULL, repeats * 10));
  bench_values("integers", build_integers, repeats * 2);
  bench_values("floats", build_floats, repeats * 2);
  bench_values("records", build_records, repeats * 2);
  free(c.from);
  free(c.to);
  return EXIT_SUCCESS;
}
