/*
** The pool: its queue, its sleepers, the lives of its threads, close and wait. C: pool.c,
** pool_cancel.c, pool_threads.c, and the part of pool_nested.c that runs a task, in csrc/sched.
** `make model` searches all interleavings; scripts/model has the configurations.
**
** Terms
**   locked { … }   the pool's lock is held: one step. What the lock guards is touched inside such
**                  steps only, so no other process can observe a part of one. A cond_wait inside
**                  releases the lock, and has it again afterwards.
**   atomic { … }   a task's lock is held; or an operation of a condition or a counter
**   pool_thread    the list that a pool thread (struct ti_pool_thread) is in
**   spin           reading the wake sequence for a while before sleeping
**
** Processes. A name is that of the C function or field, without `ti_pool_` and `_locked`.
**   thread      thread_main: live, open_worker, work (take_locked, spin_locked), serve,
**               nested_break
**   submitter   ti_pool_submit (admit_locked, enqueue_locked, ti_pool_threads_start_locked,
**               take_pool_thread_locked), ti_pool_cancel_task; then it waits for its tasks
**   canceller   ti_pool_cancel_task or ti_pool_cancel_interrupt, by another thread
**   closer      ti_pool_close, ti_pool_wait (ti_pool_threads_reap_locked)
**   deadline    has no C: it ends a wait by time, or for no reason
**
** Left out, because more interleavings are possible without it, never fewer:
**   - which queued task is taken, and which sleeper or waiter is woken: any. (C: by priority; the
**     thread that went to sleep last.)
**   - held-back tasks: a thread that holds back takes its time before it takes a task
**   - the wake sequence, and how long a spin lasts: a spin ends at any moment. The thread checks
**     again under the lock.
**   - a loop that releases the lock may release it once more: before take_pool_thread_locked, after
**     a reap
**   - releasing a reference is one step with what follows: no decision depends on the counts
**   - all pool threads exist from the start. Making one releases the lock, as does starting its
**     thread afterwards. The failure of the latter stands for both.
** Left to task_wait.pml: tasks that wait for others (blocked threads, threads over the limit,
** nested workers). Without them alive + starting <= max_workers holds, and max_threads is never
** reached.
** Left out as not the pool's: what a task does, how it is stopped while it runs, and wait entries
** (task.pml).
**
** Shown, for each configuration:
**   - invariants 1 to 4 of pool_state.h, whenever the lock is released (`check`). If a task is
**     queued that no idle or fresh thread is there for, all max_workers threads exist, unless a
**     start failed.
**   - each submitted task ends exactly once and is counted once, and each wait for it returns: no
**     run stops with a process in the middle
**   - ti_pool_wait returns when all threads are joined and all tasks are done, never before
**   - no process touches a task or the pool after its last reference; in the end both are free
**   - with ONE_BY_ONE: a submitter that submits, waits and submits again keeps one thread busy
** With -DLTL: every fair run ends (no livelock).
**
** A BUG_… plants the error that its comment describes; scripts/model requires that each is found.
**
** SPDX-License-Identifier: MIT
*/
#ifndef WORKERS
#define WORKERS 2 /* max_workers */
#endif
#ifndef SUBMITTERS
#define SUBMITTERS 2
#endif
#ifndef TASKS
#define TASKS 3 /* task t is submitted by submitter t % SUBMITTERS */
#endif
#ifndef QUEUE
#define QUEUE 0 /* max_queue */
#endif
#ifndef CLOSERS
#define CLOSERS 1
#endif
#ifndef CANCELLERS
#define CANCELLERS 0 /* 1: another thread cancels or interrupts task 0, too */
#endif
#ifndef CANCELS
#define CANCELS 255 /* bits: tasks that their submitter may cancel */
#endif
/* At most how often in one run: */
#ifndef TIMEOUTS
#define TIMEOUTS 0 /* the deadline of an idle thread or a waiting submitter passes */
#endif
#ifndef SPURIOUS
#define SPURIOUS 0 /* a wait ends for no reason */
#endif
#ifndef FAILS
#define FAILS 0 /* a thread, a worker or memory is not available */
#endif
#ifndef REPLACEMENTS
#define REPLACEMENTS 0 /* a worker needs replacing */
#endif

