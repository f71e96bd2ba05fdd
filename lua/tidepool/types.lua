---@meta tidepool
-- The API reference: every public function and method, with LuaCATS types. Never loaded.
--
-- Times are seconds. A timeout of nil or math.huge is forever, a negative one is 0, and NaN is a
-- bad argument. Wrong arguments raise `bad argument #n to 'f' (…)`, as Lua's own libraries do;
-- this is not repeated below. "Pumps" means: calls the done callbacks that are due in this state;
-- inside a callback it does nothing.
-- SPDX-License-Identifier: MIT

-- ---------------------------------------------------------------- errors --

---@alias tidepool.kind
---| "timeout"       # the time passed first
---| "cancelled"     # the future was cancelled
---| "shutdown"      # the executor takes no more tasks
---| "broken"        # the initializer or open_state failed, or this process is a forked child
---| "invalid_state" # a future was set twice, or is not one to be set by hand
---| "transfer"      # a value cannot be sent, or cannot be rebuilt on the other side
---| "interrupted"   # the task was stopped by interrupt or by a shutdown that interrupts
---| "time_limit"    # the task ran longer than it may
---| "memory_limit"  # the task needed more memory than it may
---| "full"          # the bounded queue has no room
---| "deadlock"      # a task would wait for itself, or for ever as there are max_threads

---An error of the library itself. `tostring` gives `where` and the message.
---@class tidepool.error
---@field kind tidepool.kind
---@field message string
---@field where string? where it was raised, as `file:line: `; nil if no line of Lua is known

-- ------------------------------------------------------- values and options --

---What a worker can run: a Lua function, a C function, a table or userdata whose metatable has
---`__call`, or a function's name, "module.function". A callable object is copied as arguments are.
---@alias tidepool.task function|table|userdata|string

---A sequence, or a function (or callable) that gives the next item's values at each call, without
---arguments, and nil at the end. An iterator that comes with a state goes through tidepool.iter. A
---table whose length is 0 though it has keys, such as a dictionary, is a bad argument; `n = 0` and
---a `__len` of its own say that it is empty.
---@alias tidepool.iterable table|userdata|fun(): any, ...

---Futures of any executors as a sequence or an iterator function; duplicates count once. Where an
---iterator gives a key first, as tidepool.iter(pairs(t)) does, the future is its second value.
---@alias tidepool.futures tidepool.future[]|fun(): tidepool.future?

---@class tidepool.executor_options
---@field max_workers? integer tasks that run at a time, and threads while none of them waits, >= 1;
---default min(32, cpu_count() + 4), at most max_threads
---@field max_threads? integer threads at most, those included that take the place of workers whose
---tasks wait, >= max_workers; default, and 0: 4 * max_workers + 64
---@field thread_name_prefix? string threads are PREFIX_0, PREFIX_1, …; default "tidepool-N"
---@field initializer? tidepool.task called in each worker's state before its first task
---@field initargs? table the initializer's arguments: a sequence, or with their number in `n`; at
---most 10,000
---@field finalizer? tidepool.task called, without arguments, in each worker's state before it is
---closed, for whatever reason: not where the initializer failed, but also where no task ran. Shares
---upvalues with the initializer, and sees the state's globals. Its error is a warning; a shutdown
---that interrupts stops it
---@field max_tasks_per_worker? integer tasks after which a worker's state is replaced, >= 1
---@field idle_timeout? number seconds after which an idle thread ends; default never
---@field max_queue? integer tasks that may wait beyond those that workers will take at once, >= 1:
---full means queued + running >= max_workers + max_queue; default unbounded
---@field on_full? "block"|"error" what a submit does when they are too many; default "block"
---@field spin_time? number seconds, 0 to 0.001, that who waits for one of its futures, and one idle
---worker, look for news before they sleep (up to four times as long after short sleeps);
---default 0.00005; 0: never
---@field time_limit? number seconds > 0 that each task may run; then it ends with kind time_limit
---@field memory_limit? integer bytes that a worker's state may hold; a task that needs more ends
---with kind memory_limit
---@field isolation? "worker"|"task" "task": each task has a new state; default "worker"
---@field cfunctions? boolean C functions that the other side does not find by name are sent by
---address, with copies of their upvalues, to workers and back; for functions that may be called in
---any thread and any state; default false: they are refused with kind transfer
---@field daemon? boolean when this Lua state closes, or an error or Ctrl-C passes `<close>`, what
---is pending is cancelled and what runs is interrupted, not awaited; default false
---@field inline? boolean no threads: a task runs at its submit, in the submitting state, with its
---values copied as for a worker and globals of its own; its future is done then. For debuggers,
---coverage and profilers; print and os.exit are the script's own. The initializer is called at the
---first submit, the finalizer by shutdown or when the state closes. The options about threads mean
---nothing then; time_limit and memory_limit are refused; default false
---@field interrupt_signal? integer the number of the signal by which running tasks are reached, if
---the program has no handler for it: SIGUSR1, SIGUSR2, SIGURG, SIGWINCH, SIGIO, SIGPWR, SIGSTKFLT
---or a real-time one; others are refused. Should the program take it later, another one that is
---free is used. Default SIGURG, then SIGWINCH, then real-time ones; -1: none
---@field seed? integer each task begins with math.random seeded from this and its number, counted
---by the executor in the order of the submits; each item of a map from this and its index; the
---initializer from this. Default: states are seeded from the system's entropy. See docs/guide.md

