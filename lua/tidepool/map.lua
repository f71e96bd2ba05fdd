-- tidepool.map: the iterator that ex:map returns.
--
-- Items are read from their source into a batch, a batch is submitted as a chunk (a ticket), and a
-- chunk's items are given out one by one. What is read ahead is bounded by `buffersize` items, or
-- for iterator functions by AHEAD chunks per worker; sequences without a buffersize are submitted
-- at the call.
--
-- The iterator is a userdata (lua_map.c) that stands for the state here. A chunk whose items have
-- one result each is given to it as a *run*, of which it counts what it gives; `settle` takes that
-- over. A chunk that was split answers with the tickets of its parts, which take its place.
--
-- Invariants: the read - yielded items are in the batch, in `queue`, or in `current`, once settled.
-- `outstanding` counts the tickets in `queue` and `current`, `parts` those of them that are parts.
-- Once closed, no future is referred to.
-- SPDX-License-Identifier: MIT

local core = require "tidepool.core"
local check = require "tidepool.check"
local source = require "tidepool.source"
local sizes = require "tidepool.sizes"
local ticket = require "tidepool.ticket"

local AHEAD = 4 -- chunks per worker that an iterator function is read ahead

local methods = core.methods.map -- of the iterator
local state = {}
local State = { __name = "tidepool.map_state", __index = state }

-- ------------------------------------------------------- reading, submitting --

-- Unordered: a ticket whose future is to be waited for.
local function watch(self, chunk)
  self.queue[chunk.future] = chunk
  self.group:add(chunk.future)
end

-- Submits the batch.
local function flush(self)
  local batch = self.batch
  if batch.n == 0 then return end
  self.submitting = true
  local direct = batch.n == 1 and not self.sizes.measures
  local chunk = ticket.submit(self.job, batch, self.read - batch.n + 1, direct)
  self.submitting = false
  self.batch = source.batch(not chunk.batch and batch)
  self.outstanding = self.outstanding + 1
  if self.group then
    watch(self, chunk)
  else
    self.tail = self.tail + 1
    self.queue[self.tail] = chunk
  end
end

-- The parts of a chunk that was split are next, in their order.
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

-- How many items may be read now.
local function room(self)
  if self.buffersize then return self.buffersize - (self.read - self.yielded) end
  if self.source.sequences or self.outstanding - self.parts < self.chunks_ahead then
    return math.maxinteger
  end
  return 0
end

-- Reads and submits as far ahead as allowed.
local function fill(self)
  local from = self.source
  while not from.ended do
    local free = room(self)
    if free <= 0 then break end
    local batch = self.batch
    local size = self.sizes:next(self.read - batch.n)
    local count = math.min(size - batch.n, free)
    if count > 0 then self.read = self.read + from:read(batch, count) end
    if batch.n >= size or from.ended then flush(self) end
  end
end

-- No more items will be submitted. `err` is why, if it is an error.
local function forget_source(self, err)
  local from = self.source
  self.source, self.batch = nil, source.batch()
  if from then from:close(err) end
end

-- After an item was given out: reads on. An error is kept for a later step; what was submitted
-- before a refused submit is given out first, while an error of an iterator ends the map.
local function refill(self)
  local from = self.source
  if not from then return end
  local ok, err = pcall(fill, self)
  if ok and self.source and from.ended then ok, err = pcall(forget_source, self) end
  if ok then return end
  local last = self.submitting
  local closed, raised
  if last then
    closed, raised = pcall(forget_source, self, err)
  else
    err = from:explain(err, false)
    closed, raised = pcall(self.close, self, nil, err)
  end
  self.failure = { err = closed and err or raised, last = last }
end

-- ------------------------------------------------------------- giving out --

-- The seconds that may still be waited, or nil for forever.
local function left(self)
  return self.deadline and self.deadline - core.now()
end

local function too_late(self)
  local err = core.error("timeout", ("the map is not done after %s seconds"):format(self.timeout))
  self:close(nil, err)
  error(err, 0)
end

-- Waits for the next chunk and makes it current; nil if none is left. Raises kind timeout.
local function next_chunk(self)
  if self.outstanding == 0 and self.source then flush(self) end
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
  if seconds then self.sizes:measured(chunk.count, seconds) end
  return chunk
end

-- The chunk whose next item is ready, or nil at the end; raises what a refill ran into.
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

-- `count` items of the current chunk are given out.
local function advance(self, chunk, count)
  chunk.pos = chunk.pos + count
  self.yielded = self.yielded + count
  if chunk.pos == chunk.count then
    self.current = nil
    self.outstanding = self.outstanding - 1
    if chunk.part then self.parts = self.parts - 1 end
  end
  refill(self)
  if self.outstanding == 0 and not self.source and not self.failure then self:close() end
