/*
** codec/codec_state: what a lua_State remembers to send and receive.
**
** The codec state is one userdata in the registry of a lua_State. It is made on first use and
** closed with the state. Its user values are the tables below, each made on first use. It holds the
** references to code that these name by address. Only the state's own thread uses it.
**
** Terms:
**   closer   a function that releases what another file keeps in the codec state, when it closes
**   kept     code to which the codec state holds a reference, until its caches are flushed
**   late     said of a codec state that is made while the lua_State closes, or may be: no finalizer
**            will close it
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
  CODEC_NAMES,      /* object -> flag and module name (module_form.h); weak keys */
  /* module -> "@file" in Lua, true: a C library, false: not found (module_origin.h) */
  CODEC_ORIGINS,
  CODEC_FILES, /* "@file" of a module -> true, or 1 or 0 (module_evidence.h) */
  CODEC_PINS,  /* keeps alive what `entries` points to (module_changes.c) */
  /* name that was made an alias -> what it was before, false: nothing (module_require.h) */
  CODEC_ALIASED,
  CODEC_SERIALS,      /* global that a message installed -> serial of the message (globals.h) */
  CODEC_RECEIVED,     /* global that a message installed -> its value in the message */
  CODEC_OWN_GLOBALS,  /* global that the host or the initializer defined -> true; workers only */
  CODEC_PACKAGE,      /* the library `package`, which is not made here (package_paths.h) */
  CODEC_PATH,         /* package.path, a string, when last captured */
  CODEC_CPATH,        /* package.cpath, likewise */
  CODEC_OBJECT_PATHS, /* object that only the program has -> its path; weak keys (cfunction.h) */
  CODEC_BORROWED,     /* borrowed strings (borrow.c); nil until the first */
  CODEC_TABLES = CODEC_BORROWED
};

/* Closers, in the order in which they are called. A file sets its entry of `closers` once it has
** something to release. */
enum ti_codec_state_closer { CODEC_CLOSE_PATHS, CODEC_CLOSE_LENDER, CODEC_CLOSERS };

enum { CODEC_FOUND = 16 };

struct ti_codec_state {
  void (*closers[CODEC_CLOSERS])(lua_State *L, struct ti_codec_state *x); /* NULL: nothing to do */
  struct ti_code **codes; /* references held for CODES, LOADED and the index */
  size_t ncodes, capcodes;
  size_t codebytes;                    /* of all of them */
  struct ti_code **index;              /* `codes` by content: 2 * capcodes slots, open addressing */
  const void *found[CODEC_FOUND];      /* prototypes of functions found by content (function.c) */
  struct ti_buffer scratch;            /* for dumps */
  const void **entries;                /* owned: addresses of what was loaded (module_changes.c) */
  size_t nentries, npaths, capentries; /* the first npaths are no modules */
  lua_Integer serial;                  /* of the last message whose globals were read */
  struct ti_package_paths *paths;      /* held: what was last captured, or NULL (package_paths.c) */
  const char *path, *cpath;            /* bytes of PATH and CPATH; NULL: no string */
  struct ti_lua_internals internals;   /* found when the fast path fails first */
  struct ti_memo_spare memo;           /* owned: a block for the next message (pack.c) */
  struct ti_lender *lender;            /* owned; NULL: none yet (borrow.c) */
  int gc_debt;                         /* KiB that the collector has not worked for (gc_pacing.c) */
  struct ti_lua_alloc *alloc;          /* a worker's state: its allocator; NULL: a host's */
  bool opening;                      /* the initializer's message is being read (worker_calls.c) */
  bool object_paths_fresh;           /* OBJECT_PATHS is as new as NAMES (cfunction_index.c) */
  const struct ti_pack_rules *rules; /* for results; NULL: no worker's state (pack.h) */
  bool late;                         /* will not be closed */
  bool begin_guarded;                /* the next message begins guarded (pack_impl.h) */
  bool strings;                      /* errors that arrive become strings (ti_error_strings) */
  bool worker;                       /* this is a worker's state, and OWN_GLOBALS is filled */
  unsigned char *filter;             /* of the objects in NAMES (module_filter.h); NULL: none yet */
};

/* Pushes the codec state, makes it if necessary, and returns its memory. [-0, +1, m] */
struct ti_codec_state *ti_codec_state_get(lua_State *L);

/* Pushes the codec state if there is one, and returns its memory; else pushes nil and returns NULL.
** [-0, +1, -] */
struct ti_codec_state *ti_codec_state_peek(lua_State *L);

/* Sets whether errors of L are strings, and returns what was set before. [-0, +0, m] */
bool ti_codec_state_set_error_strings(lua_State *L, bool on);

#define CODEC_FILTER 1024 /* bytes of the Bloom filter */

/* Pushes table `which` of the codec state at idx, and makes it if necessary. [-0, +1, m] */
void ti_codec_state_table(lua_State *L, int idx, enum ti_codec_table which);

/* Pushes the table if there is one, and returns true; else pushes nil and returns false.
** [-0, +1, -] */
bool ti_codec_state_has_table(lua_State *L, int idx, enum ti_codec_table which);

/* Takes a reference to c, which lasts until the caches are flushed. Flushes them first when they
** are full. The codec state is at idx. Returns false, and takes none, when memory runs out.
** [-0, +0, -] */
bool ti_codec_state_keep(lua_State *L, int idx, struct ti_code *c);

/* Empties the caches of code. The codec state is at idx. [-0, +0, -] */
void ti_codec_state_flush(lua_State *L, int idx);

/* Returns the kept code with this content, without a reference, or NULL. */
struct ti_code *ti_codec_state_find(const struct ti_codec_state *x, uint64_t hash,
                                    const struct ti_bytecode_set *envs, const void *dump,
                                    size_t len);

TI_INTERNAL_END

#endif
