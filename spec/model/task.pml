/*
** Completion: which thread ends a task, the wait entries on it, and the waiter where they arrive.
** C: csrc/sched/task.c and waiter.c. `make model` searches all interleavings; scripts/model has the
** configurations.
**
** Terms
**   boxed { … }   the waiter's lock is held: one step. What the lock guards is touched inside
**                 such steps only. A cond_wait inside releases the lock, and has it again
**                 afterwards.
**   tlock         the task's lock. It is a variable, since the state is read without it.
**
** Processes. A name is that of the C function or field, without `ti_`.
**   completer   ti_task_begin, ti_task_finish, ti_task_release: a worker, or the user of a promise
**   canceller   ti_task_cancel
**   reader      reads the state without a lock (spin in future.c), then the outcome
**   owner       ti_waiter_entry_start on each task, ti_waiter_set_sleep, ti_waiter_set_take,
**               ti_waiter_entry_cancel. Then it frees its entries, its set and its waiter.
**   deadline    has no C: it ends a wait by time, or for no reason
**
** Left out, because more interleavings are possible without it, never fewer: the order in which the
** entries of one task are delivered, and arrived ones taken (any); the wake sequence, and how long
** an owner spins (a spin ends at any moment, and the owner checks again under the lock). Left out
** as not of this layer: the message, but for whether it is written; the pool (pool.pml).
**
** Shown, for each configuration:
**   - exactly one of begin, cancel and finish makes the step out of a state; a task ends once
**   - each entry is delivered once at most, and never after ti_waiter_entry_cancel or
**     ti_waiter_set_take
**   - no process touches an entry, set or waiter that its owner has freed, or a task after its last
**     reference
**   - an owner sleeps until what it needs has arrived or its deadline has passed, then it wakes: no
**     run stops with a process in the middle
**   - a process that sees that a task is done sees its outcome
** With -DLTL: every fair run ends (no livelock).
**
** A BUG_… plants the error that its comment describes; scripts/model requires that each is found.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TASKS
#define TASKS 2
#endif
#ifndef OWNERS
#define OWNERS 1
#endif
#ifndef COMPLETERS
#define COMPLETERS 1 /* of each task; 2: a promise that two threads set */
#endif
#ifndef CANCELLERS
#define CANCELLERS 1 /* of each task */
#endif
#ifndef READERS
#define READERS 0 /* 1: of task 0 */
#endif
/* At most how often in one run: */
#ifndef TIMEOUTS
#define TIMEOUTS 0 /* an owner's deadline passes */
#endif
#ifndef SPURIOUS
#define SPURIOUS 0 /* a wait ends for no reason */
#endif
/* FAIL_FIRST: task 0 fails; the others end only after the owner, which stops on failure, woke. */

#define bit(i) (1 << (i))
#define boxed atomic
#define lock(t) !tlock[t]; tlock[t] = true
#define unlock(t) tlock[t] = false

/* ---------------------------------------------------------------- fields -- */

mtype = { PENDING, RUNNING, FINISHED, CANCELLED } /* tide_status */
mtype = { NO_OUTCOME, VALUES, FAILED, NO_VALUES };

bool tlock[TASKS];
mtype state[TASKS] = PENDING;
mtype outcome[TASKS] = NO_OUTCOME;
byte refs[TASKS];

/* Owner o waits for task t with entry o * TASKS + t. */
#define ENTRIES (OWNERS * TASKS)
#define owner_of(w) ((w) / TASKS)
#define task_of(w) ((w) % TASKS)

mtype = { IDLE, ON_TASK, IN_FLIGHT, ARRIVED };
mtype entry[ENTRIES] = IDLE;
byte awaited; /* bits */

byte alive; /* bits: owners whose entries, set and waiter exist */
byte nready[OWNERS], nfailed[OWNERS], need[OWNERS];
byte stop_on_failure, asleep, expired, woke; /* bits: owners */

byte timeouts, spurious = SPURIOUS; /* still to come */
bool begun;                         /* init has created all processes */
hidden byte i;                      /* temporary inside one step */

#define done(t) (state[t] == FINISHED || state[t] == CANCELLED)
#define failed(t) (state[t] == FINISHED && outcome[t] == FAILED)

