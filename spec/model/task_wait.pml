/*
** Waits inside tasks: tasks that submit others and wait for them. Their thread runs what is waited
** for in a nested worker, or waits for a running task, or is blocked while another thread takes its
** place. C: csrc/api/task_wait.c; ti_pool_nested_run_inline and ti_pool_nested_help in
** pool_nested.c; pool_block.c; and the rules of pool_state.c and pool_threads.c on `blocked`,
** `on_running`, `leaving` and `waiting`.
**
** Terms
**   locked { … }   the pool's lock is held: one step, as in pool.pml
**   blocked        counts blocked threads: the task waits for what its thread cannot provide
**   on_running     counts threads whose task waits for a task that another thread runs
**   waiting        counts tasks whose thread runs another task meanwhile
**   turn           changes when a task begins or ends to wait. Here: all `seen` and `agreed` become
**                  false.
**
** Processes and choices
**   thread      thread_main with its nested workers: `stack` is the tasks that it runs; each but
**               the last waits for the one above it
**   submitter   submits the roots, waits for all tasks, and closes the pool
**   on[t]       what task t submits, unless another task has, and waits for: any choice, made at
**               the start
**   group[t]    it waits as wait and as_completed do, for no task in particular
**
** The pool's conditions are those of pool.pml, where lost wake-ups are checked for. Starting a
** thread is one step here. How a waiting task learns that another is done is in task.pml: a wait
** here is for `done`. Left out: spins before a sleep, workers that need replacing, blocked
** submitters, cancelling.
**
** Shown, for each configuration:
**   - all tasks end, whatever waits for what, with any number of workers: no run stops with a
**     process in the middle. A ring of tasks ends because one of them gets the error.
**   - the same with MAX_THREADS, which is never exceeded. A thread that waits runs what it waits
**     for. A wait ends with an error only if all threads wait, no wait is over, and the thread that
**     gets the error could not run what it waits for.
**   - while the pool is open and no deadline of an idle thread passes, only threads over the limit
**     end
**   - taking a task never makes more than max_workers run
**   - invariants 2 and 4 of pool_state.h, and all counts are 0 in the end
**
** A BUG_… plants the error that its comment describes; scripts/model requires that each is found.
**
** SPDX-License-Identifier: MIT
*/
#ifndef WORKERS
#define WORKERS 1 /* max_workers */
#endif
#ifndef THREADS
#define THREADS 4 /* at most so many at a time; a run that needs more is an error */
#endif
#ifndef MAX_THREADS
#define MAX_THREADS 100 /* max_threads */
#endif
#ifndef TASKS
#define TASKS 4
#endif
#ifndef ROOTS
#define ROOTS 2 /* tasks that the submitter submits; the others by tasks that wait for them */
#endif
#ifndef RINGS
#define RINGS 0 /* 1: a task may wait for any task; 0: for later ones only, also as a group */
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0 /* the deadline of an idle thread passes */
#endif
#ifndef FAILS
#define FAILS 0 /* a thread cannot be started */
#endif
#ifndef DEEP
#define DEEP TASKS /* how many nested workers fit in a C stack; 1: none beside the first */
#endif

#define NONE 255
#define locked atomic

mtype = { UNBORN, QUEUED, TAKEN };  /* a task's place */
mtype = { FREE, FRESH, IDLE, ASLEEP, BUSY, ENDING }; /* a thread's; for reading runs */

bool closing;
byte queued, running, waiting, idle, nasleep, fresh, alive, blocked, on_running, leaving;
byte timeouts = TIMEOUTS, fails = FAILS;
mtype place[TASKS] = UNBORN;
bool done[TASKS];
byte on[TASKS] = NONE, awaits[TASKS] = NONE;
bool group[TASKS];
mtype life[THREADS] = FREE;
bool woken[THREADS];
bool seen[THREADS], agreed[THREADS];
byte awaited[THREADS] = NONE; /* what the task of a waiting thread waits for */
hidden byte i, j;

