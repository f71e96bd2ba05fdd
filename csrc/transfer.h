/*
** tidepool, floor 2: transfer, what a lua_State remembers to send and receive.
**
** One userdata in the registry, made on first use, closed with the state. Its user
** values are the tables below, each made on first use too; it holds the references to code that they name
** by address. Only the state's own thread touches it.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_TRANSFER_H
#define TIDE_TRANSFER_H

#include <lua.h>

#include "bytes.h"
#include "code.h"
#include "layout.h"
#include "memo.h"

TIDE_INTERNAL_BEGIN

struct blocks;
struct lender;
struct pack_rules;
struct paths;

enum transfer_table {
  TRANSFER_CODES = 1, /* Lua function -> code (light); weak keys */
  TRANSFER_KIN,       /* prototype (light) -> a function of it that is in CODES; weak values */
  TRANSFER_LOADED,    /* code (light) -> factory, or true: load it anew each time */
  TRANSFER_NAMES,     /* object -> how it is called (index.h); weak keys */
  TRANSFER_ORIGINS,   /* module name -> "@file" in Lua, true: a C library, false: none (index.c) */
  TRANSFER_FILES,     /* "@file" of a module -> true, or how it was judged (index.c) */
  TRANSFER_PINS,      /* what ENTRIES points to (names.c) */
  TRANSFER_ALIASED, /* name that was made an alias -> what it was before, false: nothing (names.c) */
  TRANSFER_GOT,     /* global that came with a message -> serial of that message (globals.c) */
  TRANSFER_CAME,    /* global that came with a message -> the value that came */
  TRANSFER_NATIVE,  /* global that this state's host or initializer defined -> true; workers only */
  TRANSFER_PACKAGE, /* not a table of ours: the library `package` (paths.c) */
  TRANSFER_PATH,    /* no tables: package.path and cpath when last captured, kept alive */
  TRANSFER_CPATH,
  TRANSFER_NATIVES, /* object that only the program has -> its path; weak keys (native.c) */
  TRANSFER_LENT,    /* strings that are out on loan (lend.c); nil until the first */
  TRANSFER_TABLES = TRANSFER_LENT
};

enum { TRANSFER_SEEN = 16 };

/* References to a piece of code that messages will take. Taking one at a time means to take the
** line of its count, each time, from the worker that gave one back last. */
enum { PURSES = 8, PURSE_FULL = 256 };
struct purse {
  struct code *code; /* NULL: none */
  size_t n;          /* references to it that are left */
};

struct transfer {
  struct code **codes; /* references held for CODES, LOADED and the index */
  size_t ncodes, capcodes;
  size_t codebytes;                 /* of all of them */
  struct purse purses[PURSES];      /* by the code's address; of codes that are kept */
  struct code **index;              /* of them by content: 2 * capcodes slots, open addressing */
  const void *seen[TRANSFER_SEEN];  /* functions whose code was found without CODES last (func.c) */
  const void *kinds[TRANSFER_SEEN]; /* and prototypes of those found without KIN */
  struct bytes scratch;             /* for dumps */
  const void **entries;             /* owned: what was loaded when last indexed (names.c) */
  size_t nentries, npaths, capentries; /* npaths of them are no modules */
  lua_Integer serial;                  /* of the last message whose globals were looked at */
  struct paths *paths;                 /* held: what was last captured, or NULL (paths.c) */
  const char *path, *cpath;            /* bytes of PATH and CPATH; NULL: no string */
  struct layout layout;                /* found with the first value that is not plain */
  struct memo_spare memo;              /* owned: a block for the next message (pack.c) */
  struct lender *lender;               /* owned; NULL: none yet (lend.c) */
  bool never_lends;                    /* or no lender is to be made (lend.c) */
  int owed;            /* KiB that the collector is to do the work for yet (large.c) */
  bool tried_warm;     /* no other attempt is to be made (large.c) */
  struct blocks *warm; /* owned: what the state's allocator goes through, or NULL (large.c) */
  bool opening;        /* the initializer's message is unpacked (opening.c) */
  bool natives;        /* NATIVES is as new as NAMES (native.c) */
  const struct pack_rules *rules; /* by which results are packed; NULL: no worker's (pack.h) */
  bool late;             /* made while the state closes, perhaps: will not be closed itself */
  bool wary;             /* the last message met a __transfer or a weak table (packer.h) */
  bool strings;          /* errors that arrive become strings (error.c) */
  bool worker;           /* NATIVE is filled: this state is a worker's */
  unsigned char *filter; /* Bloom filter of the objects in NAMES, by address; NULL: none */
};

/* Pushes the state's transfer userdata and answers its memory. [-0, +1, m] */
struct transfer *tide_transfer_get(lua_State *L);
/* The same if there is one already, else pushes nil and answers NULL. [-0, +1, -] */
struct transfer *tide_transfer_peek(lua_State *L);
#define TRANSFER_FILTER 1024 /* bytes */

/* Pushes table `which` of the transfer userdata at idx. [-0, +1, m] */
void tide_transfer_table(lua_State *L, int idx, enum transfer_table which);
/* The same if there is one already, else pushes nil and answers false. [-0, +1, -] */
bool tide_transfer_hastable(lua_State *L, int idx, enum transfer_table which);
/* Takes a reference to c that lasts until the caches are flushed. Flushes them first when
** they are full. The userdata is at idx. False: out of memory (c is not taken). [-0, +0, -] */
bool tide_transfer_keep(lua_State *L, int idx, struct code *c);
/* Starts the caches of code anew. The userdata is at idx. [-0, +0, -] */
void tide_transfer_flush(lua_State *L, int idx);
/* A reference to c, which is kept, for a message. */
struct code *tide_transfer_spend(struct transfer *x, struct code *c);
/* The code kept with this content, or NULL; borrowed. */
struct code *tide_transfer_find(const struct transfer *x, uint64_t hash,
                                const struct chunk_set *envs, const void *dump, size_t len);

TIDE_INTERNAL_END

#endif
