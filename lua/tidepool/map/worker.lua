-- tidepool.map.worker: runs a chunk of a map's items inside a worker.
--
-- A chunk is submitted as a task like any other. An item that fails does not end its chunk: the
-- items after it run all the same. The loop over the items is csrc/binding/lua_map_worker.c.
--
-- Rebalancing: once a chunk has run for PATIENCE seconds while other workers are idle, half of the
-- items that are left become a *part*, a task of its own. A part may be divided in turn. Where
-- single items take that long, all items that are left but the next become parts, of 1, 2, 4 and
-- more items: slow items tend to be near each other. The worker does not wait for its parts. It
-- returns their futures, and the map reads those. So a map need not know in advance which items
-- are slow, and no worker is idle for much longer than one item takes.
--
-- Terms:
--   column          a list with the values of one argument, for all items of a chunk
--   cancel promise  is done once the map does not need the results of the chunk
--   started         a promise that begins to run before the chunk's first item does
-- SPDX-License-Identifier: MIT

local core = require "tidepool.core"

local future = core.methods.future
local begin = future.set_running_or_notify_cancel
local run_items, sendable, now = core.run_items, core.sendable, core.now

local PATIENCE = 0.001

local worker = {}

-- Returns the function or callable that a map was given, as itself or by its name.
local function resolve(fn)
  if type(fn) ~= "string" then return fn end
  local module, name = fn:match("^(.+)%.([^.]+)$")
  return require(module)[name]
end

-- Returns the first line of the traceback of an error.
local function message_of(err)
  if type(err) == "string" then return err end
  local meta = debug.getmetatable(err)
  if type(err) == "number" or type(meta) == "table" and rawget(meta, "__tostring") then
    local ok, text = pcall(tostring, err)
    if ok then return text end
  end
  return ("(error object is a %s value)"):format(type(err))
end

-- Returns a traceback with the name of the task, as the tracebacks of other tasks have it.
local function named(traceback)
  local name = core.current_task_name()
  return name ~= "" and ("%s\n\t(in task '%s')"):format(traceback, name) or traceback
end

-- The message handler of items. Returns the error and its traceback as one value.
local function failure(err)
  return { err = err, traceback = named(debug.traceback(message_of(err), 2)) }
end

-- Returns the failure of an item whose results or error cannot be sent.
local function refused(err)
  return { err = err, traceback = named(message_of(err)) }
end

-- Turns items whose results or error cannot be sent into failures. Returns the failures.
local function refuse_unsendable(values, multi, failed, count)
  if sendable(values, multi, failed) then return failed end
  failed = failed or {}
  for i = 1, count do
    local ok, err
    if failed[i] then
      ok, err = sendable(failed[i].err)
    else
      ok, err = sendable(core.map_row(values, multi, i))
    end
    if not ok then
      failed[i] = refused(err)
      core.map_clear(values, multi, i)
    end
  end
  return failed
end

-- Returns items `first` to `last` of the columns, as columns, and whether all of their values are
-- numbers, booleans or nil.
local function slice(first, last, ...)
  local columns, all = { ... }, true
  for c, column in ipairs(columns) do
    local numbers
    columns[c], numbers = core.slice(column, first, last - first + 1)
    all = all and numbers
  end
  return columns, all
end

-- Submits items `first` to `last` as a part; the other parameters are those of worker.run. Returns
-- the part, as worker.run does, or nil if it was refused: the queue is full, the executor is
-- closed, or a value that came here cannot be sent on.
local function submit_part(first, last, fn, cancel_promise, priority, width, ...)
  local count, started = last - first + 1, core.future()
  local columns, numbers = slice(first, last, ...)
  if type(width) == "table" then width = core.slice(width, first, count) end
  local ok, part = pcall(core.offer, priority, core.current_task_name(), first - 1,
    "tidepool.map.worker.run", fn, cancel_promise, started, priority, count, width,
    table.unpack(columns))
  if not ok then return nil end
  local batch
  if numbers then -- the map has kept no copy of these
    columns.n, columns.width = count, width
    batch = columns
  end
  return { future = part, started = started, count = count, batch = batch }
end

-- Submits items after `at`, up to `last`, as parts: the second half of them, or all of them if
-- `slow`. Inserts the parts at the front of `parts`. Returns the last item that was not submitted.
-- Parts are made from the end on, so that the items left after a refusal are consecutive.
local function rebalance(parts, slow, at, last, ...)
  local step = (last - at) // 2 + 1
  if slow then
    step = 1
    while step * 2 <= last - at do step = step * 2 end
  end
  repeat
    local part = submit_part(at + step, last, ...)
    if not part then break end
    table.insert(parts, 1, part)
    last = at + step - 1
    step = slow and step // 2 or 0
  until step == 0
  return last
end

-- Calls fn for `count` items, and ends early once `cancel_promise` is done.
--
-- fn: a function, a callable, or "module.function". started: see Terms; nothing runs if it was
-- cancelled. priority: of parts; false: the chunk is not to be divided. width: the number of
-- arguments of each item, or a list with each item's. The columns follow.
--
-- Returns the values that csrc/binding/lua_map_results.h describes.
function worker.run(fn, cancel_promise, started, priority, count, width, ...)
  local start = now()
  local call = resolve(fn)
  if not begin(started) then return end
  local values, multi, failed, parts = core.list(count), {}, nil, {}
  local scalars = true -- whether all rows are scalars or empty: then they can be sent
  local at, last = 1, count
  local patience = priority and start + PATIENCE or nil
  while at <= last do
    local ending, only_scalars, err
    ending, at, only_scalars, err = run_items(call, failure, cancel_promise, patience, values,
      multi, width, at, last, ...)
    scalars = scalars and only_scalars
    if ending == "failed" then
      failed = failed or {}
      -- a handler that failed itself leaves another value than a failure
      failed[at] = type(err) == "table" and err.traceback and err or refused(err)
      scalars = false
      core.map_clear(values, multi, at)
      at = at + 1
    elseif ending == "rebalance" then
      local slow = math.max(err, (now() - start) / (at - 1)) > PATIENCE
      local kept = rebalance(parts, slow, at, last, fn, cancel_promise, priority, width, ...)
      patience = kept < last and now() + PATIENCE or nil
      last = kept
    else
      break
    end
  end

  parts = parts[1] and parts
  if not scalars then failed = refuse_unsendable(values, multi, failed, last) end
  return core.map_pack(now() - start, values, multi, failed, parts, last, scalars)
end

return worker
