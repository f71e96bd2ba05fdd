---@meta tidepool
-- The API reference: every public function and method, with LuaCATS types. It is never loaded.
--
-- Times are seconds. A timeout of nil or math.huge means no limit, a negative one means 0, and NaN
-- is a bad argument. Wrong arguments raise `bad argument #n to 'f' (…)`, as in Lua's own libraries.
-- This is not repeated below.
--
-- Terms
--   executor   a pool of threads and a queue of tasks
--   worker     one thread of an executor, with a Lua state of its own
--   task       a function and its arguments, submitted to an executor
--   promise    a future that no executor runs: the script or a task finishes it
--   view       an executor with options for the next submits and maps
--   script     the code and the Lua state that made the executor
--   by name    sent as the name of a module's value, which the other side looks up
--   runs callbacks   calls the done callbacks that are due in this state; inside a callback, none
-- SPDX-License-Identifier: MIT

-- ---------------------------------------------------------------- errors --

---@alias tidepool.kind
---| "timeout"       # the time passed first
---| "cancelled"     # the future was cancelled
---| "shutdown"      # the executor takes no more tasks
---| "broken"        # the initializer or open_state failed, or this process is a forked child
---| "invalid_state" # a future was set twice, or belongs to an executor
---| "transfer"      # a value cannot be sent, or cannot be rebuilt on the other side
---| "interrupted"   # the task was stopped by interrupt or by a shutdown that interrupts
---| "time_limit"    # the task ran for longer than its limit
---| "memory_limit"  # the task needed more memory than its limit
---| "full"          # the bounded queue has no room
---| "deadlock"      # a task would wait for itself, or for ever because of max_threads

---An error of the library itself. `tostring` returns `where` and the message.
---@class tidepool.error
---@field kind tidepool.kind
---@field message string
---@field where string? where it was raised, as `file:line: `; nil if no line of Lua is known

-- ------------------------------------------------------- values and options --

---What a worker can run: a Lua function, a C function, a table or userdata whose metatable has
---`__call`, or a function's name, "module.function". A callable object is copied as arguments are.
---@alias tidepool.task function|table|userdata|string

---A sequence or an iterator function. The function (or callable) is called without arguments. It
---returns the next item's values, and nil at the end. tidepool.iter makes such a function of an
---iterator that has a state. A table with keys but without items, such as a dictionary, is a bad
---argument. `n = 0`, or a `__len` of its own, says that a table is empty.
---@alias tidepool.iterable table|userdata|fun(): any, ...

---Futures of any executors, as a sequence or an iterator function. Duplicates count once. If an
---iterator returns a key first, as tidepool.iter(pairs(t)) does, its second value is the future.
---@alias tidepool.futures tidepool.future[]|fun(): tidepool.future?

