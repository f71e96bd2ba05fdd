-- tidepool.source: reads the items of a map's inputs into batches.
--
-- Inputs are sequences and iterator functions, zipped; the shortest ends them all, and an input is
-- not read once one before it has ended. A batch holds its items as columns, one per argument, so
-- that equal types lie side by side: { n = items, width = arguments per item, [column] = list }.
-- Where items differ in width, `widths` has each one's and `width` is the greatest. `numbers`: it
-- is known to hold nothing but numbers, booleans and nil.
-- SPDX-License-Identifier: MIT

local core = require "tidepool.core"
local iter = require "tidepool.iter"

local select = select

local HERE = debug.getinfo(1, "S").short_src .. ":"

local source = {}
local methods = {}
local Source = { __name = "tidepool.source", __index = methods }

-- inputs: a list of { kind = "sequence" | "function", value =, last = of a sequence its length }.
function source.new(inputs)
  local self = { inputs = inputs, pos = 0, total = math.maxinteger, ended = false }
  self.sequences = true -- nothing but sequences: `total` is known
  for _, input in ipairs(inputs) do
    if input.kind == "sequence" then
      self.total = math.min(self.total, input.last)
    else
      self.sequences = false
    end
  end
  if not self.sequences then self.total = nil end
  return setmetatable(self, Source)
end

-- An empty batch. The columns of `spare`, a batch that nobody needs any more, may be used again:
-- memory that was touched already is the cheapest.
function source.batch(spare)
  return { n = 0, width = 0, spare = spare and { n = spare.n, table.unpack(spare) } }
end

-- Appends `row`, which has `width` values, as an item.
local function append(batch, row, width)
  local n = batch.n + 1
  if n == 1 then
    batch.width = width
  elseif width ~= batch.width or batch.widths then
    local widths = batch.widths
    if not widths then
      widths = {}
      for i = 1, n - 1 do widths[i] = batch.width end
      batch.widths = widths
    end
    widths[n] = width
    if width > batch.width then batch.width = width end
  end
  for c = 1, width do
    local column = batch[c]
    if not column then
      column = {}
      batch[c] = column
    end
    column[n] = row[c]
  end
  batch.n = n
end

-- Puts an iterator's values behind the `width` that row has: the new width, or nil at its end.
local function take(row, width, ...)
  local first = ...
  if first == nil then return nil end
  local n = select("#", ...)
  row[width + 1] = first
  for i = 2, n do row[width + i] = (select(i, ...)) end
  return width + n
end

-- One item: its values and their number, or nil at the end.
local function read_row(self)
  local row, width = {}, 0
  local pos = self.pos + 1
  for i, input in ipairs(self.inputs) do
    if input.kind == "function" then
      local iterator = input.value
      if pos == 1 then self.first_call = i end
      width = take(row, width, iterator())
      self.first_call = nil
      if not width then return nil end
    elseif pos > input.last then
      return nil
    else
      width = width + 1
      row[width] = input.value[pos]
    end
  end
  self.pos = pos
  return row, width
end

local function read_slices(self, batch, count)
  local from, n = self.pos + 1, batch.n
  local spare = batch.spare
  if spare and (spare.n ~= count or n > 0) then spare = nil end
  batch.numbers = n == 0
  for c, input in ipairs(self.inputs) do
    if n == 0 then
      local numbers
      batch[c], numbers = core.slice(input.value, from, count, spare and spare[c])
      batch.numbers = batch.numbers and numbers
    else
      table.move(input.value, from, from + count - 1, n + 1, batch[c])
    end
  end
  batch.n, batch.width, batch.spare = n + count, #self.inputs, nil
  self.pos = self.pos + count
end

-- Appends what one call of the only input gave: false at its end.
local function append_values(batch, first, ...)
  if first == nil then return false end
  local n = batch.n
  if n > 0 and batch.width == 1 and not batch.widths and select("#", ...) == 0 then
    batch[1][n + 1] = first
    batch.n = n + 1
  else
    append(batch, { first, ... }, select("#", ...) + 1)
  end
  return true
end

-- One iterator function, the common case: up to `count` items, how many.
local function read_function(self, batch, count)
  local iterator = self.inputs[1].value
  for i = 1, count do
    if not append_values(batch, iterator()) then
      self.ended = true
      return i - 1
    end
  end
  return count
end

-- Closes what came to be closed with an iterator; `err` is why, if it is an error.
function methods:close(err)
  for _, input in ipairs(self.inputs) do iter.close(input.value, err) end
end

-- What a script sees of an error that reading raised. `first`: no item was read before.
function methods:explain(err, first)
  local i = first and (self.first_call or #self.inputs == 1 and 1)
  return iter.explain(err, HERE, i and self.inputs[i].value, i and i + 1, "map")
end

-- Reads up to `count` items into the batch; answers how many. At the end `ended` is set.
function methods:read(batch, count)
  if self.sequences then
    count = math.min(count, self.total - self.pos)
    if count > 0 then read_slices(self, batch, count) end
    self.ended = self.pos >= self.total
    return count
  elseif #self.inputs == 1 then
    return read_function(self, batch, count)
  end
  for i = 1, count do
    local row, width = read_row(self)
    if not row then
      self.ended = true
      return i - 1
    end
    append(batch, row, width)
  end
  return count
end

-- `count` items from item `first` of a batch on, as a batch.
function source.part(batch, first, count)
  local part = { n = count, width = batch.width }
  local columns = table.move(batch, 1, batch.width, 1, {})
  columns.widths = batch.widths
  for name, column in pairs(columns) do
    part[name] = table.move(column, first, first + count - 1, 1, {})
  end
  return part
end

-- The arguments of item i of a batch.
function source.arguments(batch, i)
  local row = {}
  local width = batch.widths and batch.widths[i] or batch.width
  for c = 1, width do row[c] = batch[c][i] end
  return table.unpack(row, 1, width)
end

return source
