/*
** graph.h: what the round trip target sends, and how what arrives is compared with it.
**
** SPDX-License-Identifier: MIT
*/
#ifndef GRAPH_H
#define GRAPH_H

#include <lua.h>
#include <stdbool.h>

#include "fuzz.h"

struct graph {
  int n;          /* values */
  bool keyed;     /* the last is a list of the objects that are keys of tables: there are such */
  size_t objects; /* no value can be nested deeper than there are objects */
  bool transfers; /* objects with __transfer, which must not be among their own arguments */
  bool weak;      /* weak tables: what only they hold is to be collected before anything is sent */
};

/* Opens the libraries that are sent by name, the functions and the types of graphs. [-0, +0, e] */
void graph_open(lua_State *L);

/* Pushes the values that the input describes (graph.c), and behind them a list of the objects that
** are keys of tables, if there are any: the comparison needs it. Returns the number of values.
** [-0, +n, e] */
int graph_build(lua_State *L, struct input *in, struct graph *g);

/* Requires that the values on top of A and B correspond: content and sharing. [-0, +0, e] in
** both */
void graph_compare(lua_State *A, lua_State *B, const struct graph *g);

/* Pushes a list of objects that each state has itself, so that they are sent by name.
** [-0, +1, e] */
void graph_fixed(lua_State *L);

/* Returns the number of references to objects of the type "counted". */
long graph_held(void);

/* Returns the number of the object at idx if it is of that type, else -1. [-0, +0, -] */
long graph_object(lua_State *L, int idx);

#endif