---@class tidepool.executor_options
---@field max_workers? integer how many tasks run at a time, >= 1; also the number of threads while
---no task waits. Default min(32, cpu_count() + 4), at most max_threads
---@field max_threads? integer limit of all threads, including those that replace workers whose
---tasks wait, >= max_workers. Default, and 0: 4 * max_workers + 64
---@field thread_name_prefix? string threads are named PREFIX_0, PREFIX_1, …; default "tidepool-N"
---@field initializer? tidepool.task called in each worker's state before its first task
---@field initargs? table the initializer's arguments, at most 10,000: a sequence, or a table with
---their number in `n`
---@field finalizer? tidepool.task called without arguments in each worker's state before the state
---is closed, for any reason. It is not called where the initializer failed, and is called where no
---task ran. It shares upvalues with the initializer, and sees the state's globals. Its error is a
---warning. A shutdown that interrupts stops it
---@field max_tasks_per_worker? integer tasks after which a worker's state is replaced, >= 1
---@field idle_timeout? number seconds after which an idle thread ends; default never
---@field max_queue? integer tasks that may wait beyond those that workers take at once, >= 1: the
---queue is full if queued + running >= max_workers + max_queue. Default unbounded
---@field on_full? "block"|"error" what a submit does when the queue is full; default "block"
---@field spin_time? number seconds, 0 to 0.001, that a thread which waits for a future of this
---executor, and one idle worker, poll before they sleep. After short sleeps they poll for up to
---four times as long. Default 0.00005; 0: never
---@field time_limit? number seconds > 0 that each task may run; then it ends with kind time_limit
---@field memory_limit? integer bytes that a worker's state may hold; a task that needs more ends
---with kind memory_limit
---@field isolation? "worker"|"task" "task": each task has a new state; default "worker"
---@field cfunctions? boolean true: C functions that the other side does not find by name are sent
---by address, with copies of their upvalues, to workers and back. For functions that may be called
---in any thread and any state. Default false: they are refused with kind transfer
---@field daemon? boolean true: when this Lua state closes, or an error or Ctrl-C leaves a
---`<close>` block, pending tasks are cancelled and running ones interrupted, and nothing waits for
---them. Default false
---@field inline? boolean true: no threads. A task runs at its submit, in the submitting state,
---with its values copied as for a worker and with globals of its own; its future is done then. For
---debuggers, coverage tools and profilers. print and os.exit are the script's own. The initializer
---is called at the first submit, the finalizer by shutdown or when the state closes. The options
---about threads have no effect; time_limit and memory_limit are refused. Default false
---@field interrupt_signal? integer number of the signal that interrupts running tasks, if the
---program has no handler for it: SIGUSR1, SIGUSR2, SIGURG, SIGWINCH, SIGIO, SIGPWR, SIGSTKFLT or a
---real-time signal. Others are refused. If the program takes it later, another free one is used.
---Default SIGURG, then SIGWINCH, then real-time signals; -1: none
---@field seed? integer each task begins with math.random seeded from this and its number. Tasks
---are numbered by the executor in the order of the submits, items of a map by their index; the
---initializer is seeded from this alone. Default: states are seeded from the system's entropy. See
---docs/guide.md

---@class tidepool.task_options
---@field priority? integer tasks with a higher one start first, equal ones in the order of their
---submits. Strict: low ones wait as long as there are higher ones. Default 0
---@field name? string the task's name for tidepool.current_task(), tracebacks, warnings and
---tostring(future)
---@field time_limit? number seconds > 0 of running; default the executor's
---@field memory_limit? integer bytes by which the worker's state may grow; the executor's limit
---holds as well. Default none
---@field seed? integer as the executor's; the view numbers its tasks in the order of the submits
---@field timeout? number map only: seconds for the whole map, counted from its call; default none
---@field chunksize? integer|"auto" map only: items that run as one task; default "auto"
---@field buffersize? integer map only: items that may be read and not yet given out, >= 1
---@field ordered? boolean map only; false: items come as they complete; default true

---@class tidepool.shutdown_options
---@field wait? boolean wait until the queue is finished and the threads have ended; default true
---@field cancel_futures? boolean cancel tasks that have not started; default false
---@field interrupt? boolean cancel those, and interrupt running tasks; default false
---@field timeout? number seconds to wait; default no limit

---@class tidepool.wait_options
---@field timeout? number seconds to wait; default no limit
---@field return_when? "all_completed"|"first_completed"|"first_exception" default all_completed

---@class tidepool.stats
---@field max_workers integer how many tasks run at a time
---@field workers integer living threads, including those of waiting tasks and their replacements
---@field idle integer threads that wait for work
---@field queued integer tasks that have not started
---@field running integer running tasks
---@field submitted integer tasks since the start
---@field finished integer tasks that ended by themselves, including failed ones
---@field failed integer tasks that ended by an error
---@field cancelled integer tasks that were cancelled before they started

---@class tidepool.current_task
---@field name string the task's name, "" if it has none
---@field worker integer index of the worker, from 0: N where the thread's name is PREFIX_N
---@field id integer a number from 1 that no other task of this executor has. It is chosen when it
---is first read, and stays the same. Several items of a map may be one task
---@field interrupted fun(task?: tidepool.current_task): boolean whether the task is requested to
---end: for long loops of calls of C functions, which cannot be stopped

-- ---------------------------------------------------------------- module --

