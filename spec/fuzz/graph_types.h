/*
** graph_types.h: the types and functions of the values that graph.c makes.
**
** SPDX-License-Identifier: MIT
*/
#ifndef GRAPH_TYPES_H
#define GRAPH_TYPES_H

#include "graph.h"

enum { GRAPH_FUNCTIONS = 10, GRAPH_OBJECTS = 256 };

/* Pushes a new function, the nth from 0 on. Those from 0 on have the upvalues a, b, c as far as
** they use them, and name the globals g0, g1, g2. [-0, +1, e] */
void graph_function(lua_State *L, unsigned n);
/* Pushes an object of the type "counted". [-0, +1, e] */
void graph_counted(lua_State *L, unsigned n);
/* Returns its arguments, none of which is nil, as a table with __transfer. */
int graph_make(lua_State *L);
/* Pushes a list of a table and of one whose __transfer replaces what is in the first by equal
** values. [-0, +1, e] */
void graph_mutable(lua_State *L);
/* Any C function. */
int graph_cfunction(lua_State *L);

#endif
