-- tidepool.map: the iterator that ex:map returns.
--
-- Items are read from the input into a batch. A batch is submitted as a chunk, and the items of a
-- chunk that is done are given out one by one. At most `buffersize` items are read ahead. Without a
-- buffersize an iterator function is read ahead by AHEAD chunks per worker, and all items of
-- sequences are submitted at once.
--
-- The iterator is a userdata (csrc/binding/lua_map_iterator.c). It stands for the state that this
-- file keeps, a table. A chunk whose items have one result each is handed to it as a *run*: then it
-- gives out items without a call of Lua code, and counts them. `settle` adds that count here.
-- A chunk that was divided returns its parts, which take its place (tidepool.map.worker).
--
-- Invariants, once the state is settled and unless it is closed:
--   * Items that were read but not given out are in `batch`, in chunks of `queue`, or in `current`.
--   * `outstanding` is the number of chunks in `queue` and `current`. `parts` counts those of them
--     that are parts.
-- A closed state refers to no future.
-- SPDX-License-Identifier: MIT

local core = require "tidepool.core"
local check = require "tidepool.check"
local chunk_size = require "tidepool.map.chunk_size"
local input = require "tidepool.map.input"
local pending_chunk = require "tidepool.map.pending_chunk"

local AHEAD = 4 -- chunks per worker that an iterator function is read ahead

local methods = core.methods.map -- the iterator's public methods
local state = {}
local State = { __name = "tidepool.map_state", __index = state }

-- ------------------------------------------------------- reading, submitting --

-- Adds a chunk to those whose futures an unordered map waits for.
local function watch(self, chunk)
  self.queue[chunk.future] = chunk
  self.group:add(chunk.future)
end

-- Submits the batch.
local function flush(self)
  local batch = self.batch
  if batch.n == 0 then return end
  self.submitting = true
  local direct = batch.n == 1 and not self.chunk_size.measures
  local chunk = pending_chunk.submit(self.job, batch, self.read - batch.n + 1, direct)
  self.submitting = false
  self.batch = input.batch(not chunk.batch and batch)
  self.outstanding = self.outstanding + 1
  if self.group then
    watch(self, chunk)
  else
    self.tail = self.tail + 1
    self.queue[self.tail] = chunk
  end
end

-- Puts the parts of a chunk at the head of the queue, in their order.
local function take_parts(self, parts)
  self.outstanding, self.parts = self.outstanding + #parts, self.parts + #parts
  for i = #parts, 1, -1 do
    if self.group then
      watch(self, parts[i])
    else
      self.head = self.head - 1
      self.queue[self.head] = parts[i]
    end
  end
end

-- Returns how many items may be read now.
local function room(self)
  if self.buffersize then return self.buffersize - (self.read - self.yielded) end
  if self.input.sequences or self.outstanding - self.parts < self.chunks_ahead then
    return math.maxinteger
  end
  return 0
end

-- Reads and submits as many items as may be read ahead.
local function fill(self)
  local from = self.input
  while not from.ended do
    local free = room(self)
    if free <= 0 then break end
    local batch = self.batch
    local size = self.chunk_size:next(self.read - batch.n)
    local count = math.min(size - batch.n, free)
    if count > 0 then self.read = self.read + from:read(batch, count) end
    if batch.n >= size or from.ended then flush(self) end
  end
end

-- Closes the input: no more items are submitted. `err` is the error that ended the map, or nil.
local function close_input(self, err)
  local from = self.input
  self.input, self.batch = nil, input.batch()
  if from then from:close(err) end
end

-- Reads on after an item was given out. An error is kept for a later step. If a submit was refused,
-- the items that were submitted before it are given out first. An error of an iterator ends the map
-- at once.
local function refill(self)
  local from = self.input
  if not from then return end
  local ok, err = pcall(fill, self)
  if ok and self.input and from.ended then ok, err = pcall(close_input, self) end
  if ok then return end
  local last = self.submitting
  local closed, raised
  if last then
    closed, raised = pcall(close_input, self, err)
  else
    err = from:explain(err, false)
    closed, raised = pcall(self.close, self, nil, err)
  end
  self.failure = { err = closed and err or raised, last = last }
end

-- ------------------------------------------------------------- giving out --

-- Returns the seconds until the map's timeout, or nil if it has none.
local function left(self)
  return self.deadline and self.deadline - core.now()
end

-- Raises kind timeout.
local function too_late(self)
  local err = core.error("timeout", ("the map is not done after %s seconds"):format(self.timeout))
  self:close(nil, err)
  error(err, 0)
end

