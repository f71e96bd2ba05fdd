-- tidepool.map.pending_chunk: a chunk of a map's items that was submitted, until all are given out.
--
-- A chunk of one item is sent as a plain task (`direct`), unless its duration is to be measured.
-- Other chunks are run by tidepool.map.worker. Such a chunk has two promises:
--   * Once `cancel_promise` is done, no worker starts another item of the chunk.
--   * The worker begins `started` before the first item. While it is pending, no item has run.
-- So a chunk that could not be decoded in its worker is submitted again, item by item. Then only
-- the items that cannot be decoded fail, and no item runs twice. The items are kept for that as
-- `batch`, except if they are all numbers: then only the function can fail so, for every item.
--
-- A worker may have divided its chunk. Then `open` returns the pending chunks of its parts. They
-- share the cancel promise, and each has a `started` of its own.
--
-- Failures that the map does not raise are reported as warnings, as those of futures are. A future
-- that was not opened warns when it is collected (csrc/binding/lua_unseen.c). For an opened chunk,
-- the table of its failed items warns of those that are still in it.
--
-- Fields: `first` is the index of the chunk's first item in the map, `count` the number of items,
-- `pos` how many were given out. csrc/binding/lua_map_results.h has `values`, `multi`, `failed`.
-- SPDX-License-Identifier: MIT

local core = require "tidepool.core"
local input = require "tidepool.map.input"
local item_error = require "tidepool.map.item_error"

local MOST = 5 -- warnings for one chunk; one more tells how many are left out

local pending_chunk = {}
local methods = {}
local PendingChunk = { __name = "tidepool.pending_chunk", __index = methods }

-- Submits item i of the batch as a plain task. `at` is the index of the item in the map.
local function submit_item(job, batch, i, at)
  if job.seed then
    return core.submit_seeded(job.seed, at, job.executor, true, job.options, job.fn,
      input.arguments(batch, i))
  end
  return core.submit(job.executor, true, job.options, job.fn, input.arguments(batch, i))
end

-- Submits the batch. `first` is the index of its first item in the map. One promise is both
-- `cancel_promise` and `started`.
local function submit_chunk(job, batch, promise, first)
  local priority = job.divides and (job.options.priority or 0)
  if job.seed then
    return core.submit_seeded(job.seed, first, job.executor, true, job.options,
      "tidepool.map.worker.run", job.fn, promise, promise, priority, batch.n,
      batch.widths or batch.width, table.unpack(batch, 1, batch.width))
  end
  return core.submit(job.executor, true, job.options, "tidepool.map.worker.run", job.fn, promise,
    promise, priority, batch.n, batch.widths or batch.width, table.unpack(batch, 1, batch.width))
end