#define MAX_SPINNERS 1
#define UNSET 255
#define bit(i) (1 << (i))
#define locked atomic

/* ---------------------------------------------------------------- fields -- */

mtype = { OPEN, CLOSING, BROKEN };                /* enum ti_pool_phase */
mtype = { FREE, LIVE, ASLEEP, ENDED, JOINING };   /* a pool thread's list; LIVE, JOINING: none */
mtype = { OUTSIDE, QUEUED, TAKEN };               /* enum ti_task_place */
mtype = { PENDING, RUNNING, FINISHED, CANCELLED } /* tide_status */
mtype = { NOTHING, WAKE, NOT_FULL, SETTLED, ALL_ENDED }; /* the conditions */
mtype = { NONE, FAILURE };

mtype state = OPEN;
byte idle, nasleep, spinners, queued, running, finished, cancelled;
byte alive, starting, fresh, leaving, waiting_submitters, threads, deliveries;
byte prefs; /* refs: one for each user, one for each task */

mtype pool_thread[WORKERS] = FREE;
byte woken, started; /* bits: fields of pool threads */
byte born;           /* bits: its thread exists; a join waits until it does not */

mtype task[TASKS] = PENDING;
mtype place[TASKS] = OUTSIDE;
byte refs[TASKS];

/* Each process that may wait has a number: threads, then submitters, then closers. */
#define submitter_id(s) (WORKERS + (s))
#define closer_id(c) (WORKERS + SUBMITTERS + (c))
#define WAITERS (WORKERS + SUBMITTERS + CLOSERS)
mtype waits[WAITERS] = NOTHING; /* for what */
byte expired;                   /* bits: its deadline has passed */

/* How many are still to come: */
byte timeouts, spurious = SPURIOUS, fails = FAILS, replacements = REPLACEMENTS;
byte submitted;               /* for invariant 1 */
byte submitting = SUBMITTERS; /* submitters that have not seen all their tasks done */
byte given;                   /* bits: tasks whose submit has returned NONE */
byte delivered;               /* bits: tasks that are done, and their wait entries delivered */
bool begun;                   /* init has created all processes */
hidden byte i, j;             /* temporaries inside one step */

/* ------------------------------------------------------------- the rules -- */

#define is_short() (queued > idle + fresh)
#define needs_wake() (nasleep > 0 && queued > 0 && idle == nasleep)
#define full() (QUEUE > 0 && queued + running >= WORKERS + QUEUE)
#define ended() (state != OPEN && threads == 0 && deliveries == 0)
#define none_left() (alive == 0 && starting == 0)
#define done(t) (task[t] == FINISHED || task[t] == CANCELLED)

inline check() { /* ti_pool_state_check_locked */
  d_step {
    assert(prefs > 0);
    assert(queued + running + finished + cancelled == submitted);
    assert(alive + starting <= WORKERS);
    assert(idle + fresh + leaving + running == alive + starting);
    assert(nasleep <= idle);
    assert(!needs_wake());
    assert(queued == 0 || alive > 0 || (starting > 0 && queued == 1));
    assert(state != BROKEN || queued == 0);
    assert(alive + starting <= threads);
    assert(!is_short() || alive + starting == WORKERS || fails < FAILS);
#ifdef ONE_BY_ONE
    assert(threads <= 1);
#endif
  }
}

/* ------------------------------------------------------------ conditions -- */

/* In a locked step: releases the lock, and has it again when woken. */
inline cond_wait(process, what) {
  waits[process] = what;
  waits[process] == NOTHING
}

inline cond_broadcast(what) { /* spin's d_steps must not end with a loop */
  d_step {
    for (i : 0 .. WAITERS - 1) {
      if
      :: waits[i] == what -> waits[i] = NOTHING
      :: else
      fi
    };
    i = 0
  }
}

inline cond_signal(what) { /* wakes any one */
  j = UNSET;
  for (i : 0 .. WAITERS - 1) {
    if
    :: waits[i] == what -> j = i
    :: waits[i] == what && j != UNSET
    :: else
    fi
  }
  if
  :: j != UNSET -> waits[j] = NOTHING
  :: else
  fi
}

inline signal_not_full() { /* ti_pool_state_signal_not_full_locked */
  if
  :: waiting_submitters > 0 -> cond_signal(NOT_FULL)
  :: else
  fi
}