---@class tidepool
---@field _VERSION string "tidepool" and the version
local tidepool = {}

---Makes an executor. Threads start on demand. Does not block. Raises kind transfer if the
---initializer or its arguments cannot be sent.
---
---An executor ends by `<close>`, by shutdown, or by being collected, which finishes its queue.
---When this Lua state closes, it waits for what is left. An executor that a task made and left
---goes on when the worker's state closes. The shutdown of the task's own executor then waits for
---it, and cancels or interrupts it too.
---@param options? tidepool.executor_options|integer options, or max_workers alone
---@return tidepool.executor
function tidepool.executor(options) end

---Makes a promise. Other executors, such as one on an event loop, can be written with it.
---@return tidepool.future
function tidepool.future() end

---Makes an array: numbers of one type, in memory outside of Lua that tasks share. `init` is a
---count (zeros), a table or an array with the items, or a string of bytes in this machine's order.
---An error names the item that does not fit the type.
---@param type tidepool.element
---@param init integer|number[]|tidepool.array|string
---@return tidepool.array
function tidepool.array(type, init) end

---Waits for futures. Cancelled ones count as done. Both lists are in the order of `futures`. A
---timeout is no error. "first_exception" also returns when all are done. Blocks; runs callbacks.
---@param futures tidepool.futures
---@param options? tidepool.wait_options
---@return tidepool.future[] done
---@return tidepool.future[] not_done
function tidepool.wait(futures, options) end

---Iterates over futures in the order in which they complete, each once, those first that are done
---already. The call reads all of `futures` and does not block. Each step blocks, runs callbacks,
---and drops its reference to the future that it returns. A step raises kind timeout, `N (of M)
---futures unfinished`, if `timeout` seconds have passed since the call.
---@param futures tidepool.futures
---@param timeout? number seconds, counted from the call
---@return fun(): tidepool.future? step
---@return nil
---@return nil
---@return any closing for the generic for to close
function tidepool.as_completed(futures, timeout) end

---Makes one value of an iterator that has a state, a first value and a value to be closed, as
---pairs(t), io.lines(name) and lfs.dir(path) return them: for map, wait and as_completed. The
---value is called without arguments. It returns all that the iterator returns, and nil at the end.
---Does not block.
---
---`closing` is closed once: at the end, when its reader ends before that (a map that is left,
---closed, or fails), or by `local it <close>`. If an error is the reason, `closing` gets it.
---@param step fun(state: any, control: any): any, ...
---@param state? any
---@param control? any
---@param closing? any nil, false, or a value with `__close`
---@return fun(): any, ...
function tidepool.iter(step, state, control, closing) end

---Packs a value once, for any number of tasks. The handle is sent by reference wherever a value
---can be sent, and `get` returns the value on the other side. Raises as submit does, kind transfer
---with the path (`shared value, field x: …`). Does not block.
---
---The value must be treated as immutable. In this state `get` returns the value itself. Elsewhere
---it returns a copy of what the value was at this call, with its functions and the globals that
---they name. A later change here is seen nowhere else. A change that a task makes is seen by later
---tasks of the same worker alone.
---@param value any
---@return tidepool.share
function tidepool.share(value) end

---Returns the number of processors that this process may use, with regard to CPU affinity and
---cgroup quotas.
---@return integer count at least 1
function tidepool.cpu_count() end