-- Waits for the next chunk, opens it and makes it current. Returns it, or nil if none is left.
-- Raises kind timeout.
local function next_chunk(self)
  if self.outstanding == 0 and self.input then flush(self) end
  if self.outstanding == 0 then return nil end
  local chunk
  if self.group then
    if not self.group:wait(1, false, left(self)) then too_late(self) end
    local future = self.group:next()
    chunk = self.queue[future]
    self.queue[future] = nil
  else
    chunk = self.queue[self.head]
    if not chunk.future:wait(left(self)) then too_late(self) end
    self.queue[self.head] = nil
    self.head = self.head + 1
  end
  self.current = chunk
  local seconds, parts
  if self.draining then seconds, parts = chunk:judge() else seconds, parts = chunk:open() end
  if parts then take_parts(self, parts) end
  if seconds then self.chunk_size:measured(chunk.count, seconds) end
  return chunk
end

-- Returns the chunk whose next item is ready, or nil at the end. Raises the error of `refill`.
local function current(self)
  local failure = self.failure
  if failure and not (failure.last and self.outstanding > 0) then
    self.failure = nil
    self:close()
    error(failure.err, 0)
  end
  if self.closed then return nil end
  local chunk = self.current or next_chunk(self)
  if not chunk then
    self:close()
  elseif not chunk:ready(chunk.pos + 1, left(self)) then
    too_late(self)
  end
  return chunk
end

-- Counts `count` items of the current chunk as given out, and reads on.
local function advance(self, chunk, count)
  chunk.pos = chunk.pos + count
  self.yielded = self.yielded + count
  if chunk.pos == chunk.count then
    self.current = nil
    self.outstanding = self.outstanding - 1
    if chunk.part then self.parts = self.parts - 1 end
  end
  refill(self)
  if self.outstanding == 0 and not self.input and not self.failure then self:close() end
end

-- Ends the iterator's run, if any, and counts the items that it gave out.
local function settle(self, it)
  local pos = core.map_pause(it)
  if pos then
    local chunk = self.current
    self.yielded = self.yielded + pos - chunk.pos
    chunk.pos = pos
  end
end

-- Returns whether the items of a chunk but the last can be a run: each has one result, and nothing
-- has to be read after it. With a buffersize something is read after each item.
local function can_run(self, chunk)
  return chunk.pos + 1 < chunk.count and not (self.input and self.buffersize)
    and (chunk.flat or chunk:plain())
end

-- Returns the index and the results of item i of a chunk, or raises its error.
local function give(self, it, chunk, i)
  if chunk.flat then return chunk.first + i - 1, core.map_value(it, i) end
  return chunk:give(i, self)
end

-- Returns the index and the results of the next item, or nil at the end. Raises an item's error.
function state:step(it)
  settle(self, it)
  local chunk = current(self)
  if not chunk then return nil end
  local i = chunk.pos + 1
  if chunk.flat and not chunk.loaded then
    core.map_load(it, chunk.flat)
    chunk.loaded = true
  end
  if can_run(self, chunk) then
    chunk.pos = i
    self.yielded = self.yielded + 1
    core.map_run(it, chunk:plain(), i, chunk.count - 1, chunk.first - 1)
  else
    advance(self, chunk, 1)
  end
  return give(self, it, chunk, i)
end

-- Returns the first results of all items that are left, each at its item's index.
local function gather(self, it)
  local out = core.list(self.total or 0)
  while true do
    local chunk = current(self)
    if not chunk then break end
    local pos, offset = chunk.pos, chunk.first - 1
    local values = chunk:plain()
    if chunk.flat then
      if not chunk.loaded then core.map_load(it, chunk.flat) end
      core.map_move(it, pos + 1, chunk.count, out, offset)
      advance(self, chunk, chunk.count - pos)
    elseif values then
      table.move(values, pos + 1, chunk.count, offset + pos + 1, out)
      advance(self, chunk, chunk.count - pos)
    else
      local index, value = self:step(it)
      out[index] = value
    end
  end
  out.n = self.yielded
  return out
end

-- ---------------------------------------------------------------- draining --

-- Makes an ordered map give out chunks in the order of their completion from now on.
local function give_up_order(self)
  if self.group or self.closed then return end
  local queue = self.queue
  self.queue, self.group = {}, core.group()
  for i = self.head, self.tail do
    if queue[i] then watch(self, queue[i]) end
  end
end

-- Warns of a failed item whose error is not raised.
local function warn_item(item)
  core.warn(("item %d of a map failed and its error was never read"):format(item.index),
    item.trace or tostring(item.err))