-- Warns of the failed items of a chunk. `first` is the index of the chunk's first item.
local function warn_of(failed, first)
  local at = {}
  for i in pairs(failed) do
    if math.type(i) == "integer" then at[#at + 1] = i end
  end
  table.sort(at)
  for k = 1, math.min(#at, MOST) do
    core.warn(("item %d of a map failed and its error was never read"):format(first + at[k] - 1),
      failed[at[k]].traceback)
  end
  if #at > MOST then
    core.warn(("%d more items of a map failed and their errors were never read"):format(#at - MOST),
      ("up to item %d"):format(first + at[#at] - 1))
  end
end

local Failed = { __gc = function(failed) warn_of(failed, failed.first) end }

-- Makes `failed` warn of the failures that are in it when it is collected. It is the table that a
-- worker returned, or nil. Failures that the map raises are removed from it. Returns it.
local function warn_when_collected(failed, first)
  if not failed then return nil end
  failed.first = first
  return setmetatable(failed, Failed)
end

-- Submits a batch, whose first item has the index `first`. Returns its pending chunk.
-- job: { executor, fn, options, divides, seed }. `divides` says whether workers may divide chunks;
-- `seed` is what core.map_seed returned, or nil.
-- Raises the errors of the submit, which name items instead of the task's arguments.
function pending_chunk.submit(job, batch, first, direct)
  local self = setmetatable({ first = first, count = batch.n, pos = 0, direct = direct },
    PendingChunk)
  local ok, future
  if direct then
    ok, future = pcall(submit_item, job, batch, 1, first)
  else
    local promise = core.future()
    self.cancel_promise, self.started, self.job = promise, promise, job
    if not (batch.numbers and type(job.fn) == "function") then self.batch = batch end
    ok, future = pcall(submit_chunk, job, batch, promise, first)
  end
  if not ok then error(item_error.from_submit(future, first, direct, batch.width), 0) end
  self.future = future
  core.own(future, self)
  return self
end

-- Cancels the items that have not started.
function methods:cancel()
  if self.future then self.future:cancel() end
  local promise = self.cancel_promise
  if promise and not promise:cancel() and not promise:done() then promise:set_result() end
  for _, future in pairs(self.singles or {}) do future:cancel() end
end

-- Submits each item as a plain task, after the chunk failed before its first item.
local function submit_again(self)
  self.singles = {}
  for i = 1, self.count do
    local ok, future = pcall(submit_item, self.job, self.batch, i, self.first + i - 1)
    if not ok then
      local err = future
      future = core.future()
      future:set_exception(err)
    end
    core.own(future, { first = self.first + i - 1, direct = true })
    self.singles[i] = future
  end
end

-- Returns the pending chunks of a chunk's parts, in order. The chunk keeps the items before them.
local function pending_parts(self, parts)
  local pending, own = {}, self.count
  for _, part in ipairs(parts) do own = own - part.count end
  local before = own
  for i, part in ipairs(parts) do
    pending[i] = setmetatable({
      first = self.first + before, count = part.count, pos = 0, future = part.future, part = true,
      cancel_promise = self.cancel_promise, started = part.started, job = self.job,
      batch = part.batch or input.part(self.batch, before + 1, part.count),
    }, PendingChunk)
    core.own(part.future, pending[i])
    before = before + part.count
  end
  self.count = own
  return pending
end

-- Takes the error of a chunk that failed as a whole.
local function fail(self, err, traceback)
  local kind = core.error_kind(err)
  if self.batch and self.started:status() == "pending" and (not kind or kind == "transfer") then
    submit_again(self)
  else
    self.err, self.broken, self.traceback = err, true, traceback
  end
end

-- Takes the outcome of the chunk's future, as core.map_unpack returns it. Returns the seconds that
-- the chunk took, and the pending chunks of its parts or nil; nil if it failed.
local function take(self, future, ok, seconds, values, multi, failed, parts)
  if not ok then
    fail(self, seconds, future:traceback())
    return nil
  end
  self.values, self.multi = values, multi
  self.failed = warn_when_collected(failed, self.first)
  return seconds, parts and pending_parts(self, parts)
end

-- Releases the objects that the chunk needed until its future was done.
local function forget_job(self)
  self.cancel_promise, self.started, self.job, self.batch = nil, nil, nil, nil
end

-- Takes the outcome of the chunk's future, which is done. Returns the seconds that the chunk took,
-- or nil if they were not measured, and the pending chunks of its parts, in order, or nil. Flat
-- results stay in the future (field `flat`) until the map's iterator reads them.
function methods:open()
  local future = self.future
  self.future = nil
  if self.direct then
    self.row = table.pack(future:pcall())
    if not self.row[1] then self.traceback = future:traceback() end
    return nil
  end
  local seconds, parts = core.map_flat(future), nil
  if seconds then
    self.flat = future
  else
    seconds, parts = take(self, future, core.map_unpack(future:pcall()))
  end
  forget_job(self)
  return seconds, parts
end

-- Warns of the items that failed in a chunk and in its parts. It is called when the chunk's future,
-- which is done and was never opened, is collected.
local function warn_unopened(self, future)
  local ok, err, _, _, failed, parts = core.map_unpack(future:pcall())
  if not ok then
    core.warn(("items %d to %d of a map failed and their errors were never read"):format(
      self.first, self.first + self.count - 1), future:traceback() or tostring(err))
    return
  end
  if failed then warn_of(failed, self.first) end
  local own = self.count
  for _, part in ipairs(parts or {}) do own = own - part.count end
  local first = self.first + own
  for _, part in ipairs(parts or {}) do
    if part.future:done() and not part.future:cancelled() then
      warn_unopened({ first = first, count = part.count }, part.future)
    end
    first = first + part.count
  end
end

core.on_unseen(warn_unopened)

-- Returns whether item i can be given out. Waits at most `left` seconds for an item that was
-- submitted again.
function methods:ready(i, left)
  return not self.singles or self.singles[i]:wait(left)
end

-- Returns the list of results if every item has just one, else nil.
function methods:plain()
  return not self.multi and not self.failed and self.values or nil
end

-- Does the same as `open` for a map without results: if no item failed, nothing is decoded.
-- Returns the same as `open`. The field `done` is then set: the chunk has no failures.
function methods:judge()
  local failed, more, seconds = core.peek(self.future)
  if failed or more then return self:open() end
  core.drop(self.future)
  self.done, self.future = true, nil
  forget_job(self)
  return not self.direct and seconds or nil
end

-- Removes the first failed item after those that were given out. Returns its place in the chunk,
-- its error and its traceback, or nil. The chunk has `failed`.
function methods:take_failure()
  local least
  for i in pairs(self.failed) do
    if math.type(i) == "integer" and i > self.pos and i < (least or math.huge) then least = i end
  end
  local failed = self.failed[least]
  if not failed then return nil end
  self.failed[least] = nil
  return least, failed.err, failed.traceback
end

-- Returns the index and the results of an item that was a task of its own, or raises its error.
-- row: the packed results of the future's `pcall`. See methods:give.
local function give_row(index, row, reader, traceback)
  if row[1] then return index, table.unpack(row, 2, row.n) end
  reader.trace = traceback
  error(row[2], 0)
end

-- Returns the index and the results of item i, or raises its error. The traceback of an error is
-- put into the field `trace` of `reader`. The chunk is open and has no flat results.
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
    self.failed[i] = nil
    reader.trace = failed.traceback
    core.remember(failed.err, failed.traceback)
    error(failed.err, 0)
  end
  return index, core.map_row(self.values, self.multi, i)
end

return pending_chunk
