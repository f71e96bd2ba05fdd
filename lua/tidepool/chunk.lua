-- tidepool.chunk: runs a chunk of a map's items inside a worker.
--
-- Submitted as a task like any other. Each item has a protected call of its own, so one that fails
-- leaves the others alone. The answer is compact: an item's single result lies in a plain
-- sequence; other counts of results, and failures, lie in side tables, there only if needed.
-- SPDX-License-Identifier: MIT

local core = require "tidepool.core"

local future = core.methods.future
local begin, done = future.set_running_or_notify_cancel, future.done
local sendable, now = core.sendable, core.now
local select, type, xpcall = select, type, xpcall
local pack, unpack = table.pack, table.unpack

local chunk = {}

-- Types whose values can always be sent.
local plain = { ["nil"] = true, boolean = true, number = true, string = true }

-- The function that a map was given: itself, or by its name.
local function resolve(fn)
  if type(fn) == "function" then return fn end
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

-- Message handler: the error and where it was raised, as one value.
local function failure(err)
  return { err = err, traceback = debug.traceback(message_of(err), 2) }
end

-- What an item failed with if its results or its error cannot be sent.
local function refused(err)
  return { err = err, traceback = message_of(err) }
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
      ok, err = sendable(unpack(multi[i], 1, multi[i].n))
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

-- Calls fn for `count` items; item i's arguments are the i-th of each column. `width` is how many
-- arguments each item has, or a table of that per item. Stops early once `leash` is done: no one
-- will look. Answers the seconds it took, the first results, and two side tables or nil:
-- multi[i] = 0 or the packed results, failed[i] = { err =, traceback = }.
function chunk.run(fn, leash, count, width, ...)
  local began = now()
  local columns = { ... }
  local a, b = columns[1], columns[2]
  local widths = type(width) == "table" and width
  local values, multi, failed = {}, {}, nil
  local risky = false -- something is there that may not be sendable
  fn = resolve(fn)
  if not begin(leash) then return end

  local function keep(i, ok, ...)
    local first = ...
    if not ok then
      failed = failed or {}
      -- a handler that failed itself leaves a bare value
      failed[i] = type(first) == "table" and first.traceback and first or refused(first)
      values[i] = false
      risky = true
      return
    end
    local n = select("#", ...)
    if n == 1 then
      values[i] = first
      if not plain[type(first)] then risky = true end
    else
      values[i] = false
      multi[i] = n == 0 and 0 or pack(...)
      risky = risky or n > 0
    end
  end

  for i = 1, count do
    if done(leash) then break end
    local w = widths and widths[i] or width
    if w == 1 then
      keep(i, xpcall(fn, failure, a[i]))
    elseif w == 2 then
      keep(i, xpcall(fn, failure, a[i], b[i]))
    else
      local row = {}
      for c = 1, w do row[c] = columns[c][i] end
      keep(i, xpcall(fn, failure, unpack(row, 1, w)))
    end
  end

  if risky then failed = probe(values, multi, failed, count) end
  if next(multi) == nil then multi = nil end
  return now() - began, values, multi, failed
end

return chunk
