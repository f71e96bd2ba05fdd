-- tidepool: runs Lua functions in parallel. This is the public module; types.lua documents it.
--
-- Lua 5.1 and LuaJIT can compile this file, so they get the error message of the first check.
-- SPDX-License-Identifier: MIT

if _VERSION ~= "Lua 5.4" then
  local jit = rawget(_G, "jit")
  local this = type(jit) == "table" and jit.version or _VERSION
  error("tidepool needs Lua 5.4, and this is " .. this, 3) -- level 3: the line of the `require`
end

local VERSION = "0.1.0" -- of the Lua files

local core = require "tidepool.core"
if core.version ~= VERSION then
  error(("a second copy of tidepool: its Lua files are of version %s, but tidepool.core is of "
    .. "version %s. Put the files that belong to the latter first in package.path"):format(
    VERSION, tostring(core.version)), 3)
end
local executor = require "tidepool.executor"
local iter = require "tidepool.iter"
local waiting = require "tidepool.wait"

-- task:interrupted(): returns whether the running task was requested to stop.
local function interrupted()
  return core.asked() ~= nil
end

-- Returns a description of the running task in a worker, nil elsewhere.
local function current_task()
  local name, worker, id = core.current_task()
  if not name then return nil end
  return { name = name, worker = worker, id = id, interrupted = interrupted }
end

return {
  -- executor(options | max_workers): a pool of threads, each with a Lua state of its own.
  executor = executor,
  -- future(): a promise, whose result the script sets.
  future = core.future,
  -- array(type, count | table | string): numbers of one type in memory that all states share.
  array = core.array,
  -- wait(futures, {timeout =, return_when =}): a list of those done, a list of the others.
  wait = waiting.wait,
  -- as_completed(futures, timeout): an iterator over futures, in the order of their completion.
  as_completed = waiting.as_completed,
  -- iter(pairs(t)): an iterator and its state as one value, for map and wait.
  iter = iter.new,
  -- share(value): a handle that is sent by reference; handle:get() returns the value.
  share = core.share,
  -- cpu_count(): the number of processors that the process may use.
  cpu_count = core.cpu_count,
  -- error_kind(err): the kind of an error object of the library, nil for other values.
  error_kind = core.error_kind,
  -- string_errors(on): makes the library raise strings in this state from now on.
  string_errors = core.string_errors,
  -- traceback(err): a message handler: debug.traceback, and the traceback of the worker.
  traceback = core.traceback,
  -- current_task(): the `name`, `worker` and `id` of the running task, nil outside of a worker.
  current_task = current_task,
  _VERSION = "tidepool " .. core.version,
}