#define present (alive - blocked)
#define is_short() (queued > idle + fresh)
#ifdef BUG_ALL_ON_RUNNING /* no further thread starts if all wait for running tasks */
#define all_on_running(n) false
#else
#define all_on_running(n) (blocked > 0 && on_running > 0 && (n) <= on_running)
#endif
#ifdef BUG_LEAVES_UNCOUNTED /* leaving threads are counted when others decide to end */
#define staying present
#else
#define staying (present - leaving)
#endif
#define over_limit() (staying > WORKERS && !all_on_running(staying - 1))
#ifdef BUG_NO_BOUND /* max_threads is not checked */
#define place_for_one() true
#else
#define place_for_one() (alive < MAX_THREADS)
#endif
#define needs_thread() \
  (is_short() && place_for_one() && (present < WORKERS || all_on_running(present)))
#ifdef BUG_SERVED_BY_WAITING /* threads that wait count as ones that serve the queue */
#define served() (queued == 0 || present > 0)
#else
#define served() (queued == 0 || present > on_running || (blocked == 0 && alive > 0))
#endif
#define unservable() (!served() && alive >= MAX_THREADS)
#define active (running - waiting - blocked - on_running)
#define needs_wake() (nasleep > 0 && queued > 0 && idle == nasleep)

inline check() {
  d_step {
    assert(running >= waiting + blocked + on_running);
    assert(idle + fresh + leaving + running - waiting == alive);
    assert(alive <= MAX_THREADS);
    assert(!needs_wake());
    assert(queued == 0 || alive > 0);
  }
}

inline turn() { /* ti_pool_state_turn_locked */
  d_step {
    for (i : 0 .. THREADS - 1) {
      seen[i] = false;
      agreed[i] = false
    };
    i = 0
  }
}

/* All threads alive have agreed; then none of their waits is over. */
inline all_agreed(all) {
  d_step {
    j = 0;
    for (i : 0 .. THREADS - 1) {
      if
      :: agreed[i] -> j++
      :: else
      fi
    };
    all = j == alive;
    for (i : 0 .. THREADS - 1) {
      assert(!all || !agreed[i] || !done[awaited[i]])
    };
    i = 0;
    j = 0
  }
}

inline wake_one() {
  j = NONE;
  for (i : 0 .. THREADS - 1) {
    if
    :: life[i] == ASLEEP && !woken[i] -> j = i
    :: else
    fi
  }
  assert(j != NONE);
  woken[j] = true;
  nasleep--
}

inline pick() { /* and notify */
  if
  :: needs_wake() -> wake_one()
  :: else
  fi
}

inline start(failed) { /* ti_pool_threads_start_locked */
  failed = false;
  if
  :: fails > 0 -> fails--; failed = true
  :: true ->
    j = NONE;
    for (i : 0 .. THREADS - 1) {
      if
      :: life[i] == FREE -> j = i
      :: else
      fi
    };
    assert(j != NONE);
    life[j] = FRESH;
    alive++;
    fresh++
  fi
}

/* enqueue_locked; `failed`: it is not queued. */
inline submit(t, failed) {
  place[t] = QUEUED;
  queued++;
  failed = false;
  if
  :: needs_thread() ->
    start(failed);
    if
    :: failed && served() -> failed = false
    :: failed && !served() -> place[t] = TAKEN; queued--; done[t] = true /* an error */
    :: else
    fi
  :: else
  fi;
  pick();
  check()
}

inline pop(t) {
  t = NONE;
  for (i : 0 .. TASKS - 1) { /* any */
    if
    :: place[i] == QUEUED -> t = i
    :: place[i] == QUEUED && t != NONE
    :: else
    fi
  };
  place[t] = TAKEN;
  queued--;
  idle--;
  running++;
  assert(active <= WORKERS)
}

#ifdef BUG_TAKES_OVER_LIMIT /* a thread over the limit takes a task */
#define may_take() (queued > 0)
#else
#define may_take() (queued > 0 && !over_limit())
#endif

