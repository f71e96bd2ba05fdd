/*
** codec/codec_state: what a lua_State remembers to send and receive.
**
** One userdata in the registry, made on first use, closed with the state. Its user
** values are the tables below, each made on first use too; it holds the references to code that
** they name by address. Only the state's own thread touches it.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_CODEC_STATE_H
#define TI_CODEC_CODEC_STATE_H

#include <lua.h>

#include "util/buffer.h"
#include "codec/code.h"
#include "luautil/lua_internals.h"
#include "luautil/lua_alloc.h"
#include "codec/memo.h"

TI_INTERNAL_BEGIN

struct ti_lender;
struct ti_codec_state;
struct ti_pack_rules;
struct ti_package_paths;

enum ti_codec_table {
  CODEC_CODES = 1,  /* Lua function -> code (light); weak keys */
  CODEC_PROTOTYPES, /* prototype (light) -> a function of it that is in CODES; weak values */
  CODEC_LOADED,     /* code (light) -> factory, or true: load it anew each time */
  CODEC_NAMES,      /* object -> how it is called (module_index.h); weak keys */
  /* module name -> "@file" in Lua, true: a C library, false: none (module_index.c) */
  CODEC_ORIGINS,
  CODEC_FILES, /* "@file" of a module -> true, or how it was judged (module_index.c) */
  CODEC_PINS,  /* what ENTRIES points to (module_names.c) */
  /* name that was made an alias -> what it was before, false: nothing (module_names.c) */
  CODEC_ALIASED,
  CODEC_GOT,     /* global that came with a message -> serial of that message (globals.c) */
  CODEC_CAME,    /* global that came with a message -> the value that came */
  CODEC_NATIVE,  /* global that this state's host or initializer defined -> true; workers only */
  CODEC_PACKAGE, /* not a table of ours: the library `package` (package_paths.c) */
  CODEC_PATH,    /* no tables: package.path and cpath when last captured, kept alive */
  CODEC_CPATH,
  CODEC_NATIVES, /* object that only the program has -> its path; weak keys (cfunction.c) */
  CODEC_LENT,    /* strings that are out on loan (borrow.c); nil until the first */
  CODEC_TABLES = CODEC_LENT
};

/* What others release when the state closes, in this order. Each sets its entry of `closers` once
** it has something to release. */
enum ti_codec_state_closer { CODEC_CLOSE_PATHS, CODEC_CLOSE_LEND, CODEC_CLOSERS };

enum { CODEC_FOUND = 16 };

struct ti_codec_state {
  void (*closers[CODEC_CLOSERS])(lua_State *L, struct ti_codec_state *x); /* NULL: nothing to do */
  struct ti_code **codes; /* references held for CODES, LOADED and the index */
  size_t ncodes, capcodes;
  size_t codebytes;               /* of all of them */
  struct ti_code **index;         /* of them by content: 2 * capcodes slots, open addressing */
  const void *found[CODEC_FOUND]; /* prototypes of functions found by content (function.c) */
  struct ti_buffer scratch;       /* for dumps */
  const void **entries;           /* owned: what was loaded when last indexed (module_names.c) */
  size_t nentries, npaths, capentries; /* npaths of them are no modules */
  lua_Integer serial;                  /* of the last message whose globals were looked at */
  struct ti_package_paths *paths;      /* held: what was last captured, or NULL (package_paths.c) */
  const char *path, *cpath;            /* bytes of PATH and CPATH; NULL: no string */
  struct ti_lua_internals layout;      /* found with the first value that is not plain */
  struct ti_memo_spare memo;           /* owned: a block for the next message (pack.c) */
  struct ti_lender *lender;            /* owned; NULL: none yet (borrow.c) */
  int owed;                   /* KiB that the collector is to do the work for yet (gc_pacing.c) */
  struct ti_lua_alloc *alloc; /* a worker's state: its allocator; NULL: a host's */
  bool opening;               /* the initializer's message is unpacked (worker_calls.c) */
  bool natives;               /* NATIVES is as new as NAMES (cfunction.c) */
  const struct ti_pack_rules *rules; /* by which results are packed; NULL: no worker's (pack.h) */
  bool late;             /* made while the state closes, perhaps: will not be closed itself */
  bool wary;             /* the last message met a __transfer or a weak table (pack_impl.h) */
  bool strings;          /* ti_error_strings: errors that arrive become strings */
  bool worker;           /* NATIVE is filled: this state is a worker's */
  unsigned char *filter; /* Bloom filter of the objects in NAMES, by address; NULL: none */
};

/* Pushes the state's transfer userdata and answers its memory. [-0, +1, m] */
struct ti_codec_state *ti_codec_state_get(lua_State *L);
/* The same if there is one already, else pushes nil and answers NULL. [-0, +1, -] */
struct ti_codec_state *ti_codec_state_peek(lua_State *L);
/* Says whether errors of L are strings; answers what was so before. [-0, +0, m] */
bool ti_codec_state_set_error_strings(lua_State *L, bool on);
#define CODEC_FILTER 1024 /* bytes */

/* Pushes table `which` of the transfer userdata at idx. [-0, +1, m] */
void ti_codec_state_table(lua_State *L, int idx, enum ti_codec_table which);
/* The same if there is one already, else pushes nil and answers false. [-0, +1, -] */
bool ti_codec_state_has_table(lua_State *L, int idx, enum ti_codec_table which);
/* Takes a reference to c that lasts until the caches are flushed. Flushes them first when
** they are full. The userdata is at idx. False: out of memory (c is not taken). [-0, +0, -] */
bool ti_codec_state_keep(lua_State *L, int idx, struct ti_code *c);
/* Starts the caches of code anew. The userdata is at idx. [-0, +0, -] */
void ti_codec_state_flush(lua_State *L, int idx);
/* The code kept with this content, or NULL; borrowed. */
struct ti_code *ti_codec_state_find(const struct ti_codec_state *x, uint64_t hash,
                                    const struct ti_bytecode_set *envs, const void *dump,
                                    size_t len);

TI_INTERNAL_END

#endif
