/*
** vm/worker_io: programs that a worker's tasks start: io.popen and os.execute.
**
** They differ from Lua's own in three ways. A program begins with the signal mask of the script,
** not that of a worker, which blocks nearly all signals. os.execute does not make the whole process
** ignore SIGINT, as system(3) does. io.popen waits for no other thread, while Lua's flushes all
** streams of the process, and so waits for each that another thread holds while it reads.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_VM_WORKER_IO_H
#define TI_VM_WORKER_IO_H

#include <lua.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

/* Replaces io.popen and os.execute in L. Also replaces io.open and io.tmpfile by functions that
** note the file, so that io.popen can flush it. [-0, +0, m] */
void ti_worker_io_open(lua_State *L);

TI_INTERNAL_END

#endif