/* ti_task_await: whether what u awaits leads to t. */
inline await(t, u, ring) {
  j = u;
  ring = false;
  do
  :: j == t -> ring = true; break
  :: j != t && j == NONE -> break
  :: j != t && j != NONE -> j = awaits[j]
  od;
#ifdef BUG_NO_RINGS /* no thread searches for rings */
  ring = false;
#endif
  if
  :: !ring -> awaits[t] = u
  :: else
  fi
}

proctype thread(byte me) {
  byte stack[TASKS], depth = 0, t = NONE, u = NONE;
  bool expired, failed, running_wait, ring, checked;

unborn:
end_unborn:
  life[me] == FRESH;

open:
  locked { /* open_worker */
    fresh--;
    if
    :: (!closing && !over_limit()) || queued > 0 -> idle++; life[me] = IDLE; check()
    :: else -> leaving++; check(); goto ending
    fi
  }

take:
  locked { /* take_locked */
    do
    :: may_take() -> pop(t); break
    :: !may_take() && (closing || expired || over_limit()) -> idle--; leaving++; break
    :: else ->
      nasleep++;
      woken[me] = false;
      life[me] = ASLEEP;
      check();
      if
      :: woken[me]
      :: !woken[me] && timeouts > 0 -> timeouts--; expired = true; nasleep--
      fi;
      life[me] = IDLE
    od;
    expired = false;
    pick();
    check();
    if
    :: t == NONE -> goto ending
    :: else -> life[me] = BUSY
    fi
  }

perform: /* task t, in a nested worker of its own */
  atomic {
    u = on[t];
    if
    :: u == NONE -> goto finish
    :: else
    fi
  }
  locked {
    if
    :: place[u] == UNBORN -> submit(u, failed)
    :: else -> failed = false
    fi;
    if
    :: failed -> goto finish
    :: else
    fi
  }
  if
  :: group[t] -> running_wait = false
  :: else ->
    atomic {
      await(t, u, ring);
      if
      :: ring -> goto finish /* TIDE_EDEADLOCK */
      :: else
      fi
    }
    locked { /* ti_pool_nested_run_inline */
      if
      :: place[u] == QUEUED && depth + 1 < DEEP ->
        place[u] = TAKEN;
        queued--;
        running++;
        waiting++;
        stack[depth] = t;
        depth++;
        t = u;
        check();
        goto perform
      :: else
      fi
    }
  fi;
  if
  :: done[u] && !group[t] -> goto waited
  :: else
  fi;
  locked { /* ti_pool_block_begin */
    running_wait = !group[t] && place[u] == TAKEN;
    if
    :: running_wait -> on_running++
    :: else -> blocked++
    fi;
    turn();
    failed = false;
#ifndef BUG_NO_PLACE_TAKEN /* no thread takes its place */
    if
    :: needs_thread() -> start(failed)
    :: else
    fi;
#endif
    if
    :: failed && !served() -> /* the wait fails */
      if
      :: running_wait -> on_running--
      :: else -> blocked--
      fi;
      turn()
    :: else -> failed = false; awaited[me] = u
    fi;
    pick();
    check();
    if
    :: failed -> awaits[t] = NONE; goto finish
    :: else
    fi
  }
  checked = true; /* the first check comes before the sleep */
  do
  :: done[u] -> break
  :: !checked && !agreed[me] && !done[u] -> checked = true /* a slice ends, not the wait */
#ifndef BUG_NO_HELP /* a thread does not run what it waits for when no other thread is left to */
  :: locked { /* ti_pool_nested_help */
      checked && unservable() && place[u] == QUEUED && depth + 1 < DEEP ->
      checked = false;
      assert(!running_wait);
      place[u] = TAKEN;
      queued--;
      blocked--;
      awaited[me] = NONE;
      turn();
      running++;
      waiting++;
      awaits[t] = u;
      stack[depth] = t;
      depth++;
      t = u;
      check();
      goto perform
    }
#endif
#ifndef BUG_NO_AGREEMENT /* all wait for each other, and no wait ends with an error */
  :: locked { /* ti_pool_block_agree, as ti_pool_nested_help returned false */
#ifdef BUG_NO_HELP
      checked && unservable() && !agreed[me] ->
#else
      checked && unservable() && !agreed[me] && !(place[u] == QUEUED && depth + 1 < DEEP) ->
#endif
      checked = false;
      if
#ifdef BUG_AGREES_LATE /* its check of the wait may be older than the turn */
      :: agreed[me] = true
#else
      :: seen[me] -> agreed[me] = true
      :: else -> seen[me] = true
#endif
      fi;
      all_agreed(failed);
      if
      :: failed -> assert(!(place[u] == QUEUED && depth + 1 < DEEP)); break
      :: else
      fi
    }
#endif
  od;
  locked { /* ti_pool_block_end */
    checked = false;
    awaited[me] = NONE;
    if
    :: running_wait -> on_running--
    :: else -> blocked--
    fi;
    turn();
    if
    :: over_limit() && nasleep > 0 -> wake_one()
    :: else
    fi;
    check();
    if
    :: failed -> awaits[t] = NONE; goto finish /* TIDE_EDEADLOCK */
    :: else
    fi
  }
waited:
  awaits[t] = NONE;

finish:
  if
  :: depth > 0 ->
    locked { /* ti_pool_nested_end_locked, ti_pool_nested_run_inline */
      running--;
      waiting--;
      check()
    }
    atomic { /* and deliver */
      done[t] = true;
      depth--;
      t = stack[depth];
      u = NONE
    }
    goto waited
  :: else
  fi;
  locked { /* serve */
    u = t;
    t = NONE;
    running--;
    idle++;
    if
    :: may_take() -> pop(t)
    :: else
    fi;
    pick();
    check()
  }
  atomic {
    done[u] = true;
    u = NONE;
    if
    :: t == NONE -> life[me] = IDLE; goto take
    :: else -> goto perform
    fi
  }

ending:
  life[me] = ENDING;
  locked { /* thread_main */
    leaving--;
    if
    :: (is_short() && !over_limit()) || (queued > 0 && present == 1) ->
      fresh++;
      life[me] = FRESH;
      check();
      goto open
    :: else ->
      alive--;
      assert(TIMEOUTS > 0 || closing || alive >= WORKERS);
      life[me] = FREE;
      check();
      goto unborn
    fi
  }
}