end

-- Takes over from the iterator, which may have given items of a run.
local function settle(self, it)
  local pos = core.map_pause(it)
  if pos then
    local chunk = self.current
    self.yielded = self.yielded + pos - chunk.pos
    chunk.pos = pos
  end
end

-- Whether the items of a chunk but the last need nothing but to be given: no reading on, which
-- else must be done for each (with a buffersize) or at the end of a chunk.
local function runs(self, chunk)
  return chunk.pos + 1 < chunk.count and not (self.source and self.buffersize)
    and (chunk.flat or chunk:plain())
end

-- Item i of a chunk.
local function give(self, it, chunk, i)
  if chunk.flat then return chunk.first + i - 1, core.map_value(it, i) end
  return chunk:give(i, self)
end

-- The next item: its index and results, nil at the end, or its error.
function state:step(it)
  settle(self, it)
  local chunk = current(self)
  if not chunk then return nil end
  local i = chunk.pos + 1
  if chunk.flat and not chunk.loaded then
    core.map_load(it, chunk.flat)
    chunk.loaded = true
  end
  if runs(self, chunk) then
    chunk.pos = i
    self.yielded = self.yielded + 1
    core.map_run(it, chunk:plain(), i, chunk.count - 1, chunk.first - 1)
  else
    advance(self, chunk, 1)
  end
  return give(self, it, chunk, i)
end

-- The first results of all that is left, each at its item's index.
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

-- What is left comes as it is done from now on: nothing has to wait for items before it.
local function disorder(self)
  if self.group or self.closed then return end
  local queue = self.queue
  self.queue, self.group = {}, core.group()
  for i = self.head, self.tail do
    if queue[i] then watch(self, queue[i]) end
  end
end

-- Warns of a failed item that is not raised.
local function warn_item(item)
  core.warn(("item %d of a map failed and nobody looked at it"):format(item.index),
    item.trace or tostring(item.err))
end

-- An item failed: the least of all is kept, the others are warned of.
local function keep_failure(self, index, err, trace)
  local item, least = { index = index, err = err, trace = trace }, self.least
  if not least or index < least.index then self.least, item = item, least end
  if item then warn_item(item) end
end

-- Gives out item by item, and keeps the failures only.
local function drain_items(self, chunk)
  for i = chunk.pos + 1, chunk.count do
    if not chunk:ready(i, left(self)) then too_late(self) end
    local ok, err = pcall(chunk.give, chunk, i, self)
    if not ok then keep_failure(self, chunk.first + i - 1, err, self.trace) end
    if chunk.broken then break end -- the same error for all of them
  end
end

-- Runs through what is left.
local function drain(self)
  self.draining = true
  disorder(self)
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

-- The state of the iterator on which a method was called.
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
  if least and not ok then warn_item(least) end -- what ended the map is raised
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

-- Cancels what has not started; the iterator gives nothing from now on. `err` is why, if it is an
-- error.
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
      if self.queue[i] then self.queue[i]:cancel() end -- none where memory ran out meanwhile
    end
  end
  self.queue, self.current, self.group, self.job, self.outstanding = nil, nil, nil, nil, 0
  forget_source(self, err)
end

-- A new iterator over fn's results; its first items are submitted. `inputs` as for source.new.
return function(executor, options, fn, inputs)
  local workers = executor:stats().max_workers
  local limited = options.time_limit or options.memory_limit or core.limited(executor)
  -- limits are for a task: unless the caller makes it one of several items, for an item
  local chunksize = math.type(options.chunksize) == "integer" and options.chunksize or limited and 1
  local from = source.new(inputs)
  local self = setmetatable({
    job = {
      executor = executor, fn = fn, options = options,
      splits = not chunksize and not core.inline(executor),
      seed = core.map_seed(executor, options.seed),
    },
    source = from, batch = source.batch(),
    buffersize = options.buffersize, chunks_ahead = AHEAD * workers,
    sizes = sizes.new(chunksize, options.buffersize, workers, from.total),
    timeout = options.timeout, deadline = options.timeout and core.now() + options.timeout,
    group = options.ordered == false and core.group() or nil,
    queue = {}, head = 1, tail = 0, outstanding = 0, -- unordered, queue maps a future to its ticket
    parts = 0, read = 0, yielded = 0, submitting = false, closed = false,
    total = from.total,
  }, State)
  local ok, err = pcall(function()
    fill(self)
    flush(self)
    if from.ended then forget_source(self) end
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