/* Signals the `wake` of pool thread s, on which its thread may wait. */
inline signal_thread(s) {
  if
  :: waits[s] == WAKE -> waits[s] = NOTHING
  :: else
  fi
}

inline take_off_asleep(s) { /* ti_pool_state_last_asleep_locked */
  pool_thread[s] = LIVE;
  nasleep--;
#ifndef BUG_NOTIFY_BEFORE_WOKEN /* a submitter notifies first, and sets `woken` later */
  woken = woken | bit(s);
#endif
}

inline pick(s) {
  s = UNSET;
  if
  :: needs_wake() ->
    for (i : 0 .. WORKERS - 1) { /* any */
      if
      :: pool_thread[i] == ASLEEP -> s = i
      :: pool_thread[i] == ASLEEP && s != UNSET
      :: else
      fi
    }
    take_off_asleep(s)
  :: else
  fi
}

/* ti_pool_state_notify, with no lock held. */
inline notify(s) {
  if
  :: s != UNSET ->
    assert(prefs > 0); /* the pool thread exists, though its thread may have ended */
#ifndef BUG_NO_NOTIFY /* the picked thread is not notified */
    signal_thread(s);
#endif
#ifdef BUG_NOTIFY_BEFORE_WOKEN
    woken = woken | bit(s);
#endif
    s = UNSET
  :: else
  fi
}

inline wake_all() {
  d_step {
    for (i : 0 .. WORKERS - 1) {
      if
      :: pool_thread[i] == ASLEEP ->
        pool_thread[i] = LIVE;
        nasleep--;
        woken = woken | bit(i);
        signal_thread(i)
      :: else
      fi
    };
    i = 0
  }
}

/* --------------------------------------------------------------- queue -- */

inline queue_push(t) {
  assert(place[t] == OUTSIDE);
  place[t] = QUEUED;
  queued++
}

inline queue_remove(t, where) {
  assert(place[t] == QUEUED && refs[t] > 0);
  place[t] = where;
  queued--
}

inline pop(t) { /* pop_locked; something is queued */
  t = UNSET;
  for (i : 0 .. TASKS - 1) { /* any */
    if
    :: place[i] == QUEUED -> t = i
    :: place[i] == QUEUED && t != UNSET
    :: else
    fi
  }
  queue_remove(t, TAKEN);
  idle--;
  running++
}

/* Takes all tasks out of the queue: bits in `taken_out`. */
inline pop_all(taken_out, where, counter) {
  d_step {
    for (i : 0 .. TASKS - 1) {
      if
      :: place[i] == QUEUED -> queue_remove(i, where); counter++; taken_out = taken_out | bit(i)
      :: else
      fi
    };
    i = 0
  }
}

inline list_pop(taken_out, t) {
  t = 0;
  do
  :: taken_out & bit(t) -> break
  :: else -> t++
  od;
  taken_out = taken_out & ~bit(t)
}

/* ---------------------------------------------------------------- tasks -- */

/* The task's lock decides each of these (task.pml has the details). ti_task_begin: */
inline task_begin(t, mine) {
  atomic {
    assert(refs[t] > 0);
    mine = task[t] == PENDING;
    if
    :: mine -> task[t] = RUNNING
    :: else
    fi
  }
}

/* settle in task.c: from PENDING, or from `latest`, to `to`. */
inline task_settle(t, latest, to, mine) {
  assert(refs[t] > 0);
  mine = task[t] == PENDING || task[t] == latest;
  if
  :: mine -> task[t] = to
  :: else
  fi
}

/* The rest of settle: delivers the wait entries, with no lock held. */
inline task_deliver(t, mine) {
  assert(refs[t] > 0);
  if
  :: mine -> assert(done(t) && !(delivered & bit(t))); delivered = delivered | bit(t); mine = false
  :: else
  fi
}

inline pool_release() {
  prefs--;
  assert(prefs > 0 || (threads == 0 && deliveries == 0 && born == 0)) /* free_pool */
}

inline task_release(t) {
  assert(refs[t] > 0);
  refs[t]--;
  if
  :: refs[t] == 0 -> assert(place[t] != QUEUED); pool_release()
  :: else
  fi
}

