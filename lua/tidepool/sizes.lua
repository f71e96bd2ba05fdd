-- tidepool.sizes: how many items of a map go into one chunk.
--
-- A given chunksize is obeyed. For sequences, whose length is known, sizes shrink with what is left
-- (guided scheduling), so the workers end together. For iterator functions they grow until a chunk
-- takes about TARGET seconds, as measured in the workers. Never more than the buffer holds.
-- SPDX-License-Identifier: MIT

local FEW = 48       -- sequences up to this length go item by item
local MOST = 256     -- items in a chunk
local SHARE = 16     -- a guided chunk is one of so many per worker
local TARGET = 0.001 -- seconds that a measured chunk should take

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
    fixed = fixed and math.min(fixed, most), most = most, total = total, share = workers * SHARE,
    size = 1, measures = not fixed and not total and most > 1,
  }, Sizes)
end

-- The size of the chunk that begins after `read` items.
function methods:next(read)
  if self.fixed then return self.fixed end
  if not self.total then return self.size end
  return math.max(1, math.min((self.total - read) // self.share, self.most))
end

-- A chunk of `count` items took `seconds`.
function methods:measured(count, seconds)
  if not self.measures then return end
  local fits = self.most
  if seconds > 0 then fits = math.min(fits, TARGET * count / seconds) end
  self.size = math.max(1, math.min(fits // 1 | 0, self.size * 2))
end

return sizes