end

-- Keeps the failed item with the least index, and warns of the others.
local function keep_failure(self, index, err, trace)
  local item, least = { index = index, err = err, trace = trace }, self.least
  if not least or index < least.index then self.least, item = item, least end
  if item then warn_item(item) end
end

-- Gives out the items of a chunk, and keeps only failures.
local function drain_items(self, chunk)
  for i = chunk.pos + 1, chunk.count do
    if not chunk:ready(i, left(self)) then too_late(self) end
    local ok, err = pcall(chunk.give, chunk, i, self)
    if not ok then keep_failure(self, chunk.first + i - 1, err, self.trace) end
    if chunk.broken then break end -- all items have the same error
  end
end

-- Waits for all items that are left, and keeps only failures.
local function drain(self)
  self.draining = true
  give_up_order(self)
  while true do
    local chunk = current(self)
    if not chunk then break end
    if chunk.failed then
      local i, err, trace = chunk:take_failure()
      if i then keep_failure(self, chunk.first + i - 1, err, trace) end
    elseif not (chunk.done or chunk.flat or chunk.values) then
      drain_items(self, chunk)
    end
    advance(self, chunk, chunk.count - chunk.pos)
  end
end

-- ----------------------------------------------------------------- public --

-- Returns the state of the iterator on which a method was called. Raises an error if `it` is none.
local function state_of(fname, it)
  local self = core.map_state(it)
  if not self then
    check.bad_self(fname, "tidepool.map", it)
  end
  return self
end

function methods:collect()
  local own = state_of("collect", self)
  settle(own, self)
  local ok, result = pcall(gather, own, self)
  own:close(self, not ok and result or nil)
  if not ok then error(result, 0) end
  return result
end

function methods:drain()
  local own = state_of("drain", self)
  settle(own, self)
  local ok, err = pcall(drain, own)
  local least = own.least
  own.least = nil
  if least and not ok then warn_item(least) end -- `err` is raised instead
  own:close(self, not ok and err or nil)
  if not ok then error(err, 0) end
  if least then
    own.trace = least.trace
    core.remember(least.err, least.trace)
    error(least.err, 0)
  end
  return own.yielded
end

function methods:traceback()
  return state_of("traceback", self).trace
end

function methods:close()
  state_of("close", self):close(self)
end

-- Ends the map: cancels the items that have not started. The iterator gives out nothing any more.
-- `err` is the error that ended the map, or nil.
function state:close(it, err)
  if self.closed then return end
  self.closed = true
  if it then core.map_pause(it) end
  if self.current then self.current:cancel() end
  if self.group then
    for _, chunk in pairs(self.queue) do chunk:cancel() end
    self.group:close()
  else
    for i = self.head, self.tail do
      -- a place is empty if memory ran out before a chunk was put there
      if self.queue[i] then self.queue[i]:cancel() end
    end
  end
  self.queue, self.current, self.group, self.job, self.outstanding = nil, nil, nil, nil, 0
  close_input(self, err)
end

-- Returns an iterator over the results of fn, after the first items were submitted.
-- sources: as for input.new.
return function(executor, options, fn, sources)
  local workers = executor:stats().max_workers
  local limited = options.time_limit or options.memory_limit or core.limited(executor)
  -- A limit is for a task. So an item is a task of its own, unless the script gives a chunksize.
  local chunksize = math.type(options.chunksize) == "integer" and options.chunksize or limited and 1
  local from = input.new(sources)
  local self = setmetatable({
    job = {
      executor = executor, fn = fn, options = options,
      divides = not chunksize and not core.inline(executor),
      seed = core.map_seed(executor, options.seed),
    },
    input = from, batch = input.batch(),
    buffersize = options.buffersize, chunks_ahead = AHEAD * workers,
    chunk_size = chunk_size.new(chunksize, options.buffersize, workers, from.total),
    timeout = options.timeout, deadline = options.timeout and core.now() + options.timeout,
    -- with a group, the map is unordered, and `queue` is a table from futures to their chunks
    group = options.ordered == false and core.group() or nil,
    queue = {}, head = 1, tail = 0, outstanding = 0,
    parts = 0, read = 0, yielded = 0, submitting = false, closed = false,
    total = from.total,
  }, State)
  local ok, err = pcall(function()
    fill(self)
    flush(self)
    if from.ended then close_input(self) end
  end)
  if not ok then
    if not self.submitting then
      err = from:explain(err, self.read == 0 and self.batch.n == 0)
    end
    self:close(nil, err)
    error(err, 0)
  end
  return core.map(self)
end