/* --------------------------------------------------------------- threads -- */

proctype thread(byte me) {
  byte t = UNSET, next = UNSET, sleeper = UNSET, taken_out;
  bool spinning, spun, replace, mine;

live:
end_unborn:
  locked { /* live, open_worker */
    born & bit(me);
    if
    :: state == OPEN || queued > 0 -> check()
    :: else -> fresh--; leaving++; check(); goto ending
    fi
  }
  locked { /* open_worker: runner.open has returned */
    fresh--;
    if
    :: idle++
    :: fails > 0 -> /* nested_break */
      fails--;
      leaving++;
      state = BROKEN;
      pop_all(taken_out, TAKEN, finished);
      wake_all();
      cond_broadcast(NOT_FULL);
      cond_broadcast(ALL_ENDED);
      check();
      goto broken
    fi
  }

take:
  locked { /* take_locked */
    spun = spinning;
    if
    :: spinning -> spinning = false; spinners-- /* spin_locked ends */
    :: else
    fi;
    do
#ifdef BUG_EXPIRED_FIRST /* a thread whose deadline has passed ends, though a task came */
    :: (expired & bit(me)) -> idle--; leaving++; break
#endif
#ifdef BUG_SLEEP_WITHOUT_CHECK /* after a failed spin it sleeps without checking the queue again */
    :: spun -> goto sleep
#endif
    :: queued > 0 -> pop(t); break
    :: queued == 0 && (state != OPEN || (expired & bit(me))) -> idle--; leaving++; break
    :: queued == 0 && state == OPEN && !(expired & bit(me)) ->
      if
      :: !spun && spinners < MAX_SPINNERS -> spinners++; spinning = true; check(); goto spin
      :: true
      fi;
sleep:
      woken = woken & ~bit(me);
      pool_thread[me] = ASLEEP;
      nasleep++;
      check();
      do
      :: !(woken & bit(me)) && !(expired & bit(me)) ->
        cond_wait(me, WAKE);
#ifdef BUG_TRUSTS_SIGNAL /* takes each wake-up for a notification (off `asleep`) */
        woken = woken | bit(me)
#endif
      :: else -> break
      od;
      if
      :: !(woken & bit(me)) ->
#ifndef BUG_STAYS_ASLEEP /* a thread whose deadline has passed is still counted as a sleeper */
        pool_thread[me] = LIVE;
        nasleep--
#endif
      :: else
      fi;
      spun = false
    od;
    spun = false;
    expired = expired & ~bit(me);
#ifndef BUG_NO_CHAIN /* a thread that takes a task does not wake the next */
    pick(sleeper);
#endif
    check()
  }
  atomic {
    notify(sleeper);
    if
    :: t == UNSET -> goto ending
    :: else
    fi
  }

serving: /* serve */
  task_begin(t, mine); /* run; the task's own work is between this and the next step */
#ifdef BUG_IDLE_LATE /* the task can be seen to be done before its worker counts as idle */
  atomic {
    if
    :: mine -> task_settle(t, RUNNING, FINISHED, mine)
    :: else
    fi
  }
#endif
  locked {
    if
    :: replacements > 0 -> replacements--; replace = true
    :: true
    fi;
    running--;
    idle++;
    if
    :: mine -> finished++
    :: else -> cancelled++
    fi;
#ifndef BUG_NO_SIGNAL_NOT_FULL /* a waiting submitter is not woken for a free place */
    signal_not_full();
#endif
    if
    :: !replace && queued > 0 -> pop(next)
    :: !replace && queued > 0 /* tasks held back: it stays awake, and takes one late */
    :: else
    fi;
    pick(sleeper);
    check()
  }
#ifdef BUG_RELEASE_FIRST /* the worker releases its reference before it has delivered */
  atomic { task_release(t) }
#endif
#ifndef BUG_IDLE_LATE
  atomic {
    if
    :: mine -> task_settle(t, RUNNING, FINISHED, mine); assert(mine)
    :: else
    fi
  }
#endif
  atomic {
    task_deliver(t, mine);
#ifndef BUG_RELEASE_FIRST
    task_release(t);
#endif
    notify(sleeper);
    t = next;
    next = UNSET;
    if
    :: t != UNSET -> goto serving
    :: t == UNSET && !replace -> goto take
    :: t == UNSET && replace
    fi
  }
  locked { /* work: it is fresh again */
    replace = false;
    idle--;
    fresh++;
#ifndef BUG_REPLACED_NO_PICK /* others sleep since it was awake; it takes no task now */
    pick(sleeper);
#endif
    check()
  }
  atomic { notify(sleeper); goto live }

spin: /* it spins; at any moment it takes the lock again */
  goto take;

broken:
  do
  :: taken_out != 0 ->
    atomic { list_pop(taken_out, t); task_settle(t, RUNNING, FINISHED, mine) } /* fail_broken */
    atomic { task_deliver(t, mine); task_release(t); t = UNSET }
  :: else -> break
  od;

ending:
  locked { /* thread_main */
    do
#ifndef BUG_STARTER_OVERTAKEN /* it can be joined before its starter has finished */
    :: !(started & bit(me)) -> cond_wait(me, SETTLED)
#endif
    :: else -> break
    od;
#ifndef BUG_LEAVES_TWICE /* a thread that continues after all still counts as leaving */
    leaving--;
#endif
    if
#ifdef BUG_GREEDY_LAST_CHECK /* off by one: it continues again and again without work */
    :: queued >= idle + fresh -> fresh++; check(); goto live
#endif
#ifndef BUG_NO_LAST_CHECK /* it ends although a task came since it decided to */
    :: is_short() || (queued > 0 && alive == 1) -> fresh++; check(); goto live
#endif
    :: else
    fi;
    alive--;
    pool_thread[me] = ENDED;
#ifndef BUG_NO_SIGNAL_ALL_ENDED /* waiters for the end are not woken */
    if
    :: none_left() -> cond_broadcast(ALL_ENDED)
    :: else
    fi;
#endif
    check()
  }
  atomic { born = born & ~bit(me); goto live } /* returns */
}

