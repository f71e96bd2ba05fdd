/*
** api/executor_tree: closing and awaiting an executor together with its child executors.
**
** A worker whose state closes does not wait for the executors that the state adopted. Their tasks
** may wait for one that this worker is to run, so both would wait forever. The worker gives them to
** its own executor, its parent, as child executors. Closing, interrupting or awaiting the parent
** includes them.
**
** The list of children is guarded by the parent's lock and ordered by number. Nothing but taking a
** reference is done to a child under that lock: a thread that walks through the list takes the
** child with the least number above the last one, each time.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_EXECUTOR_TREE_H
#define TI_API_EXECUTOR_TREE_H

#include "api/executor.h"
#include "platform/clock.h"

TI_INTERNAL_BEGIN

/* Makes `child`, a closed executor, a child of `parent`, whose worker calls this. Takes over one
** reference to the child's pool. First releases children that have ended, so a worker may leave any
** number behind. Never waits. */
void ti_executor_tree_add(tide_executor *parent, tide_executor *child);

/* Returns the first child of ex after number *last (0: from the start), and sets *last to its
** number. The caller owns a reference to its pool. NULL: there are no more. */
tide_executor *ti_executor_tree_next(tide_executor *ex, size_t *last);

/* Closes ex and its children: they take no more tasks. `flags` as for tide_executor_shutdown, also
** for children that come later. Never waits. */
void ti_executor_tree_close(tide_executor *ex, int flags);

/* Waits until ex has ended and its threads are joined, then for its children, and releases those.
** Returns TIDE_OK; TIDE_ETIMEOUT; or TIDE_EDEADLOCK, perhaps after a wait, if the calling thread is
** a worker of one of them. */
int ti_executor_tree_wait(tide_executor *ex, ti_time deadline);

/* Releases the children of ex that have ended. Never waits. */
void ti_executor_tree_trim(tide_executor *ex);

TI_INTERNAL_END

#endif