---@class tidepool.task_options
---@field priority? integer higher goes first, first come first served within one; strict: low ones
---wait as long as there are higher; default 0
---@field name? string what tidepool.current_task() tells the task, and tracebacks, warnings and
---tostring(future) have
---@field time_limit? number seconds > 0 of running; default the executor's
---@field memory_limit? integer bytes by which the worker's state may grow; default none but the
---executor's
---@field seed? integer as the executor's; tasks are numbered by the view, in the order of submits
---@field timeout? number map only: seconds for all of it, counted from its call; default forever
---@field chunksize? integer|"auto" map only: items that go into one task; default "auto"
---@field buffersize? integer map only: items that may be read and not yet given out, >= 1
---@field ordered? boolean map only; false: items come as they complete; default true

---@class tidepool.shutdown_options
---@field wait? boolean wait until the queue is finished and the threads ended; default true
---@field cancel_futures? boolean cancel what has not started; default false
---@field interrupt? boolean that too, and interrupt what runs; default false
---@field timeout? number seconds to wait; default forever

---@class tidepool.wait_options
---@field timeout? number seconds to wait; default forever
---@field return_when? "all_completed"|"first_completed"|"first_exception" default all_completed

---@class tidepool.stats
---@field max_workers integer tasks that run at a time
---@field workers integer threads alive, those of waiting tasks and their replacements included
---@field idle integer threads that wait for work
---@field queued integer tasks that have not started
---@field running integer tasks that run
---@field submitted integer tasks since the start
---@field finished integer tasks that ended by themselves, failed ones included
---@field failed integer tasks that ended by an error
---@field cancelled integer tasks that were cancelled before they started

---@class tidepool.current_task
---@field name string the task's name, "" if it has none
---@field worker integer the index of its worker: N where the thread's name is PREFIX_N, from 0
---@field id integer a number from 1 that no other task of this executor has; given when it is first
---asked for, and the same from then on. Several items of a map may be one task
---@field interrupted fun(task?: tidepool.current_task): boolean whether it was asked to end: for
---long loops of calls to C functions, which are not stopped by themselves

-- ---------------------------------------------------------------- module --

---@class tidepool
---@field _VERSION string "tidepool" and the version
local tidepool = {}