/* ------------------------------------------------------------------ reap -- */

/* ti_pool_threads_reap_locked, until it releases the lock: all in `ended` are its own now; 0:
** there is none. */
inline reap_take(ours) {
  d_step {
    for (i : 0 .. WORKERS - 1) {
      if
      :: pool_thread[i] == ENDED ->
        assert(started & bit(i)); /* its handle is valid */
        started = started & ~bit(i);
        pool_thread[i] = JOINING;
        ours = ours | bit(i)
      :: else
      fi
    };
    i = 0
  }
}

/* The rest of ti_pool_threads_reap_locked. */
inline reap_join(ours) {
  locked {
    (born & ours) == 0; /* ti_thread_join of each */
    for (i : 0 .. WORKERS - 1) {
      if
      :: ours & bit(i) -> pool_thread[i] = FREE; threads--
      :: else
      fi
    }
    ours = 0;
    cond_broadcast(SETTLED);
    if
    :: ended() -> cond_broadcast(ALL_ENDED)
    :: else
    fi
  }
}

/* ---------------------------------------------------------------- callers -- */

inline delivery_done() {
  locked {
    deliveries--;
    if
    :: ended() -> cond_broadcast(ALL_ENDED)
    :: else
    fi
  }
}

/* withdraw: ti_pool_cancel_task, or with `taken_too` the first part of ti_pool_cancel_interrupt.
** `mine`, `removed` and `taken` are the caller's, false before and after. */
inline withdraw(t, taken_too) {
  locked {
    if
    :: place[t] == QUEUED ->
      queue_remove(t, OUTSIDE);
      removed = true;
      cancelled++;
      signal_not_full()
    :: else
    fi;
#ifdef BUG_CANCEL_COUNTS_TAKEN /* counts a task as cancelled that a worker has taken */
    if
    :: place[t] == TAKEN && task[t] == PENDING -> cancelled++
    :: else
    fi;
#endif
    taken = place[t] == TAKEN && !taken_too;
#ifndef BUG_CANCEL_NO_DELIVERY /* the pool may end while the canceller still delivers */
    if
    :: !taken -> deliveries++
    :: else
    fi;
#endif
    check()
  }
  if
  :: !taken ->
    atomic { task_settle(t, PENDING, CANCELLED, mine) }
    atomic {
      task_deliver(t, mine);
      assert(done(t) || place[t] == TAKEN);
      if
      :: removed -> task_release(t)
      :: else
      fi;
      removed = false
    }
#ifndef BUG_CANCEL_NO_DELIVERY
    delivery_done()
#endif
  :: else -> taken = false
  fi
}

