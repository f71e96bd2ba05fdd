-- tidepool.ticket: a submitted chunk of a map's items, as its owner sees it.
--
-- One item goes as a plain task (`direct`), unless its time is to be measured; more go through
-- tidepool.chunk. Such a chunk has a leash, a promise: once it is done, no worker begins another
-- of its items. And it has `begun`, a promise that the worker begins before the first item: while
-- it is pending no item has run. So a chunk that could not be rebuilt in its worker is submitted
-- again item by item, which fails only those items that cannot be rebuilt, and nothing runs twice.
-- (Of a chunk of numbers nothing but the function can fail so, and then it would for each item: its
-- `batch` is not kept.)
--
-- A worker may give a part of its chunk to another one; then its answer says so, and `open` makes
-- tickets for the parts. They share the leash, each has a `begun` of its own.
--
-- Failures that the map never raises are warned of like those of futures. A future that was not
-- opened warns when it is collected (lua_unseen.c). The table of the items that failed in an opened
-- chunk does so for those that it still has.
-- SPDX-License-Identifier: MIT

local core = require "tidepool.core"
local source = require "tidepool.source"
local complaint = require "tidepool.complaint"

local MOST = 5 -- warnings of a chunk; then only how many more there are

local ticket = {}
local methods = {}
local Ticket = { __name = "tidepool.ticket", __index = methods }

-- `at` is the index of the item in the map.
local function submit_item(job, batch, i, at)
  if job.seed then
    return core.submit_seeded(job.seed, at, job.executor, true, job.options, job.fn,
      source.arguments(batch, i))
  end
  return core.submit(job.executor, true, job.options, job.fn,
    source.arguments(batch, i))
end

-- `first` is the index of its first item.
local function submit_chunk(job, batch, leash, first)
  if job.seed then
    return core.submit_seeded(job.seed, first, job.executor, true, job.options,
      "tidepool.chunk.run", job.fn, leash, leash, job.splits and (job.options.priority or 0),
      batch.n, batch.widths or batch.width, table.unpack(batch, 1, batch.width))
  end
  return core.submit(job.executor, true, job.options, "tidepool.chunk.run", job.fn,
    leash, leash, job.splits and (job.options.priority or 0), batch.n, batch.widths or batch.width,
    table.unpack(batch, 1, batch.width))
end

