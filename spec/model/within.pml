/*
** Waiting inside tasks: tasks that submit others and wait for them, on threads that run what is waited
** for themselves, rest, or are away while another thread takes their place (csrc/within.c,
** tide_pool_runhere in pool_level.c, tide_pool_away and _back in pool.c, and what pool.c and
** pool_threads.c ask of `away`, `resting` and `waiting`).
**
** What stands for what:
**
**   proctype thread     thread_main with its levels: `stack` is the tasks that it runs, each but the last
**                       waiting for the one above it
**   proctype submitter  submits the roots, waits for all tasks, and closes the pool
**   on[t]               what task t submits (unless somebody has) and waits for: any choice, made at the
**                       start. `group[t]`: it waits as wait and as_completed do, for no task in particular
**   locked { … }        the pool's lock, held: one step, as in pool.pml
**
** The pool's conditions are as in pool.pml, where lost wake-ups are looked for; starting a thread is one
** step here. How a waiting task hears that another is done is task.pml's: a wait here is for `done`.
** Left out: looks before a sleep, worn workers, blocked submitters, cancelling.
**
** Shown, for each configuration:
**   - all tasks end, whatever waits for what, with any number of workers: no run stops with a
**     process in the middle. A ring of tasks ends since one of them gets the fault
**   - a task that is taken makes no more than max_workers that run
**   - invariants 2 and 4 of pool_own.h, and that all counts are 0 in the end
**
** A BUG_… puts in the error that its place says; scripts/model wants each to be found.
**
** SPDX-License-Identifier: MIT
*/
#ifndef WORKERS
#define WORKERS 1 /* max_workers */
#endif
#ifndef THREADS
#define THREADS 4 /* that may exist at a time; a run that needs more is an error */
#endif
#ifndef TASKS
#define TASKS 4
#endif
#ifndef ROOTS
#define ROOTS 2 /* tasks that are submitted from outside; the others by those that wait for them */
#endif
#ifndef RINGS
#define RINGS 0 /* 1: a task may wait for any; else for later ones only, and also as a group */
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0 /* an idle thread's time passes */
#endif
#ifndef FAILS
#define FAILS 0 /* a thread cannot be started */
#endif
#ifndef DEEP
#define DEEP TASKS /* how many levels have room on a stack; 1: nothing runs where it is waited for */
#endif

#define NONE 255
#define locked atomic

mtype = { UNBORN, QUEUED, TAKEN };  /* a task's place */
mtype = { FREE, FRESH, IDLE, ASLEEP, BUSY, ENDING }; /* a thread's; for reading runs */

bool closing;
byte queued, running, waiting, idle, nasleep, fresh, alive, away, resting;
byte timeouts = TIMEOUTS, fails = FAILS;
mtype place[TASKS] = UNBORN;
bool done[TASKS];
byte on[TASKS] = NONE, awaits[TASKS] = NONE;
bool group[TASKS];
mtype life[THREADS] = FREE;
bool woken[THREADS];
hidden byte i, j;

#define present (alive - away)
#define is_short() (queued > idle + fresh)
#ifdef BUG_ALL_REST /* all may rest, though they wait for one that is away */
#define stuck(n) false
#else
#define stuck(n) (away > 0 && resting > 0 && (n) <= resting)
#endif
#define surplus() (present > WORKERS && !stuck(present - 1))
#define wanting() (is_short() && (present < WORKERS || stuck(present)))
#ifdef BUG_SERVED_BY_RESTING /* no thread could be had, and those that rest are to serve the queue */
#define served() (queued == 0 || present > 0)
#else
#define served() (queued == 0 || present > resting || (away == 0 && alive > 0))
#endif
#define active (running - waiting - away - resting)
#define sleepy() (nasleep > 0 && queued > 0 && idle == nasleep)

inline check() {
  d_step {
    assert(running >= waiting + away + resting);
    assert(idle + fresh + running - waiting <= alive);
    assert(!sleepy());
    assert(queued == 0 || alive > 0);
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

inline pick() { /* and ring */
  if
  :: sleepy() -> wake_one()
  :: else
  fi
}

inline start(failed) { /* tide_pool_start_locked */
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
  :: wanting() ->
    start(failed);
    if
    :: failed && served() -> failed = false
    :: failed && !served() -> place[t] = TAKEN; queued--; done[t] = true /* the caller gets the fault */
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

#ifdef BUG_TAKES_AS_SURPLUS /* one thread too many takes a task */
#define may_take() (queued > 0)
#else
#define may_take() (queued > 0 && !surplus())
#endif

/* tide_task_await: whether u, through what it awaits, leads to t. */
inline await(t, u, ring) {
  j = u;
  ring = false;
  do
  :: j == t -> ring = true; break
  :: j != t && j == NONE -> break
  :: j != t && j != NONE -> j = awaits[j]
  od;
#ifdef BUG_NO_RINGS /* nobody looks for them */
  ring = false;
#endif
  if
  :: !ring -> awaits[t] = u
  :: else
  fi
}

proctype thread(byte me) {
  byte stack[TASKS], depth = 0, t = NONE, u = NONE;
  bool expired, failed, rests, ring;

unborn:
end_unborn:
  life[me] == FRESH;

open:
  locked { /* open_worker */
    fresh--;
    if
    :: (!closing && !surplus()) || queued > 0 -> idle++; life[me] = IDLE; check()
    :: else -> check(); goto ending
    fi
  }

take:
  locked { /* take_locked */
    do
    :: may_take() -> pop(t); break
    :: !may_take() && (closing || expired || surplus()) -> idle--; break
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

perform: /* task t, in a level of its own */
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
  :: group[t] -> rests = false
  :: else ->
    atomic {
      await(t, u, ring);
      if
      :: ring -> goto finish /* FAULT_DEADLOCK */
      :: else
      fi
    }
    locked { /* tide_pool_runhere */
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
  locked { /* tide_pool_away */
    rests = !group[t] && place[u] == TAKEN;
    if
    :: rests -> resting++
    :: else -> away++
    fi;
    failed = false;
#ifndef BUG_NO_PLACE_TAKEN /* nobody takes its place */
    if
    :: wanting() -> start(failed)
    :: else
    fi;
#endif
    if
    :: failed && !served() -> /* the wait fails */
      if
      :: rests -> resting--
      :: else -> away--
      fi
    :: else -> failed = false
    fi;
    pick();
    check();
    if
    :: failed -> awaits[t] = NONE; goto finish
    :: else
    fi
  }
  done[u];
  locked { /* tide_pool_back */
    if
    :: rests -> resting--
    :: else -> away--
    fi;
    if
    :: surplus() && nasleep > 0 -> wake_one()
    :: else
    fi;
    check()
  }
waited:
  awaits[t] = NONE;

finish:
  if
  :: depth > 0 ->
    locked { /* tide_level_end_locked, tide_pool_runhere */
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
    if
    :: (is_short() && !surplus()) || (queued > 0 && present == 1) ->
      fresh++;
      life[me] = FRESH;
      check();
      goto open
    :: else -> alive--; life[me] = FREE; check(); goto unborn
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
  locked { /* tide_pool_close */
    closing = true;
    for (i : 0 .. THREADS - 1) {
      if
      :: life[i] == ASLEEP && !woken[i] -> woken[i] = true; nasleep--
      :: else
      fi
    };
    check()
  }
  alive == 0; /* tide_pool_wait */
  d_step {
    for (i : 0 .. TASKS - 1) { assert(place[i] == UNBORN || done[i]) };
    assert(queued + running + waiting + idle + nasleep + fresh + away + resting == 0);
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