/* The end of ti_pool_submit, with the lock still held. */
inline leave_submit() {
#ifndef BUG_NOT_FULL_KEPT /* woken for a free place it fails, and does not wake the next one */
  if
  :: !full() -> signal_not_full()
  :: else
  fi;
#endif
  pick(sleeper);
  check()
}

proctype submitter(byte s) {
  byte me = submitter_id(s);
  byte t = s, ours, sl = UNSET, sleeper = UNSET;
  bool mine, removed, taken;
  mtype failure = NONE;

submit:
  locked { /* admit_locked */
    if
    :: t >= TASKS -> t = s; goto submitted_all
    :: else
    fi;
    refs[t]++; /* the future's */
    prefs++;   /* the task's */
    do
    :: state != OPEN -> failure = FAILURE; break
    :: state == OPEN && full() && (expired & bit(me)) -> failure = FAILURE; break
    :: state == OPEN && full() && !(expired & bit(me)) ->
      waiting_submitters++;
      cond_wait(me, NOT_FULL);
      waiting_submitters--
#ifndef BUG_QUEUES_UNSETTLED /* queues a second task before the first thread started */
    :: state == OPEN && !full() && alive == 0 && starting > 0 -> cond_wait(me, SETTLED)
#endif
    :: else ->
      if
      :: true
      :: fails > 0 -> fails--; failure = FAILURE /* no memory for a priority's list */
      fi;
      break
    od;
    expired = expired & ~bit(me);
    if
    :: failure == NONE -> /* enqueue_locked */
      queue_push(t);
      submitted++;
      refs[t]++; /* the queue's */
      if
#ifdef BUG_STALE_IDLE /* checks whether a thread is idle, not whether enough threads are */
      :: idle + fresh == 0 && alive + starting < WORKERS ->
#else
      :: is_short() && alive + starting < WORKERS ->
#endif
        starting++;
        fresh++;
        threads++;
        check();
        goto start
      :: else
      fi
    :: else
    fi;
    leave_submit();
    goto submitted_one
  }

start:
  locked { /* take_pool_thread_locked */
    do
    :: sl == UNSET ->
      reap_take(ours);
      if
      :: ours != 0 -> goto join
      :: else
      fi;
      for (i : 0 .. WORKERS - 1) {
        if
        :: pool_thread[i] == FREE -> sl = i
        :: else
        fi
      }
      if
      :: sl == UNSET -> cond_wait(me, SETTLED) /* another caller is joining one */
      :: else -> pool_thread[sl] = LIVE
      fi
    :: else -> break
    od
  }
  atomic { /* ti_thread_start, without the lock */
    assert(!(born & bit(sl)) && !(started & bit(sl)));
    if
    :: born = born | bit(sl)
    :: fails > 0 -> fails--; failure = FAILURE
    fi
  }
  locked { /* ti_pool_threads_start_locked */
    starting--;
    if
    :: failure == NONE -> alive++; started = started | bit(sl)
    :: else ->
      fresh--;
      threads--;
      pool_thread[sl] = FREE;
      if
      :: none_left() || ended() -> cond_broadcast(ALL_ENDED)
      :: else
      fi
    fi;
    sl = UNSET;
#ifndef BUG_NO_SIGNAL_SETTLED /* no waiter is woken when the thread exists or failed to start */
    cond_broadcast(SETTLED);
#endif
    if /* enqueue_locked */
    :: failure == FAILURE && (alive > 0 || place[t] != QUEUED) -> failure = NONE /* served */
    :: failure == FAILURE && alive == 0 && place[t] == QUEUED ->
      queue_remove(t, OUTSIDE);
      submitted--;
      refs[t]--
    :: else
    fi;
    leave_submit()
  }

submitted_one:
#ifdef BUG_NOTIFY_BEFORE_WOKEN
  if
  :: sleeper != UNSET ->
    atomic { signal_thread(sleeper) }
    locked { woken = woken | bit(sleeper); sleeper = UNSET }
  :: else
  fi;
#endif
  atomic {
    notify(sleeper);
    if
    :: failure == NONE -> given = given | bit(t)
    :: else -> failure = NONE; task_release(t); t = t + SUBMITTERS; goto submit /* as never made */
    fi
  }
#ifdef ONE_BY_ONE
  done(t);
#else
  if
  :: CANCELS & bit(t) -> withdraw(t, false)
  :: true
  fi;
#endif
  t = t + SUBMITTERS;
  goto submit;

join:
  reap_join(ours);
  goto start;

submitted_all:
  do
  :: atomic {
      t < TASKS ->
      if
      :: given & bit(t) -> done(t); task_release(t)
      :: else
      fi;
      t = t + SUBMITTERS
    }
  :: atomic { t >= TASKS -> t = 0; submitting--; pool_release(); break }
  od
}

