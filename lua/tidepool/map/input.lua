-- tidepool.map.input: reads the items of a map from its sources.
--
-- A source is a sequence or an iterator function. An item has a value of each sequence and all
-- values of a call of each iterator function; together they are the arguments of one call. The
-- shortest source ends the input. Once a source has ended, those after it are not read.
--
-- Items are read into a *batch*: { n = items, width = arguments of an item, [column] = list }.
-- A column has the values of one argument for all items, so that values of one type are together.
-- If items differ in width, `widths` is a list of each item's, and `width` is the greatest.
-- `numbers` is true if all values are known to be numbers, booleans or nil.
-- SPDX-License-Identifier: MIT

local core = require "tidepool.core"
local iter = require "tidepool.iter"

local select = select

local HERE = debug.getinfo(1, "S").short_src .. ":"

local input = {}
local methods = {}
local Input = { __name = "tidepool.map_input", __index = methods }

-- Returns the input of a map. Its field `ended` is set at the end; `total` is the number of items,
-- or nil if that is unknown.
-- sources: a list of { kind = "sequence" | "function", value =, last = the length of a sequence }.
function input.new(sources)
  local self = { sources = sources, pos = 0, total = math.maxinteger, ended = false }
  self.sequences = true -- whether all sources are sequences
  for _, source in ipairs(sources) do
    if source.kind == "sequence" then
      self.total = math.min(self.total, source.last)
    else
      self.sequences = false
    end
  end
  if not self.sequences then self.total = nil end
  return setmetatable(self, Input)
end

-- Returns an empty batch. It may use the columns of `spare` again, a batch that is not needed any
-- more: their memory is in the processor's caches.
function input.batch(spare)
  return { n = 0, width = 0, spare = spare and { n = spare.n, table.unpack(spare) } }
end

-- Appends an item to the batch: `row`, a list of `width` values.
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

-- Appends the values of an iterator's call to `row`, which has `width`. Returns the new width, or
-- nil if the iterator has ended.
local function take(row, width, ...)
  local first = ...
  if first == nil then return nil end
  local n = select("#", ...)
  row[width + 1] = first
  for i = 2, n do row[width + i] = (select(i, ...)) end
  return width + n
end

-- Reads an item. Returns the list of its values and their number, or nil at the end.
local function read_row(self)
  local row, width = {}, 0
  local pos = self.pos + 1
  for i, source in ipairs(self.sources) do
    if source.kind == "function" then
      local iterator = source.value
      if pos == 1 then self.first_call = i end
      width = take(row, width, iterator())
      self.first_call = nil
      if not width then return nil end
    elseif pos > source.last then
      return nil
    else
      width = width + 1
      row[width] = source.value[pos]
    end
  end
  self.pos = pos
  return row, width
end

-- Appends the next `count` items, of sequences alone, to the batch.
local function read_slices(self, batch, count)
  local from, n = self.pos + 1, batch.n
  local spare = batch.spare
  if spare and (spare.n ~= count or n > 0) then spare = nil end
  batch.numbers = n == 0
  for c, source in ipairs(self.sources) do
    if n == 0 then
      local numbers
      batch[c], numbers = core.slice(source.value, from, count, spare and spare[c])
      batch.numbers = batch.numbers and numbers
    else
      table.move(source.value, from, from + count - 1, n + 1, batch[c])
    end
  end
  batch.n, batch.width, batch.spare = n + count, #self.sources, nil
  self.pos = self.pos + count
end

-- Appends the values of a call of the only source, an iterator. Returns false at its end.
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

-- Appends up to `count` items of the only source, an iterator. Returns how many.
local function read_function(self, batch, count)
  local iterator = self.sources[1].value
  for i = 1, count do
    if not append_values(batch, iterator()) then
      self.ended = true
      return i - 1
    end
  end
  return count
end

-- Closes the iterators that have a value to be closed. `err` is the error that ended the map, or
-- nil.
function methods:close(err)
  for _, source in ipairs(self.sources) do iter.close(source.value, err) end
end

-- Returns the error to be raised where reading raised `err`. `first`: no item was read before.
function methods:explain(err, first)
  local i = first and (self.first_call or #self.sources == 1 and 1)
  return iter.explain(err, HERE, i and self.sources[i].value, i and i + 1, "map")
end

-- Appends up to `count` items to the batch. Returns how many. Sets `ended` at the end.
function methods:read(batch, count)
  if self.sequences then
    count = math.min(count, self.total - self.pos)
    if count > 0 then read_slices(self, batch, count) end
    self.ended = self.pos >= self.total
    return count
  elseif #self.sources == 1 then
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

-- Returns `count` items of a batch, from item `first` on, as a batch.
function input.part(batch, first, count)
  local part = { n = count, width = batch.width }
  local columns = table.move(batch, 1, batch.width, 1, {})
  columns.widths = batch.widths
  for name, column in pairs(columns) do
    part[name] = table.move(column, first, first + count - 1, 1, {})
  end
  return part
end

-- Returns the arguments of item i of a batch.
function input.arguments(batch, i)
  local row = {}
  local width = batch.widths and batch.widths[i] or batch.width
  for c = 1, width do row[c] = batch[c][i] end
  return table.unpack(row, 1, width)
end

return input