/* In a boxed step: releases the lock, and has it again when woken. */
inline cond_wait(o) {
  asleep = asleep | bit(o);
  !(asleep & bit(o))
}

inline cond_signal(o) {
  assert(alive & bit(o));
  asleep = asleep & ~bit(o)
}

/* ----------------------------------------------------------------- tasks -- */

inline set_state(t, to) { /* set_state_locked */
  assert((state[t] == PENDING && to != PENDING) || (state[t] == RUNNING && to == FINISHED));
  state[t] = to
}

inline task_begin(t, mine) {
#ifdef BUG_BEGIN_UNLOCKED /* checks before it has the lock */
  mine = state[t] == PENDING;
  atomic {
    lock(t);
#else
  atomic {
    lock(t);
    mine = state[t] == PENDING;
#endif
    assert(refs[t] > 0);
    if
    :: mine -> set_state(t, RUNNING)
    :: else
    fi;
    unlock(t)
  }
}

inline task_release(t) {
  atomic {
    assert(refs[t] > 0);
    refs[t]--;
    if
    :: refs[t] == 0 -> /* it is freed: no entry is on its list */
      assert(!tlock[t]);
      for (i : 0 .. ENTRIES - 1) { assert(task_of(i) != t || entry[i] != ON_TASK) }
    :: else
    fi
  }
}

/* arrive in waiter.c, with no task's lock held. */
inline deliver(w, failure) {
  boxed {
    assert(alive & bit(owner_of(w)));
    assert(entry[w] == IN_FLIGHT);
    entry[w] = ARRIVED;
    nready[owner_of(w)]++;
    nfailed[owner_of(w)] = nfailed[owner_of(w)] + failure;
#ifdef BUG_NO_AWAITED /* a canceller that waits for this entry is not woken */
    wake = false;
#else
    wake = (awaited & bit(w)) != 0;
#endif
    if
    :: need[owner_of(w)] > 0 ->
#ifdef BUG_CHECKS_TOO_EARLY /* checks whether enough arrived, then counts */
      wake = wake || need[owner_of(w)] == 0;
#endif
      if
#ifndef BUG_STOP_IGNORED /* a failure counts as one more arrival */
      :: failure && (stop_on_failure & bit(owner_of(w))) -> need[owner_of(w)] = 0
#endif
      :: else -> need[owner_of(w)]--
      fi;
#ifndef BUG_CHECKS_TOO_EARLY
      wake = wake || need[owner_of(w)] == 0
#endif
    :: else
    fi;
#ifndef BUG_WAKES_OUTSIDE /* wakes after it released the waiter's lock */
    if
    :: wake -> cond_signal(owner_of(w)); wake = false
    :: else
    fi
#endif
  }
#ifdef BUG_WAKES_OUTSIDE
  atomic {
    if
    :: wake -> cond_signal(owner_of(w)); wake = false
    :: else
    fi
  }
#endif
#ifdef BUG_TOUCHES_AFTER /* reads the next entry from one that it delivered */
  assert(alive & bit(owner_of(w)));
#endif
}

/* settle: from PENDING, or from `latest`, to `to`. Local variables are the caller's. */
inline settle(t, latest, to, what) {
#ifdef BUG_CANCEL_UNLOCKED /* checks before it has the lock */
  mine = state[t] == PENDING || state[t] == latest;
  atomic {
    lock(t);
#else
  atomic {
    lock(t);
    mine = state[t] == PENDING || state[t] == latest;
#ifdef BUG_ENDS_TWICE /* does not check whether it is done */
    mine = true;
#endif
#endif
    assert(refs[t] > 0);
    if
#ifdef BUG_STATE_FIRST /* sets the state, then writes the outcome */
    :: mine -> set_state(t, to)
#else
    :: mine -> outcome[t] = what
#endif
    :: else -> unlock(t)
    fi
  }
  if
  :: mine ->
    atomic {
#ifdef BUG_STATE_FIRST
      outcome[t] = what;
#else
      set_state(t, to);
#endif
      for (i : 0 .. ENTRIES - 1) {
        if
        :: task_of(i) == t && entry[i] == ON_TASK ->
#ifndef BUG_LIST_LEFT /* delivers entries that are still on the list */
          entry[i] = IN_FLIGHT;
#endif
          in_flight = in_flight | bit(i)
        :: else
        fi
      }
      unlock(t)
    }
    do
    :: in_flight != 0 ->
      atomic { /* ring_remove: touches the next ones, too */
        for (i : 0 .. ENTRIES - 1) {
          if
          :: in_flight & bit(i) -> assert(alive & bit(owner_of(i))); w = i /* any */
          :: (in_flight & bit(i)) && w != ENTRIES -> assert(alive & bit(owner_of(i)))
          :: else
          fi
        }
        in_flight = in_flight & ~bit(w)
      }
      deliver(w, failed(t));
      w = ENTRIES
    :: else -> break
    od
  :: else
  fi
}

proctype completer(byte t) {
  byte in_flight, w = ENTRIES;
  bool mine, wake;

#ifdef FAIL_FIRST
  t == 0 || (woke & bit(0));
#endif
  if
  :: task_begin(t, mine)
  :: COMPLETERS > 1 /* a promise that never begins */
  fi;
#ifdef BUG_RELEASE_FIRST /* it releases its reference before it has delivered */
  task_release(t);
#endif
  if
#ifdef FAIL_FIRST
  :: t == 0 -> settle(t, RUNNING, FINISHED, FAILED)
  :: t != 0 -> settle(t, RUNNING, FINISHED, VALUES)
#else
  :: settle(t, RUNNING, FINISHED, FAILED)
  :: settle(t, RUNNING, FINISHED, VALUES)
#endif
  fi;
  assert(done(t));
#ifndef BUG_RELEASE_FIRST
  task_release(t)
#endif
}

proctype canceller(byte t) {
  byte in_flight, w = ENTRIES;
  bool mine, wake;
  settle(t, PENDING, CANCELLED, NO_VALUES);
  task_release(t)
}

proctype reader(byte t) {
  atomic {
    assert(refs[t] > 0);
    done(t);
    assert(outcome[t] != NO_OUTCOME && (state[t] == CANCELLED) == (outcome[t] == NO_VALUES))
  }
  task_release(t)
}

/* ---------------------------------------------------------------- owners -- */

inline leave(w) { /* leave_locked */
  assert(entry[w] == ARRIVED && nready[me] > 0);
  entry[w] = IDLE;
  nready[me]--;
  if
  :: failed(task_of(w)) -> assert(nfailed[me] > 0); nfailed[me]--
  :: else
  fi
}

proctype owner(byte me) {
  byte t, w, wanted;
  bool on, wake, enough;

  do /* ti_waiter_entry_start on each */
  :: t < TASKS ->
    w = me * TASKS + t;
#ifdef BUG_ADDS_UNLOCKED /* checks before it has the lock */
    on = !done(t);
    atomic {
      lock(t);
#else
    atomic { /* ti_task_add_waiter */
      lock(t);
      on = !done(t);
#endif
      assert(refs[t] > 0);
      if
      :: on -> entry[w] = ON_TASK
      :: else -> entry[w] = IN_FLIGHT /* in flight by the owner itself */
      fi;
      unlock(t)
    }
    if
    :: !on -> deliver(w, failed(t))
    :: else
    fi;
    t++
  :: else -> break
  od;

  if /* how many tasks to wait for */
#ifndef FAIL_FIRST
  :: wanted = 0 /* none: it cancels its entries */
  :: wanted = 1
#endif
  :: wanted = TASKS
  fi;
  boxed { /* ti_waiter_set_sleep */
    if
    :: stop_on_failure = stop_on_failure | bit(me)
#ifndef FAIL_FIRST
    :: true
#endif
    fi;
    enough = nready[me] >= wanted || ((stop_on_failure & bit(me)) && nfailed[me] > 0);
    if
    :: enough -> goto slept
#ifndef BUG_NEED_LATE /* releases the lock between checking and setting what it needs */
    :: else -> need[me] = wanted - nready[me]
#else
    :: else -> t = wanted - nready[me]
#endif
    fi
  }
  /* it spins, with no lock; then: */
  boxed {
#ifdef BUG_NEED_LATE
    need[me] = t;
#endif
#ifdef BUG_SLEEPS_UNCHECKED /* after the spin it does not check again whether it has enough */
    cond_wait(me);
#endif
    do
    :: need[me] > 0 && !(expired & bit(me)) -> cond_wait(me)
    :: else -> break
    od;
    enough = need[me] == 0;
    need[me] = 0;
    assert(enough || (expired & bit(me)));
    assert(!enough || nready[me] >= wanted || ((stop_on_failure & bit(me)) && nfailed[me] > 0))
  }
slept:
  boxed {
    woke = woke | bit(me);
    enough = false;
    stop_on_failure = stop_on_failure & ~bit(me);
    if /* ti_waiter_set_take, or not */
    :: nready[me] > 0 ->
      w = ENTRIES;
      for (i : me * TASKS .. me * TASKS + TASKS - 1) {
        if
        :: entry[i] == ARRIVED -> w = i /* any */
        :: entry[i] == ARRIVED && w != ENTRIES
        :: else
        fi
      }
      assert(outcome[task_of(w)] != NO_OUTCOME);
      leave(w)
    :: true
    fi;
    t = 0
  }

  do /* ti_waiter_entry_cancel of each */
  :: t < TASKS ->
    w = me * TASKS + t;
    if
    :: entry[w] == IDLE /* its set is NULL: it was taken */
    :: else ->
      atomic { /* ti_task_remove_waiter */
        lock(t);
        assert(refs[t] > 0);
        on = entry[w] == ON_TASK;
        if
        :: on -> entry[w] = IDLE
        :: else
        fi;
        unlock(t)
      }
#ifndef BUG_CANCEL_NO_WAIT /* returns although a completer has the entry */
      if
      :: !on ->
        boxed {
          awaited = awaited | bit(w);
          do
          :: entry[w] != ARRIVED -> cond_wait(me)
          :: else -> break
          od;
          awaited = awaited & ~bit(w);
          leave(w)
        }
      :: else
      fi
#endif
    fi;
    t++
  :: else -> break
  od;

  atomic { /* entries, set and waiter are freed */
    assert(nready[me] == 0 && nfailed[me] == 0);
    alive = alive & ~bit(me);
    t = 0
  }
  do
  :: t < TASKS -> task_release(t); t++
  :: else -> break
  od
}

/* ------------------------------------------------------------------ world -- */

proctype deadline(byte o) {
end_never:
  do
  :: atomic {
      timeouts > 0 && (asleep & bit(o)) && need[o] > 0 -> /* not for a canceller */
      timeouts--;
      expired = expired | bit(o);
      asleep = asleep & ~bit(o)
    }
  :: atomic { spurious > 0 && (asleep & bit(o)) -> spurious--; asleep = asleep & ~bit(o) }
  od
}

init {
  byte k, n;
  atomic {
    if /* so that the runs include some in which no deadline wakes a sleeper */
    :: timeouts = 0
    :: TIMEOUTS > 0 -> timeouts = TIMEOUTS
    fi;
    alive = bit(OWNERS) - 1;
    begun = true;
    for (k : 0 .. TASKS - 1) {
      refs[k] = OWNERS + COMPLETERS + CANCELLERS;
      if
      :: k == 0 -> refs[k] = refs[k] + READERS
      :: else
      fi
    }
    for (k : 0 .. TASKS - 1) {
      n = 0;
      do
      :: n < COMPLETERS -> run completer(k); n++
      :: else -> break
      od;
      n = 0;
      do
      :: n < CANCELLERS -> run canceller(k); n++
      :: else -> break
      od
    }
    if
    :: READERS > 0 -> run reader(0)
    :: else
    fi;
    for (k : 0 .. OWNERS - 1) { run owner(k) }
    for (k : 0 .. OWNERS - 1) {
      if
      :: TIMEOUTS + SPURIOUS > 0 -> run deadline(k)
      :: else
      fi
    }
    k = 0;
    n = 0
  }
  refs[0] == 0 && refs[TASKS - 1] == 0 /* in the end all is free */
}

#ifdef LTL
ltl ends { <> (begun && refs[0] == 0 && refs[TASKS - 1] == 0) }
#endif