proctype canceller() {
  bool mine, removed, taken, too;
  atomic {
    if
    :: (given & bit(0)) && refs[0] > 0 -> refs[0]++ /* it received the future */
    :: submitting == 0 -> goto out
    fi
  }
  if
  :: too = true
  :: too = false
  fi;
  withdraw(0, too);
  atomic { task_release(0) }
out:
  atomic { pool_release() }
}

proctype closer(byte c) {
  byte me = closer_id(c);
  byte t, ours, taken_out;
  bool mine, patient;

  if /* when all is done, or at any time */
  :: patient = true
  :: patient = false
  fi;

  locked { /* ti_pool_close */
    !patient || submitting == 0;
    if
    :: state == OPEN -> state = CLOSING
    :: else
    fi;
    if
    :: queued > 0 -> pop_all(taken_out, OUTSIDE, cancelled) /* `cancel` */
    :: true
    fi;
    deliveries++;
#ifndef BUG_CLOSE_NO_WAKE /* sleepers are not woken to end */
    wake_all();
#endif
    cond_broadcast(NOT_FULL);
    check()
  }
  do
  :: taken_out != 0 ->
    atomic { list_pop(taken_out, t); task_settle(t, PENDING, CANCELLED, mine) }
    atomic { task_deliver(t, mine); task_release(t); t = 0 }
  :: else -> break
  od;
  delivery_done();

wait:
  locked { /* ti_pool_wait */
    do
#ifdef BUG_WAIT_NO_DELIVERIES /* returns although another close is still delivering */
    :: state != OPEN && threads == 0 -> goto waited
#else
    :: ended() -> goto waited
#endif
    :: else ->
      reap_take(ours);
      if
      :: ours != 0 -> break
      :: else -> cond_wait(me, ALL_ENDED)
      fi
    od
  }
  reap_join(ours);
  goto wait;

waited:
  atomic {
    assert(threads == 0 && alive == 0 && starting == 0 && born == 0 && queued == 0 && running == 0);
    assert((given & ~delivered) == 0);
    pool_release()
  }
}

/* ------------------------------------------------------------------ world -- */

proctype deadline(byte process) {
end_never:
  do
  :: atomic {
      timeouts > 0 && (waits[process] == WAKE || waits[process] == NOT_FULL) ->
      timeouts--;
      expired = expired | bit(process);
      waits[process] = NOTHING
    }
  :: atomic { spurious > 0 && waits[process] != NOTHING -> spurious--; waits[process] = NOTHING }
  od
}

init {
  byte k;
  atomic {
    if /* so that the runs include some in which no deadline wakes a sleeper */
    :: timeouts = 0
    :: TIMEOUTS > 0 -> timeouts = TIMEOUTS
    fi;
    prefs = SUBMITTERS + CLOSERS + CANCELLERS;
    begun = true;
    for (k : 0 .. WORKERS - 1) { run thread(k) }
    for (k : 0 .. SUBMITTERS - 1) { run submitter(k) }
    for (k : 0 .. CLOSERS - 1) { run closer(k) }
    for (k : 0 .. WAITERS - 1) {
      if
      :: TIMEOUTS + SPURIOUS > 0 -> run deadline(k)
      :: else
      fi
    }
    if
    :: CANCELLERS > 0 -> run canceller()
    :: else
    fi
  }
  prefs == 0 /* in the end all is free */
}

#ifdef LTL
ltl ends { <> (begun && prefs == 0) }
#endif
