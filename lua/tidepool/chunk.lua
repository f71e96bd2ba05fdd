-- tidepool.chunk: runs a chunk of a map's items inside a worker.
--
-- Submitted as a task like any other. An item that fails leaves the others alone: the run of items
-- (lua_chunk.c) goes on behind it. The answer is compact: an item's single result lies in a plain
-- sequence; other counts of results, and failures, lie in side tables, there only if needed.
--
-- Once a chunk has taken PATIENCE seconds while other workers are idle, half of what is left of it
-- becomes a task of its own (a part), which may be shared in turn. If even single items take that
-- long, all that is left but the next item becomes parts, of 1, 2, 4, … items: they tend to be near
-- each other. The worker does not wait for parts: its answer has their futures, and the owner
-- follows. So long items need not be known before, and nobody is idle for much longer than one
-- item takes.
-- SPDX-License-Identifier: MIT

local core = require "tidepool.core"

local future = core.methods.future
local begin = future.set_running_or_notify_cancel
local run_items, sendable, now = core.run_items, core.sendable, core.now

local PATIENCE = 0.001
local FLAT = 1024 -- results that may be an answer by themselves

local chunk = {}

-- The function or callable that a map was given: itself, or by its name.
local function resolve(fn)
  if type(fn) ~= "string" then return fn end
  local module, name = fn:match("^(.+)%.([^.]+)$")
  return require(module)[name]
end

-- What a traceback begins with.
local function message_of(err)
  if type(err) == "string" then return err end
  local meta = debug.getmetatable(err)
  if type(err) == "number" or type(meta) == "table" and rawget(meta, "__tostring") then
    local ok, text = pcall(tostring, err)
    if ok then return text end
  end
  return ("(error object is a %s value)"):format(type(err))
end

-- A traceback with the task's name, as those of other tasks have it.
local function named(traceback)
  local name = core.current_task_name()
  return name ~= "" and ("%s\n\t(in task '%s')"):format(traceback, name) or traceback
end

-- Message handler: the error and where it was raised, as one value.
local function failure(err)
  return { err = err, traceback = named(debug.traceback(message_of(err), 2)) }
end

-- What an item failed with if its results or its error cannot be sent.
local function refused(err)
  return { err = err, traceback = named(message_of(err)) }
end

-- Looks for items that cannot be sent, and makes failures of them.
local function probe(values, multi, failed, count)
  if sendable(values, multi, failed) then return failed end
  failed = failed or {}
  for i = 1, count do
    local ok, err
    if failed[i] then
      ok, err = sendable(failed[i].err)
    elseif type(multi[i]) == "table" then
      ok, err = sendable(table.unpack(multi[i], 1, multi[i].n))
    else
      ok, err = sendable(values[i])
    end
    if not ok then
      failed[i] = refused(err)
      values[i], multi[i] = false, nil
    end
  end
  return failed
end

-- Items `first` to `last` of the columns as columns, and whether they are but numbers.
local function slice(first, last, ...)
  local columns, all = { ... }, true
  for c, column in ipairs(columns) do
    local numbers
    columns[c], numbers = core.slice(column, first, last - first + 1)
    all = all and numbers
  end
  return columns, all
end

-- Submits items `first` to `last` as a part; nil if that cannot be now. See chunk.run.
local function give(first, last, fn, leash, priority, width, ...)
  local count, begun = last - first + 1, core.future()
  local columns, numbers = slice(first, last, ...)
  if type(width) == "table" then width = core.slice(width, first, count) end
  local ok, given = pcall(core.offer, priority, core.current_task_name(), first - 1,
    "tidepool.chunk.run", fn, leash, begun, priority, count, width, table.unpack(columns))
  if not ok then return nil end -- a full queue, a closing executor, what came but cannot be sent on
  local batch
  if numbers then -- the owner has not kept these
    columns.n, columns.width = count, width
    batch = columns
  end
  return { future = given, begun = begun, count = count, batch = batch }
end

-- Gives items behind `at` away, up to `last`: the second half; or if they seem to be slow, all of
-- them in parts of 1, 2, 4, … items. Puts the parts before those in `parts`; answers the last item
-- that was kept.
-- From the end on, so that what is refused is kept and still lies behind what was kept before.
local function share(parts, slow, at, last, ...)
  local step = (last - at) // 2 + 1
  if slow then
    step = 1
    while step * 2 <= last - at do step = step * 2 end
  end
  repeat
    local part = give(at + step, last, ...)
    if not part then break end
    table.insert(parts, 1, part)
    last = at + step - 1
    step = slow and step // 2 or 0
  until step == 0
  return last
end

-- Calls fn for `count` items; item i's arguments are the i-th of each column. `width` is how many
-- arguments each item has, or a table of that per item. Begins the promise `begun` first, and stops
-- early once `leash` is done: no one will look. `priority` is for parts; false: it is not to be
-- split. Answers the seconds it took, the first results, two side tables or nil, multi[i] = 0 or
-- the packed results and failed[i] = { err =, traceback = }; and the parts or nil, the items behind
-- those done here, in order: { future =, begun =, count =, batch = their columns or nil }. If there
-- are but scalars, one for each item, and no more of them than FLAT, the answer is *flat*: false
-- instead of the first results, their number, nil, the parts or nil, and the results themselves.
function chunk.run(fn, leash, begun, priority, count, width, ...)
  local began = now()
  local call = resolve(fn)
  if not begin(begun) then return end
  local values, multi, failed, parts = core.list(count), {}, nil, {}
  local risky = false -- something is there that may not be sendable
  local at, last = 1, count
  local patience = priority and began + PATIENCE or nil
  while at <= last do
    local ending, risk, err
    ending, at, risk, err = run_items(call, failure, leash, patience, values, multi, width, at,
      last, ...)
    risky = risky or risk
    if ending == "failed" then
      failed = failed or {}
      -- a handler that failed itself leaves a bare value
      failed[at] = type(err) == "table" and err.traceback and err or refused(err)
      values[at], risky = false, true
      at = at + 1
    elseif ending == "hungry" then
      local slow = math.max(err, (now() - began) / (at - 1)) > PATIENCE
      local kept = share(parts, slow, at, last, fn, leash, priority, width, ...)
      patience = kept < last and now() + PATIENCE or nil
      last = kept
    else
      break
    end
  end

  parts = parts[1] and parts
  if risky then failed = probe(values, multi, failed, last) end
  if next(multi) == nil then multi = nil end
  if not risky and not multi and last <= FLAT then
    return now() - began, false, last, nil, parts, table.unpack(values, 1, last)
  end
  return now() - began, values, multi, failed, parts
end

return chunk