proctype submitter() {
  byte t;
  bool failed;
  for (t : 0 .. ROOTS - 1) {
    locked {
      if
      :: place[t] == UNBORN -> submit(t, failed)
      :: else
      fi
    }
  };
  for (t : 0 .. ROOTS - 1) { done[t] };
  locked { /* ti_pool_close */
    closing = true;
    for (i : 0 .. THREADS - 1) {
      if
      :: life[i] == ASLEEP && !woken[i] -> woken[i] = true; nasleep--
      :: else
      fi
    };
    check()
  }
  alive == 0; /* ti_pool_wait */
  d_step {
    for (i : 0 .. TASKS - 1) { assert(place[i] == UNBORN || done[i]) };
    assert(queued + running + waiting + leaving == 0);
    assert(idle + nasleep + fresh + blocked + on_running == 0);
    i = 0
  }
}

init {
  byte k, n;
  atomic {
    for (k : 0 .. TASKS - 1) {
      if
      :: true
      :: n = (RINGS -> 0 : k + 1);
        do
        :: n < TASKS && (RINGS || n > k) -> on[k] = n; break
        :: n < TASKS -> n++
        :: n >= TASKS -> break
        od;
        if
        :: !RINGS && on[k] != NONE -> group[k] = true
        :: true
        fi
      fi
    };
    for (k : 0 .. THREADS - 1) { run thread(k) };
    run submitter()
  }
}
