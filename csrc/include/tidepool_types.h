/*
** tidepool_types.h: the numbers that the C API and the library's own layers share.
**
** Programs include tidepool.h, which includes this file. It needs no Lua header, so that the layers
** that know no Lua use the same numbers. Numbers keep their value from version to version; new ones
** are appended.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDEPOOL_TYPES_H
#define TIDEPOOL_TYPES_H

/* What went wrong. tide_kindname returns the word that scripts see. */
typedef enum tide_kind {
  TIDE_OK = 0,
  TIDE_ETIMEOUT,      /* "timeout": the time passed first */
  TIDE_ECANCELLED,    /* "cancelled" */
  TIDE_ESHUTDOWN,     /* "shutdown": no more tasks are taken */
  TIDE_EBROKEN,       /* "broken": the initializer or open_state failed, or a fork */
  TIDE_EINVALIDSTATE, /* "invalid_state" */
  TIDE_ETRANSFER,     /* "transfer": a value that cannot be sent or rebuilt */
  TIDE_EINTERRUPTED,  /* "interrupted": tide_future_interrupt, or a shutdown that interrupts */
  TIDE_ETIMELIMIT,    /* "time_limit": the task ran longer than it may */
  TIDE_EMEMORYLIMIT,  /* "memory_limit": the task's state would have held more than it may */
  TIDE_EFULL,         /* "full": the bounded queue has no room */
  TIDE_EDEADLOCK,     /* "deadlock": a task would wait for itself, or for ever at max_threads */
  /* Those below are return values only; no error object has them as its kind. */
  TIDE_EERROR,  /* the task raised an error of its own */
  TIDE_ENOMEM,  /* out of memory */
  TIDE_ETHREAD, /* no thread could be started */
  TIDE_EARG     /* a wrong argument */
} tide_kind;

/* How far a future's task is. The last two are "done". */
typedef enum tide_status { TIDE_PENDING, TIDE_RUNNING, TIDE_FINISHED, TIDE_CANCELLED } tide_status;

/* The types of tide_value. */
typedef enum tide_type {
  TIDE_TNIL,
  TIDE_TBOOLEAN,
  TIDE_TINTEGER,
  TIDE_TNUMBER,
  TIDE_TSTRING,
  TIDE_TPOINTER, /* light userdata */
  TIDE_TOTHER    /* reading only: needs a lua_State, see tide_pushoutcome */
} tide_type;

/* The types of an array's elements: signed and unsigned integers and floats, with their bits. */
typedef enum tide_element {
  TIDE_I8,
  TIDE_I16,
  TIDE_I32,
  TIDE_I64,
  TIDE_U8,
  TIDE_U16,
  TIDE_U32,
  TIDE_U64,
  TIDE_F32,
  TIDE_F64
} tide_element;

#endif