---Makes a pool of threads, each with a Lua state of its own. Threads start on demand. Does not
---block. Raises kind transfer if the initializer or its arguments cannot be sent.
---
---To be closed by `<close>`, by shutdown, or by being collected, which finishes the queue; when
---this Lua state closes it waits for what is left. One that a task made and left goes on when its
---worker's state closes: the shutdown of the task's executor waits for it, or cancels or
---interrupts it too.
---@param options? tidepool.executor_options|integer options, or max_workers alone
---@return tidepool.executor
function tidepool.executor(options) end

---Makes a future that no executor runs, to be set by hand: what writers of other executors need.
---@return tidepool.future
function tidepool.future() end

---Makes an array: numbers of one type, in memory outside of Lua, that tasks share. From a count
---(zeros), the items of a table or an array, or the bytes of a string in this machine's order. An
---error names the item that does not fit the type.
---@param type tidepool.element
---@param init integer|number[]|tidepool.array|string
---@return tidepool.array
function tidepool.array(type, init) end

---Waits for futures. Cancelled ones are done. The lists are in the order given. A timeout is no
---error. "first_exception" also returns when all are done. Blocks; pumps.
---@param futures tidepool.futures
---@param options? tidepool.wait_options
---@return tidepool.future[] done
---@return tidepool.future[] not_done
function tidepool.wait(futures, options) end

---Iterates over futures as they complete, those that are done already first, each once. The call
---reads all of `futures` and does not block; each step blocks and pumps, and lets go of the future
---that it gives. A step raises kind timeout, `N (of M) futures unfinished`, when `timeout` seconds
---since the call have passed.
---@param futures tidepool.futures
---@param timeout? number seconds, counted from the call
---@return fun(): tidepool.future? step
---@return nil
---@return nil
---@return any closing for the generic for to close
function tidepool.as_completed(futures, timeout) end

---Makes one value of an iterator that comes with a state, a first value and a value to be closed,
---as pairs(t), io.lines(name) and lfs.dir(path) return them: for map, wait and as_completed. Called
---without arguments it gives the next values, all that the iterator returns, and nil at the end.
---Does not block.
---
---`closing` is closed once: at the end, when who reads it ends before that (a map that is left,
---closed, or fails), or by `local it <close>`; with the error, if one is why.
---@param step fun(state: any, control: any): any, ...
---@param state? any
---@param control? any
---@param closing? any nil, false, or a value with `__close`
---@return fun(): any, ...
function tidepool.iter(step, state, control, closing) end

---Packs a value once, for any number of tasks: the handle is sent by reference, in all ways there
---are, and `get` gives the value on the other side. Raises as submit does, kind transfer with the
---path (`shared value, field x: …`). Does not block.
---
---Treat the value as immutable. Here `get` gives the value itself, elsewhere a copy of what it was
---at this call, functions with the globals that they name; so a change here is seen by nobody
---else, and one that a task makes by later tasks of that same worker only.
---@param value any
---@return tidepool.share
function tidepool.share(value) end

---The processors that this process may use: CPU affinity and cgroup quotas count.
---@return integer count at least 1
function tidepool.cpu_count() end

---Makes the errors of the library that are raised in this state, or arrive in it, strings:
---`file:line: message (tidepool: timeout)`, for programs that print errors with lua_tostring; or
---again tables. error_kind tells the kind of such a string by its end, in every state. Without an
---argument it changes nothing. Does not block.
---@param on? boolean
---@return boolean before whether they were strings
function tidepool.string_errors(on) end

---The kind of one of the library's own errors, also of one that is a string; nil for all other
---values.
---@param err any
---@return tidepool.kind?
function tidepool.error_kind(err) end

---A message handler, as debug.traceback is: the error in words, this state's traceback and, if the
---error came out of a task (raised by a future's or map's method, or raised again), the worker's
---traceback. It is found by the error value; of strings only the last few are remembered. Does not
---block.
---@param err any
---@return string
function tidepool.traceback(err) end

---In a worker, what is known of the task that runs; nil elsewhere.
---@return tidepool.current_task?
function tidepool.current_task() end