-- Warns of the items in `failed`, a chunk's, whose first item has the index `first`.
local function warn_of(failed, first)
  local at = {}
  for i in pairs(failed) do
    if math.type(i) == "integer" then at[#at + 1] = i end
  end
  table.sort(at)
  for k = 1, math.min(#at, MOST) do
    core.warn(("item %d of a map failed and nobody looked at it"):format(first + at[k] - 1),
      failed[at[k]].traceback)
  end
  if #at > MOST then
    core.warn(("%d more items of a map failed and nobody looked at them"):format(#at - MOST),
      ("up to item %d"):format(first + at[#at] - 1))
  end
end

local Failed = { __gc = function(failed) warn_of(failed, failed.first) end }

-- The failed items of a chunk that was opened, as the worker told them. Those that are raised are
-- taken out.
local function watch(failed, first)
  if not failed then return nil end
  failed.first = first
  return setmetatable(failed, Failed)
end

-- Submits a batch. job: { executor, fn, options, splits, seed }, where `splits` says whether
-- workers may share a chunk, and `seed` is core.map_seed's or nil; `first` is the index of its
-- first item. Raises what the submit raises, but names items instead of the chunk's arguments.
function ticket.submit(job, batch, first, direct)
  local self = setmetatable({ first = first, count = batch.n, pos = 0, direct = direct }, Ticket)
  local ok, future
  if direct then
    ok, future = pcall(submit_item, job, batch, 1, first)
  else
    local leash = core.future()
    self.leash, self.begun, self.job = leash, leash, job
    if not (batch.numbers and type(job.fn) == "function") then self.batch = batch end
    ok, future = pcall(submit_chunk, job, batch, leash, first)
  end
  if not ok then error(complaint.about(future, first, direct, batch.width), 0) end
  self.future = future
  core.own(future, self)
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

-- The tickets of a chunk's parts that other workers have, in order; the rest is its own.
local function tickets_of(self, parts)
  local tickets, own = {}, self.count
  for _, part in ipairs(parts) do own = own - part.count end
  local before = own
  for i, part in ipairs(parts) do
    tickets[i] = setmetatable({
      first = self.first + before, count = part.count, pos = 0, future = part.future, part = true,
      leash = self.leash, begun = part.begun, job = self.job,
      batch = part.batch or source.part(self.batch, before + 1, part.count),
    }, Ticket)
    core.own(part.future, tickets[i])
    before = before + part.count
  end
  self.count = own
  return tickets
end

-- Takes what tidepool.chunk.run answered; the tickets of the chunk's parts, if any.
local function take(self, values, multi, failed, parts, ...)
  if values == false then -- flat, but with parts
    self.values = { ... }
  else
    self.values, self.multi, self.failed = values, multi, watch(failed, self.first)
  end
  return parts and tickets_of(self, parts)
end

-- The chunk as a whole has no outcome.
local function fail(self, err, traceback)
  local kind = core.error_kind(err)
  if self.batch and self.begun:status() == "pending" and (not kind or kind == "transfer") then
    submit_again(self)
  else
    self.err, self.broken, self.traceback = err, true, traceback
  end
end

-- The seconds that the chunk took, and the tickets of its parts.
local function outcome(self, future, ok, seconds, ...)
  if ok then return seconds, take(self, ...) end
  fail(self, seconds, future:traceback())
end

-- After the future is done: takes its outcome. Answers the seconds that a chunk took, else nil;
-- and the tickets of its parts, in order, if it was split. A flat answer stays in the future
-- (field `flat`) until the map's iterator reads it.
function methods:open()
  local future = self.future
  self.future = nil
  if self.direct then
    self.row = table.pack(future:pcall())
    if not self.row[1] then self.traceback = future:traceback() end
    return nil
  end
  local seconds, tickets = core.flat(future), nil
  if seconds then
    self.flat = future
  else
    seconds, tickets = outcome(self, future, future:pcall())
  end
  self.leash, self.begun, self.job, self.batch = nil, nil, nil, nil
  return seconds, tickets
end

-- Of a ticket that its map never opened, and whose future, which is done, is collected: warns of
-- what failed in its chunk and in its parts.
local function take_apart(self, future)
  local ok, err, _, _, failed, parts = future:pcall()
  if not ok then
    core.warn(("items %d to %d of a map failed and nobody looked at them"):format(
      self.first, self.first + self.count - 1), future:traceback() or tostring(err))
    return
  end
  if failed then warn_of(failed, self.first) end
  local own = self.count
  for _, part in ipairs(parts or {}) do own = own - part.count end
  local first = self.first + own
  for _, part in ipairs(parts or {}) do
    if part.future:done() and not part.future:cancelled() then
      take_apart({ first = first, count = part.count }, part.future)
    end
    first = first + part.count
  end
end

core.on_unseen(take_apart)

-- Whether item i can be given out; waits `left` seconds at most for one that was submitted again.
function methods:ready(i, left)
  return not self.singles or self.singles[i]:wait(left)
end

-- The first results as a list, if every item has just one; else nil.
function methods:plain()
  return not self.multi and not self.failed and self.values or nil
end

-- What `open` does, for a map that wants no results: those that are all right are not decoded.
-- Answers the same; `done` says that there is nothing to look at in it.
function methods:judge()
  local failed, more, seconds = core.peek(self.future)
  if failed or more then return self:open() end
  core.drop(self.future)
  self.done, self.future = true, nil
  self.leash, self.begun, self.job, self.batch = nil, nil, nil, nil
  return not self.direct and seconds or nil
end

-- The least failed item behind those given, in a chunk whose items have failed; the others stay to
-- be warned of. Its place, error and traceback, or nil.
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

local function give_row(index, row, reader, traceback)
  if row[1] then return index, table.unpack(row, 2, row.n) end
  reader.trace = traceback
  error(row[2], 0)
end

-- Item i of the chunk, which is not flat: its index and its results; raises its error, and puts its
-- traceback into the field `trace` of `reader`.
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
  local multi = self.multi and self.multi[i]
  if not multi then return index, self.values[i] end
  if multi == 0 then return index end
  return index, table.unpack(multi, 1, multi.n)
end

return ticket
