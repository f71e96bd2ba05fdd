/*
** tidepool, floor 2: vm, one worker's lua_State.
**
** Makes it, runs one task at a time in it, closes it; only the worker's own thread
** touches it. Loading, unpacking, running and packing the results of a task happen in
** one protected call: whatever fails there fails that task and nothing else.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_VM_H
#define TIDE_VM_H

#include <lua.h>
#include <stdint.h>

#include "keeper.h"
#include "message.h"
#include "paths.h"
#include "rng.h"
#include "stop.h"

TIDE_INTERNAL_BEGIN

struct vm_config {
  lua_Alloc alloc; /* NULL: the C library's */
  void *alloc_ud;
  const struct mem *mem;
  void (*open_state)(lua_State *L, void *ud);   /* may be NULL; may raise */
  void (*finalizer)(lua_State *L, void *ud);    /* may be NULL; may raise */
  void (*close_state)(lua_State *L, void *ud);  /* may be NULL */
  int (*cfunction)(lua_CFunction fn, void *ud); /* may be NULL: pack_rules (pack.h) */
  void (*warn)(const char *message, void *ud);  /* where errors in close_state go; may be NULL */
  /* Takes a warning of a state; false: nobody is there for it. Any worker's thread. */
  bool (*deliver)(void *user, const char *text, size_t len);
  void *ud;
  const struct copy *copy; /* of the library, which `require` gives in the state; may be NULL */
  void *user;              /* for tide_vm_user */
  size_t memory_limit;     /* bytes that a state may hold; 0: any */
};

struct vm;
struct opening;

/* A new state: Lua's libraries, those that differ in a worker, open_state, `paths` (may be NULL), and the
** initializer of `given`, in this order. NULL on failure; then *why is a message
** allocated from cfg->mem, of *whysize bytes, or NULL if out of memory. cfg and stop must outlive it. */
struct vm *tide_vm_new(const struct vm_config *cfg, struct stop *stop, struct paths *paths,
                       const struct opening *given, char **why, size_t *whysize);
/* The worker's index, 0 until this. */
void tide_vm_setindex(struct vm *vm, int index);
/* Calls the finalizers, the script's and the host's, unless the state was never opened as a whole; then
** close_state; and closes the state. NULL is legal. */
void tide_vm_free(struct vm *vm);

/* A call to be run. */
struct vm_call {
  const struct message *in;
  struct paths *paths;           /* NULL: as they are */
  const char *name;              /* NULL: none */
  size_t memory_limit;           /* bytes that the state may grow by; 0: any */
  const struct seeding *seeding; /* where its random numbers begin; NULL: anywhere */
};

/* Runs it, and closes the stop. Answers the outcome (fault.h) and fills the empty message *out:
**   FAULT_NONE   packed values
**   FAULT_ERROR  varint length and traceback, then the packed error value
**   others       varint length and message, varint length and traceback */
int tide_vm_run(struct vm *vm, const struct vm_call *call, struct message *out);

/* Its last task could not bring it back under its memory limit, or was stopped in a finalizer. */
bool tide_vm_spoiled(const struct vm *vm);
bool tide_vm_tainted(const struct vm *vm); /* the latter */

/* Of the state of a worker: cfg->user, and the name of the task that runs ("": none), NULL
** outside a task. For other states NULL. [-0, +0, -] */
void *tide_vm_user(lua_State *L);
const char *tide_vm_taskname(lua_State *L);
/* The index of the worker whose task runs in L, -1 outside of tasks; where a number for that task can be
** kept, 0 when it begins, NULL outside of tasks. [-0, +0, -] */
int tide_vm_index(lua_State *L);
uint64_t *tide_vm_taskid(lua_State *L);
/* What the task that runs in L was asked for (stop.h), FAULT_NONE outside of tasks. [-0, +0, -] */
int tide_vm_asked(lua_State *L);
/* Whether L is a worker's state that is being closed. [-0, +0, -] */
bool tide_vm_closing(lua_State *L);
/* The stop of the task that runs in L; NULL outside of tasks. [-0, +0, -] */
struct stop *tide_vm_stop(lua_State *L);
/* The generator of the worker's state L, if a task runs in it that was seeded; else NULL. [-0, +0, -] */
struct rng *tide_vm_rng(lua_State *L);
/* What the state of a worker keeps between its tasks; NULL for others. [-0, +0, -] */
struct keeper *tide_vm_keeper(lua_State *L);

TIDE_INTERNAL_END

#endif