-- --------------------------------------------------------------- executor --

---A pool of threads. Can be sent to tasks. `==` tells whether two are the same executor.
---`local ex <close>` shuts it down at the end of the block and waits for everything; if the block
---ends by an error, or the wait is interrupted, what has not started is cancelled.
---@class tidepool.executor
local executor = {}

---Submits a call of `fn`. Raises an error if it has a limit of time, and there is no signal to stop
---it by (`interrupt_signal`). Blocks only while a bounded queue is full and `on_full` is "block".
---Arguments keep their number, trailing nils too. Raises kind transfer with the path to a value
---that cannot be sent, and kinds shutdown, broken and full.
---Finalizers run for originals, never for the copies that are sent. An object with `__transfer` in
---its metatable is not copied: `__transfer(object)` is called in the state that sends it, once per
---message, and returns a function or `"module.function"`, and arguments; the other side calls it
---and uses its result.
---@param fn tidepool.task
---@param ... any arguments
---@return tidepool.future
function executor:submit(fn, ...) end

---Calls `fn` for each item in the workers: an iterator for a generic `for`, index first, then all
---results of that item. Several iterables are zipped and the shortest wins. All values that one
---call of an iterator function returns are arguments.
---
---With a `buffersize` that many items are read at the call, and one more for each that is given
---out. Without it sequences are read and submitted at the call, and an iterator function is read 4
---chunks per worker ahead. An error of the iterator function is raised at the call or at a step,
---and cancels the rest.
---
---Items of one chunk run in one task: tables that they share stay shared, as do `fn`'s upvalues.
---chunksize "auto" gives long sequences chunks that shrink towards the end (short ones go item by
---item), and iterator functions chunks of about a millisecond. Such a chunk is shared with workers
---that have nothing to do, once it has taken longer than that: then what its items share is copied,
---as it is at that time, and its items count as several tasks. A chunksize that is given is obeyed.
---
---The call raises as submit does; kind transfer names the item (`item 17, field x: …`), and what
---was submitted is cancelled. At a step such an error comes after the items before it, and ends
---the iteration. The call does not block, but as submit does on a full queue.
---@param fn tidepool.task
---@param iterable tidepool.iterable
---@param ... tidepool.iterable
---@return tidepool.map iterator
---@return nil
---@return nil
---@return tidepool.map closing for the generic for to close
function executor:map(fn, iterable, ...) end

---A light view of the executor with options for its submit and map.
---@param options tidepool.task_options
---@return tidepool.view
function executor:with(options) end

---Stops taking tasks, then waits until the queue is finished and the threads have ended. May be
---called again. Blocks unless `wait` is false; pumps. If the wait is interrupted (Ctrl-C), what has
---not started is cancelled. Raises kind deadlock when called from one of its own tasks with `wait`
---and a timeout that is not 0.
---@param options? tidepool.shutdown_options
---@return boolean finished false if the timeout passed first; without `wait` always true
function executor:shutdown(options) end

---Counts of threads and tasks. Does not block.
---@return tidepool.stats
function executor:stats() end

---Pumps. Does not block.
---@return integer handled futures whose callbacks were called; 0 inside a callback
function executor:poll() end

---@return string thread_name_prefix
function executor:name() end

---An executor with options for each submit and map. Owns nothing.
---@class tidepool.view
local view = {}

---As executor:submit, with the view's `priority`, `name` and limits. Raises an ordinary error if
---the view has an option that is for map only.
---@param fn tidepool.task
---@param ... any arguments
---@return tidepool.future
function view:submit(fn, ...) end

---As executor:map, with the view's options.
---@param fn tidepool.task
---@param iterable tidepool.iterable
---@param ... tidepool.iterable
---@return tidepool.map iterator
---@return nil
---@return nil
---@return tidepool.map closing
function view:map(fn, iterable, ...) end

---A view with these options added to, or in place of, its own.
---@param options tidepool.task_options
---@return tidepool.view
function view:with(options) end

