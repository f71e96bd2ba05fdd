/*
** tidepool, floor 2: transfer, what a lua_State remembers to send and receive.
**
** One userdata in the registry, made on first use, closed with the state. Its user
** values are the tables below; it holds the references to code that they name
** by address. Only the state's own thread touches it.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_TRANSFER_H
#define TIDE_TRANSFER_H

#include <lua.h>

#include "bytes.h"
#include "code.h"

TIDE_INTERNAL_BEGIN

struct paths;

enum transfer_table {
  TRANSFER_CODES = 1, /* Lua function -> code (light); weak keys */
  TRANSFER_CONTENT,   /* dump .. env -> code (light) */
  TRANSFER_LOADED,    /* code (light) -> factory, or true: load it anew each time */
  TRANSFER_NAMES,     /* object -> "module\0field"; weak keys (names.c) */
  TRANSFER_INDEXED,   /* module value -> true; weak keys (names.c) */
  TRANSFER_GOT,       /* global that came with a message -> serial of that message (globals.c) */
  TRANSFER_CAME,      /* global that came with a message -> the value that came */
  TRANSFER_NATIVE,    /* global defined by this state's own libraries -> true; workers only */
  TRANSFER_PATHS,     /* { package, path, cpath } when last captured (paths.c) */
  TRANSFER_TABLES = TRANSFER_PATHS
};

struct transfer {
  struct code **codes; /* references held for CODES/CONTENT and LOADED */
  size_t ncodes, capcodes;
  size_t nloaded;
  struct bytes scratch;       /* for dumps */
  size_t nmodules;            /* entries of package.loaded when last indexed */
  lua_Integer serial;         /* of the last message whose globals were looked at */
  struct paths *paths;        /* held: what was last captured, or NULL (paths.c) */
  bool worker;                /* NATIVE is filled: this state is a worker's */
  unsigned char filter[1024]; /* Bloom filter of the objects in NAMES, by address */
};

/* Pushes the state's transfer userdata and answers its memory. [-0, +1, m] */
struct transfer *tide_transfer_get(lua_State *L);
/* Pushes table `which` of the transfer userdata at idx. [-0, +1, -] */
void tide_transfer_table(lua_State *L, int idx, enum transfer_table which);
/* Flushes the caches if they are full; a keep that follows at once cannot raise. [-0, +0, m] */
void tide_transfer_room(lua_State *L, int idx);
/* Takes a reference to c that lasts until the caches are flushed. Flushes them first when
** they are full. The userdata is at idx. False: out of memory (c is not taken). [-0, +0, m] */
bool tide_transfer_keep(lua_State *L, int idx, struct code *c);

TIDE_INTERNAL_END

#endif
