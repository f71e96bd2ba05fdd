-- tidepool.sizes: how many items of a map go into one chunk.
--
-- A given chunksize is obeyed. Else sizes are a guess that workers mend: they share chunks that
-- turn out to take long (tidepool.chunk). For sequences, whose length is known, the first chunks
-- are small, so that first results come soon, and sizes shrink with what is left, so that the
-- workers end together. For iterator functions they grow until a chunk takes about TARGET seconds,
-- as measured in the workers. Never more than the buffer holds.
-- SPDX-License-Identifier: MIT

local FEW = 48       -- sequences up to this length go item by item
local MOST = 1024    -- items in a chunk
local GROWTH = 4     -- from a chunk to the next one, at most
local SHARE = 2      -- a chunk has at most one of so many shares per worker of what is left,
local LEAST = 4      -- and at least one of so many of all
local TARGET = 0.001 -- seconds that a measured chunk should take
local FADING = 0.5   -- what remains of the best pace at a slower chunk: long items are rare

local methods = {}
local Sizes = { __name = "tidepool.sizes", __index = methods }

local sizes = {}

-- chunksize: an integer, "auto" or nil; total: the number of items, or nil if not known.
function sizes.new(chunksize, buffersize, workers, total)
  local fixed = math.type(chunksize) == "integer" and chunksize or nil
  local most = math.maxinteger
  if fixed then
    most = buffersize or most
  else
    most = buffersize and math.max(1, buffersize // (2 * workers)) or MOST
    most = math.min(most, MOST)
  end
  if not fixed and total and total <= FEW then fixed = 1 end
  return setmetatable({
    fixed = fixed and math.min(fixed, most), most = most, total = total, workers = workers,
    least = total and math.max(1, total // (workers * LEAST)),
    size = 1, pace = 0, measures = not fixed and not total and most > 1,
  }, Sizes)
end

-- The size of the chunk that begins after `read` items.
function methods:next(read)
  if self.fixed then return self.fixed end
  if not self.total then return self.size end
  if self.size < self.most and read >= self.size * self.workers then
    self.size = self.size * GROWTH
  end
  local share = (self.total - read) // (self.workers * SHARE)
  return math.min(math.max(share, self.least), self.size, self.most)
end

-- A chunk of `count` items took `seconds`.
function methods:measured(count, seconds)
  if not self.measures or count == 0 then return end
  local pace = seconds > 0 and count / seconds or math.huge
  self.pace = math.max(pace, self.pace * FADING)
  local fits = math.min(self.most, TARGET * self.pace)
  self.size = math.max(1, math.min(fits // 1 | 0, self.size * GROWTH))
end

return sizes