---Makes the library's errors that are raised in this state, or arrive in it, strings: `file:line:
---message (tidepool: timeout)`, for programs that print errors with lua_tostring; or tables again.
---error_kind finds the kind at the end of such a string, in every state. Without an argument
---nothing changes. Does not block.
---@param on? boolean
---@return boolean before whether they were strings
function tidepool.string_errors(on) end

---Returns the kind of an error of the library, also of one that is a string, and nil for all other
---values.
---@param err any
---@return tidepool.kind?
function tidepool.error_kind(err) end

---A message handler, as debug.traceback is. Returns the error as text, this state's traceback and,
---if the error came out of a task, the worker's traceback. That holds for errors that a method of
---a future or a map raised, also if they were raised again. The worker's traceback is found by the
---error value; of strings the last few are remembered. Does not block.
---@param err any
---@return string
function tidepool.traceback(err) end

---Returns a table about the running task; nil outside a task.
---@return tidepool.current_task?
function tidepool.current_task() end

-- --------------------------------------------------------------- executor --

---A pool of threads. Can be sent to tasks. `==` tests whether two values are the same executor.
---`local ex <close>` shuts it down at the end of the block and waits for everything. If an error
---leaves the block, or the wait is interrupted, tasks that have not started are cancelled.
---@class tidepool.executor
local executor = {}

---Submits a call of `fn`. Blocks only while a bounded queue is full and `on_full` is "block".
---Arguments keep their number, including trailing nils. Raises kind transfer with the path to a
---value that cannot be sent, and kinds shutdown, broken and full. Raises an ordinary error if
---there is a time limit, but no signal to stop the task with (`interrupt_signal`).
---
---Finalizers run for originals, never for the copies that are sent. An object whose metatable has
---`__transfer` is not copied. `__transfer(object)` is called in the state that sends it, once per
---message. It returns a function or `"module.function"`, and arguments; the other side calls that
---function and uses its result.
---@param fn tidepool.task
---@param ... any arguments
---@return tidepool.future
function executor:submit(fn, ...) end

---Calls `fn` for each item in the workers. Returns an iterator for a generic `for`: the index of
---an item, then all its results. Several iterables are read in parallel, and the shortest ends the
---map. All values that one call of an iterator function returns are arguments.
---
---With a `buffersize`, that many items are read at the call, and one more for each that is given
---out. Without it, sequences are read and submitted at the call, and an iterator function is read
---4 chunks per worker ahead. An error of the iterator function is raised at the call or at a step,
---and cancels the rest.
---
---Items of one chunk run in one task. Tables that they share stay shared, and so do the upvalues
---of `fn`. chunksize "auto" gives long sequences chunks that shrink towards the end, runs the
---items of short ones one by one, and gives iterator functions chunks of about a millisecond. If
---such a chunk takes longer, workers without work take over a part of it. What its items share is
---then copied, as it is at that time, and its items count as several tasks. A chunksize that is
---given is used as it is.
---
---The call raises as submit does. Kind transfer names the item (`item 17, field x: …`), and what
---was submitted is cancelled. At a step such an error comes after the items before it, and ends
---the iteration. The call blocks only where submit does: on a full queue.
---@param fn tidepool.task
---@param iterable tidepool.iterable
---@param ... tidepool.iterable
---@return tidepool.map iterator
---@return nil
---@return nil
---@return tidepool.map closing for the generic for to close
function executor:map(fn, iterable, ...) end

---Returns a view of the executor: options for the view's submit and map.
---@param options tidepool.task_options
---@return tidepool.view
function executor:with(options) end

---Ends the acceptance of tasks, then waits until the queue is finished and the threads have ended.
---May be called again. Blocks unless `wait` is false; runs callbacks. If Ctrl-C interrupts the
---wait, tasks that have not started are cancelled. Raises kind deadlock if one of its own tasks
---calls it with `wait` and a timeout other than 0.
---@param options? tidepool.shutdown_options
---@return boolean finished false if the timeout passed first; without `wait` always true
function executor:shutdown(options) end

---Returns counts of threads and tasks. Does not block.
---@return tidepool.stats
function executor:stats() end

---Runs callbacks. Does not block.
---@return integer handled futures whose callbacks were called; 0 inside a callback
function executor:poll() end

---Returns the prefix of the names of its threads.
---@return string thread_name_prefix
function executor:name() end

---An executor with options for each submit and map. A view owns nothing.
---@class tidepool.view
local view = {}

---As executor:submit, with the view's `priority`, `name`, limits and seed. Raises an ordinary
---error if the view has an option for maps alone.
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

---Returns a view with these options added to, or in place of, its own.
---@param options tidepool.task_options
---@return tidepool.view
function view:with(options) end

-- -------------------------------------------------------------------- map --

---The iterator of a map. A call returns the next item's index and results, or nil at the end. It
---blocks until the item is done, and runs callbacks. An item's error is raised at the item's turn,
---unchanged, and the iteration can go on after it: `pcall(it)`. Kind timeout is raised if the
---map's time has passed. Then tasks that have not started are cancelled, and the iteration ends.
---
---Items that ran and failed, and whose errors were not raised, are reported by `warn` with index
---and traceback, at a cycle of the collector. Such items remain if a map is dropped, left or
---closed, or if another item's error ends it.
---@class tidepool.map
---@overload fun(): integer?, ...
local map = {}

---Cancels what has not started and ends the iteration. A `for` that is left does the same. Does
---not block.
function map:close() end

---Runs the rest of the map. Returns a table with the first result of each item at the item's
---index, and the number of items in `n`. Raises the first error, and closes the map. Blocks; runs
---callbacks.
---@return table results
function map:collect() end

---Runs the rest of the map for its effect; results are not read in this state. Items that fail do
---not stop it. At the end the error with the smallest index is raised, and the others are reported
---by `warn`. What ends the map itself (its timeout, its iterator function) is raised at once.
---Closes the map. Blocks; runs callbacks.
---@return integer count the items of the map, including those given out before
function map:drain() end

---Returns the worker's traceback of the item whose error was raised last; nil before the first.
---@return string? traceback
function map:traceback() end

-- ----------------------------------------------------------------- future --

---The outcome of a task, or of a promise. Can be sent to tasks. `==` tests whether two values are
---the same future. `tostring` has its status and the task's name.
---
---A future that failed and that no code read is reported by `warn`. These calls read it: result,
---exception, pcall, traceback, a done callback, and sending it. The report comes when the
---collector finds that no state can read it any more, or at the collector's next cycle after the
---failure.
---@class tidepool.future
local future = {}

---Returns the task's results, the same each time. Raises the task's own error value unchanged, or
---kind timeout or cancelled. Blocks until the future is done; runs callbacks.
---@param timeout? number
---@return any ...
function future:result(timeout) end

---Returns the task's error value, or nil if it succeeded. For `error(nil)` the value is "<no error
---object>". Raises kind timeout or cancelled. Blocks until the future is done; runs callbacks.
---@param timeout? number
---@return any err
function future:exception(timeout) end

---As pcall(future.result, future, timeout): returns true and the results, or false and the error,
---which may be of kind timeout or cancelled. Blocks until the future is done; runs callbacks.
---@param timeout? number
---@return boolean ok
---@return any ...
function future:pcall(timeout) end

---Returns the worker's traceback of a failed task, with the task's name if it has one; nil if the
---future is not done or did not fail. Does not block.
---@return string?
function future:traceback() end

---Waits until the future is done. Does not raise the task's error. Blocks; runs callbacks.
---@param timeout? number
---@return boolean done false if the time passed first
function future:wait(timeout) end

---Cancels a task that has not started. Does not block; runs callbacks.
---@return boolean cancelled true if it is cancelled now, or was before
function future:cancel() end

---Cancels the task or, if it runs, stops it. Its Lua code gets an error of kind interrupted at its
---next instruction, also in coroutines, finalizers and to-be-closed variables. Code that catches
---the error has some 10,000 instructions to clean up, once. A C function is not stopped: the task
---ends when the function returns. Does not block; runs callbacks.
---@return boolean interrupted true if the task is cancelled, or ends with kind interrupted or that
---of a limit that it had reached before, because of this call or an earlier one. False if it ended
---by itself. Also false if no signal reaches it; then it ends with that kind if it waits or checks
function future:interrupt() end

---Returns whether the future is finished or cancelled.
---@return boolean
function future:done() end

---Returns whether the task runs.
---@return boolean
function future:running() end

---Returns whether the future was cancelled.
---@return boolean
function future:cancelled() end

---Returns the state of the future.
---@return "pending"|"running"|"finished"|"cancelled"
function future:status() end

---Registers `fn(future)`, a function or callable, to be called in this state: at once if the
---future is done, else when this state next runs callbacks. Callbacks are called in the order in
---which their futures finish, and those of one future in the order added. No callback is called
---inside another, except one that is added there to a done future. An error in a callback is
---reported by `warn`.
---@param fn fun(future: tidepool.future)
function future:add_done_callback(fn) end

---Finishes a promise with these values; runs callbacks. Raises kind invalid_state if it is done or
---belongs to an executor, and kind transfer if the values cannot be sent.
---@param ... any
function future:set_result(...) end

---Finishes a promise with an error of any value; runs callbacks. Raises as set_result.
---@param err any
function future:set_exception(err) end

---Begins a promise. Returns true if it is running now, and false if it was cancelled and must not
---be run. Raises kind invalid_state if it is running or finished, or belongs to an executor.
---@return boolean run_it
function future:set_running_or_notify_cancel() end

-- ------------------------------------------------------------------ share --

---A value that is packed once. `==` tests whether two handles are of the same share. `get` is the
---only field of a handle; to read or set another one is an error. A worker that has decoded the
---value keeps its copy as long as another state or a message has a handle. An idle worker frees
---the copy at its next task or at its end.
---@class tidepool.share
local share = {}

---Returns the value, the same one each time. A worker decodes it at the first call. Raises kind
---transfer if the value cannot be rebuilt here; then the next call tries again.
---@return any
function share:get() end

-- ------------------------------------------------------------------ array --

---The type of an array's elements: signed or unsigned integers, or floats, of so many bits. u64
---takes integers from 0 to 2^64 - 1. Those from 2^63 on are read as Lua's negative integers of the
---same bits, and can be written as such. f32 rounds its values, to infinity if they are too large.
---@alias tidepool.element
---| "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "f32" | "f64"

---Numbers of one type, sent by reference: as an argument, an upvalue or a result, all states read
---and write the same memory. It is freed when the last state and message release it. The collector
---takes its size into account. A state has one handle for an array that was sent, so an array that
---comes back is `rawequal` to the one sent. `==` tests whether two show the same elements.
---
---`a[i]` reads and `a[i] = v` writes element i, from 1 to `#a`. `ipairs(a)` and `pairs(a)` iterate
---over all elements in order. Another index raises an error, except that `a[#a + 1]` reads as nil,
---which ends `ipairs`. So does a value that is no number, that has a fraction where the type has
---none, or that is out of the type's range.
---
---Threads may use an array at the same time. An element is never seen half written. A thread that
---reads a value which another thread wrote with `a[i] = v` or `add` also sees what that thread
---wrote before. `fill`, `copy`, `tostring` and `totable` work element by element, in no promised
---order; other threads may see them half done.
---
---A range i, j is as in string.sub: it defaults to 1 and `#a`, negative numbers count from the
---end, and it is empty if j < i. A range that reaches outside of the array raises an error.
---@class tidepool.array
---@field [integer] number
---@operator len: integer
local array = {}

