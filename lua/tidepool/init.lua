-- tidepool: Lua functions in parallel. The public module; types.lua is its reference.
--
-- Lua 5.1 and LuaJIT can read this file, and are told here that they cannot run the rest.
-- SPDX-License-Identifier: MIT

if _VERSION ~= "Lua 5.4" then
  local jit = rawget(_G, "jit")
  local this = type(jit) == "table" and jit.version or _VERSION
  error("tidepool needs Lua 5.4, and this is " .. this, 3) -- level 3: the line of the `require`
end

local VERSION = "0.1.0" -- of these files

local core = require "tidepool.core"
if core.version ~= VERSION then
  error(("a second copy of tidepool: its Lua files are of version %s, but tidepool.core is of "
    .. "version %s. Put the files that belong to the latter first in package.path"):format(
    VERSION, tostring(core.version)), 3)
end
local executor = require "tidepool.executor"
local iter = require "tidepool.iter"
local waiting = require "tidepool.wait"

-- task:interrupted(): whether the task that runs here was asked to end.
local function interrupted()
  return core.asked() ~= nil
end

-- In a worker: what is known of the running task. Elsewhere nil.
local function current_task()
  local name, worker, id = core.current_task()
  if not name then return nil end
  return { name = name, worker = worker, id = id, interrupted = interrupted }
end

return {
  -- executor(options | max_workers): a new pool of threads, each with a Lua state of its own.
  executor = executor,
  -- future(): a future that no executor runs, to be set by hand.
  future = core.future,
  -- array(type, count | table | string): numbers of one type, outside of Lua, sent by reference.
  array = core.array,
  -- wait(futures, {timeout =, return_when =}): the list of the done, the list of the others.
  wait = waiting.wait,
  -- as_completed(futures, timeout): an iterator of futures in the order in which they finish.
  as_completed = waiting.as_completed,
  -- iter(pairs(t)): an iterator that comes with a state, as one value, for map and wait.
  iter = iter.new,
  -- share(value): a handle that is sent by reference; handle:get() gives the value.
  share = core.share,
  -- cpu_count(): the processors this process may use.
  cpu_count = core.cpu_count,
  -- error_kind(err): the kind of one of the library's own error objects, nil for anything else.
  error_kind = core.error_kind,
  -- string_errors(on): the library's errors are strings in this state from now on.
  string_errors = core.string_errors,
  -- traceback(err): a message handler, debug.traceback with the worker's traceback besides.
  traceback = core.traceback,
  -- current_task(): in a worker a table with the task's `name`, `worker` and `id`, nil elsewhere.
  current_task = current_task,
  _VERSION = "tidepool " .. core.version,
}
