/*
** tidepool, floor 2: opening, the calls that a worker begins and ends with.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_OPENING_H
#define TIDE_OPENING_H

#include <lua.h>

#include "message.h"
#include "rng.h"

TIDE_INTERNAL_BEGIN

/* Messages of an initializer or nil, a finalizer or nil, and the initializer's arguments. Each may be NULL. */
struct opening {
  const struct message *both;    /* or the initializer alone */
  const struct message *final;   /* the finalizer alone */
  const struct seeding *seeding; /* where the initializer's random numbers begin; NULL: anywhere */
};

/* Unpacks both, calls the initializer, and pushes the finalizer or nil. *what says what was being done, for a
** message if it raises. [-0, +1, e] */
void tide_opening_run(lua_State *L, const struct opening *o, struct rng *rng, const char **what);
/* Protected: (what failed: a light userdata of a C string, error value) -> both as text. */
int tide_opening_why(lua_State *L);

TIDE_INTERNAL_END

#endif