---Adds v to element i in one atomic step, with wrap-around in the type's width. Raises an error
---for f32 and f64. `a:add(1, 1)` on a zero returns 1, 2, 3, … to its callers, each number once.
---@param i integer
---@param v integer
---@return integer value the element's new value
function array:add(i, v) end

---Without arguments, returns a new array with this one's elements. Else copies all of `from`, an
---array of the same type, to element i and those after it. Both may show the same memory.
---@param from? tidepool.array
---@param i? integer position of the first copy, negative numbers count from the end; default 1
---@return tidepool.array array the new one, or this one
function array:copy(from, i) end

---Sets the elements of a range to v.
---@param v number
---@param i? integer
---@param j? integer
---@return tidepool.array self
function array:fill(v, i, j) end

---Returns a view of a range: an array that shows the same memory, and keeps all of it alive.
---@param i? integer
---@param j? integer
---@return tidepool.array view
function array:slice(i, j) end

---Returns the bytes of a range, in this machine's order.
---@param i? integer
---@param j? integer
---@return string
function array:tostring(i, j) end

---Returns the elements of a range.
---@param i? integer
---@param j? integer
---@return number[]
function array:totable(i, j) end

---Returns the type of the elements.
---@return tidepool.element
function array:type() end

return tidepool, executor, view, map, future, share, array
