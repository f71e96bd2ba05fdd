/*
** vm/worker_io: programs that a worker's tasks start: io.popen and os.execute.
**
** They are Lua's own in all but this: a program begins with the signals blocked that the script has
** blocked, not those of a worker, which are nearly all; os.execute does not have the whole process
** ignore SIGINT, as system(3) does; and io.popen waits for no other thread. Lua's flushes all
** streams of the process, and so waits for each that another thread holds while it reads.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_VM_WORKER_IO_H
#define TI_VM_WORKER_IO_H

#include <lua.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

/* Replaces io.popen and os.execute in L; and io.open and io.tmpfile by some that do the same and
** remember the file, so that io.popen can write out what waits in it. [-0, +0, m] */
void ti_worker_io_open(lua_State *L);

TI_INTERNAL_END

#endif
