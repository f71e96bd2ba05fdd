-- tidepool.ticket: a submitted chunk of a map's items, as its owner sees it.
--
-- One item goes as a plain task (`direct`), unless its time is to be measured; more go through
-- tidepool.chunk. Such a chunk has a leash, a future that the worker begins before the first item:
-- while it is pending no item has run, and once it is done the worker stops before its next item.
-- So a chunk that could not be rebuilt in its worker is submitted again item by item, which fails
-- only those items that cannot be rebuilt, and nothing runs twice.
-- SPDX-License-Identifier: MIT

local core = require "tidepool.core"
local source = require "tidepool.source"
local complaint = require "tidepool.complaint"

local ticket = {}
local methods = {}
local Ticket = { __name = "tidepool.ticket", __index = methods }

local function submit_item(job, batch, i)
  return core.submit(job.executor, true, job.priority, job.name, job.fn,
    source.arguments(batch, i))
end

local function submit_chunk(job, batch, leash)
  return core.submit(job.executor, true, job.priority, job.name, "tidepool.chunk.run", job.fn,
    leash, batch.n, batch.widths or batch.width, table.unpack(batch, 1, batch.width))
end

-- Submits a batch. job: { executor, fn, priority, name }; `first` is the index of its first item.
-- Raises what the submit raises, but names items instead of the chunk's arguments.
function ticket.submit(job, batch, first, direct)
  local self = setmetatable({ first = first, count = batch.n, pos = 0, direct = direct }, Ticket)
  local ok, future
  if direct then
    ok, future = pcall(submit_item, job, batch, 1)
  else
    self.leash, self.job, self.batch = core.future(), job, batch
    ok, future = pcall(submit_chunk, job, batch, self.leash)
  end
  if not ok then error(complaint.about(future, first, direct, batch.width), 0) end
  self.future = future
  return self
end

-- Cancels what has not started.
function methods:cancel()
  if self.future then self.future:cancel() end
  if self.leash and not self.leash:cancel() and not self.leash:done() then
    self.leash:set_result()
  end
  for _, future in pairs(self.singles or {}) do future:cancel() end
end

-- Submits each item by itself, for a chunk that never began.
local function submit_again(self)
  self.singles = {}
  for i = 1, self.count do
    local ok, future = pcall(submit_item, self.job, self.batch, i)
    if not ok then
      local err = future
      future = core.future()
      future:set_exception(err)
      future:exception() -- looked at: no warning
    end
    self.singles[i] = future
  end
end

-- After the future is done: takes its outcome. Answers the seconds that a chunk took, else nil.
function methods:open()
  local future = self.future
  self.future = nil
  if self.direct then
    self.row = table.pack(future:pcall())
    if not self.row[1] then self.traceback = future:traceback() end
    return nil
  end
  local ok, seconds, values, multi, failed = future:pcall()
  if ok then
    self.values, self.multi, self.failed = values, multi, failed
  else
    local kind = core.error_kind(seconds)
    if self.leash:status() == "pending" and (not kind or kind == "transfer") then
      submit_again(self)
    else
      self.err, self.broken, self.traceback = seconds, true, future:traceback()
    end
  end
  self.leash, self.job, self.batch = nil, nil, nil
  return ok and seconds or nil
end

-- Whether item i can be given out; waits `left` seconds at most for one that was submitted again.
function methods:ready(i, left)
  return not self.singles or self.singles[i]:wait(left)
end

-- The first results as a list, if every item has just one; else nil.
function methods:plain()
  return not self.multi and not self.failed and self.values or nil
end

local function give_row(index, row, reader, traceback)
  if row[1] then return index, table.unpack(row, 2, row.n) end
  reader.trace = traceback
  error(row[2], 0)
end

-- Item i of the chunk: its index and its results; raises its error, and puts its traceback into
-- the field `trace` of `reader`.
function methods:give(i, reader)
  local index = self.first + i - 1
  if self.direct then
    return give_row(index, self.row, reader, self.traceback)
  elseif self.singles then
    local future = self.singles[i]
    self.singles[i] = nil
    return give_row(index, table.pack(future:pcall()), reader, future:traceback())
  elseif self.broken then
    reader.trace = self.traceback
    error(self.err, 0)
  end
  local failed = self.failed and self.failed[i]
  if failed then
    reader.trace = failed.traceback
    error(failed.err, 0)
  end
  local multi = self.multi and self.multi[i]
  if not multi then return index, self.values[i] end
  if multi == 0 then return index end
  return index, table.unpack(multi, 1, multi.n)
end

return ticket