-- -------------------------------------------------------------------- map --

---The iterator of a map. A call gives the next item's index and results, or nil at the end. It
---blocks until the item is done, and pumps. An item's error is raised at its turn, unchanged, and
---the iteration can go on after it: `pcall(it)`. Kind timeout is raised when the map's time has
---passed; then what has not started is cancelled and the iteration ends.
---
---Items that ran and failed, and whose errors were not raised (the map was dropped, left, closed,
---or ended by another item's error), are reported by `warn`, as failed futures are: with their
---index and traceback, when the collector comes.
---@class tidepool.map
---@overload fun(): integer?, ...
local map = {}

---Cancels what has not started and ends the iteration. Leaving the `for` does it. Does not block.
function map:close() end

---Runs through what is left. The first result of each item lies at the item's index, and the
---number of items in `n`. Raises the first error, and closes. Blocks; pumps.
---@return table results
function map:collect() end

---Runs through what is left for its effect: results are not even read here. Items that fail do not
---stop it; at the end the error of the first one, by its index, is raised, and the others are
---reported by `warn`. What ends the map itself (its time, its iterator function) is raised at once.
---Closes. Blocks; pumps.
---@return integer count the items of the map, those given before included
function map:drain() end

---The worker's traceback of the item whose error was raised last; nil before the first.
---@return string? traceback
function map:traceback() end

-- ----------------------------------------------------------------- future --

---The outcome of a task, or of a promise made by tidepool.future(). Can be sent to tasks. `==`
---tells whether two are the same future. `tostring` has its status, and the task's name. One that
---failed and that nobody looked at (result, exception, pcall, traceback, a done callback, sending
---it) is reported by `warn`, if warnings are on, when the collector finds that nobody can any more,
---or at its next cycle after the task failed.
---@class tidepool.future
local future = {}

---The task's return values, the same each time. Raises the task's own error value unchanged, or
---kind timeout or cancelled. Blocks until done; pumps.
---@param timeout? number
---@return any ...
function future:result(timeout) end

---The task's error value, or nil if it succeeded. `error(nil)` gives "<no error object>". Raises
---kind timeout or cancelled. Blocks until done; pumps.
---@param timeout? number
---@return any err
function future:exception(timeout) end

---As pcall(future.result, future, timeout): true and the values, or false and the error, which may
---be of kind timeout or cancelled. Blocks until done; pumps.
---@param timeout? number
---@return boolean ok
---@return any ...
function future:pcall(timeout) end

---The worker's traceback of a failed task, with the task's name if it has one; nil if it is not
---done or did not fail. Does not block.
---@return string?
function future:traceback() end

---Waits. Does not raise the task's error. Blocks; pumps.
---@param timeout? number
---@return boolean done false if the time passed first
function future:wait(timeout) end

---Cancels a task that has not started. Does not block; pumps.
---@return boolean cancelled true if it is cancelled now, or was before
function future:cancel() end

---Cancels it or, if it runs, stops it: its Lua code gets an error of kind interrupted at its next
---instruction, whatever it catches, in coroutines, finalizers and to-be-closed variables too. Code
---that catches the error has some 10,000 instructions to tidy up, once. A C function is not
---stopped: the task ends when it returns. Does not block; pumps.
---@return boolean interrupted true if it is cancelled or ends with kind interrupted (or that of a
---limit that it had reached before), now or because of an earlier call; false if it ended by
---itself, or if there is no signal to reach it: it was asked, and ends so if it waits or asks
function future:interrupt() end

---Whether it is finished or cancelled.
---@return boolean
function future:done() end

---@return boolean
function future:running() end

---@return boolean
function future:cancelled() end

---@return "pending"|"running"|"finished"|"cancelled"
function future:status() end

---Has `fn(future)`, a function or callable, called in this state: at once if it is done, else when
---this state next pumps. Those of futures that finish first are called first, and of one
---future in the order added. None is called inside another, but for one that is added there to a
---done future. An error in one is reported by `warn`.
---@param fn fun(future: tidepool.future)
function future:add_done_callback(fn) end

---Finishes a promise with these values; pumps. Raises kind invalid_state if it is done or belongs
---to an executor, kind transfer if they cannot be sent.
---@param ... any
function future:set_result(...) end

---Finishes a promise with an error of any value; pumps. Raises as set_result.
---@param err any
function future:set_exception(err) end

---Begins a promise: true if it is running now, false if it was cancelled and must not be run.
---Raises kind invalid_state if it is running or finished, or belongs to an executor.
---@return boolean run_it
function future:set_running_or_notify_cancel() end

-- ------------------------------------------------------------------ share --

---A value packed once. `==` tells whether two handles are of the same share. A handle has no other
---field than `get`: to read or set one is an error. Workers that have
---decoded it keep their copies as long as a handle lives elsewhere or is on its way; an idle one
---lets go at its next task or its end.
---@class tidepool.share
local share = {}

---The value: the same one each time, decoded at a worker's first get. Raises kind transfer if it
---cannot be rebuilt here; then the next get tries again.
---@return any
function share:get() end

-- ------------------------------------------------------------------ array --

---What an array holds: integers of so many bits, signed or not, or floats. u64 takes the integers
---from 0 to 2^64 - 1; those from 2^63 on are read back as Lua's negative integers of the same bits,
---and can be written as such too. f32 rounds what it is given, to infinity if that is too large.
---@alias tidepool.element
---| "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "f32" | "f64"

---Numbers of one type, sent by reference: who gets one, as an argument, an upvalue, or a result,
---reads and writes the same memory. It is freed when the last state and message let go; the
---collector takes its size into account. A state has one handle for an array that was sent, so what
---comes back is `rawequal` to what went; `==` tells whether two show the same elements.
---
---`a[i]` reads and `a[i] = v` writes element i, from 1 to `#a`; `ipairs(a)` and `pairs(a)` give all
---of them in order. Other indices, and values that are
---no number, have a fraction where the type has none, or are out of its range raise an error. Only
---`a[#a + 1]` reads as nil, so that `ipairs` ends.
---
---Threads may use an array at the same time. An element is never seen half written. Who reads a
---value that another thread wrote with `a[i] = v` or `add` also sees what that one wrote before.
---`fill`, `copy`, `tostring` and `totable` go element by element, in no promised order, and others
---may see them half done.
---
---A range i, j is as in string.sub: from 1 to `#a` unless given, negative numbers count from the
---end, and it is empty if j < i; but what reaches outside of the array raises an error.
---@class tidepool.array
---@field [integer] number
---@operator len: integer
local array = {}

---Adds v to element i in one step, wrapping around in the type's width. Raises an error for f32
---and f64. `a:add(1, 1)` on a zero hands out 1, 2, 3, … to all who call it.
---@param i integer
---@param v integer
---@return integer value the element's new value
function array:add(i, v) end

---Without arguments, makes a new array with this one's elements. Else copies all of `from`, which
---is of the same type, to element i and those behind; both may show the same memory.
---@param from? tidepool.array
---@param i? integer where to, negative numbers count from the end; default 1
---@return tidepool.array array the new one, or this one
function array:copy(from, i) end

---Sets the elements of a range to v.
---@param v number
---@param i? integer
---@param j? integer
---@return tidepool.array self
function array:fill(v, i, j) end

---Makes a view of a range: an array that shows the same memory, and keeps all of it alive.
---@param i? integer
---@param j? integer
---@return tidepool.array view
function array:slice(i, j) end

---The bytes of a range, in this machine's order.
---@param i? integer
---@param j? integer
---@return string
function array:tostring(i, j) end

---The elements of a range.
---@param i? integer
---@param j? integer
---@return number[]
function array:totable(i, j) end

---@return tidepool.element
function array:type() end

return tidepool, executor, view, map, future, share, array
