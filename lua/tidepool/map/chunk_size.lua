-- tidepool.map.chunk_size: chooses how many items of a map go into one chunk.
--
-- A chunksize that the script gives is used as it is. Otherwise a size is an estimate, which need
-- not be right: workers divide chunks that take long (tidepool.map.worker).
--   * The length of a sequence is known. Its first chunks are small, so that the first results come
--     soon. Sizes shrink again towards the end, so that all workers end at about the same time.
--   * The length of an iterator is unknown. Sizes grow until a chunk takes about TARGET seconds, as
--     measured in the workers.
-- No chunk is larger than the buffer.
-- SPDX-License-Identifier: MIT

local FEW = 48       -- the items of a sequence up to this length go one by one
local MOST = 1024    -- items in a chunk, at most
local GROWTH = 4     -- factor from a chunk to the next, at most
local SHARE = 2      -- of the items that are left, a chunk has at most 1 / (SHARE * workers)
local LEAST = 4      -- of all items, a chunk has at least 1 / (LEAST * workers)
local TARGET = 0.001 -- seconds that a measured chunk should take
local FADING = 0.5   -- a chunk that was slower lowers the pace by this factor at most

local methods = {}
local ChunkSize = { __name = "tidepool.chunk_size", __index = methods }

local chunk_size = {}

-- Returns the sizes of a map's chunks.
-- chunksize: an integer, "auto" or nil. total: the number of items, or nil if it is unknown.
function chunk_size.new(chunksize, buffersize, workers, total)
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
  }, ChunkSize)
end

-- Returns the size of the chunk that begins after `read` items.
function methods:next(read)
  if self.fixed then return self.fixed end
  if not self.total then return self.size end
  if self.size < self.most and read >= self.size * self.workers then
    self.size = self.size * GROWTH
  end
  local share = (self.total - read) // (self.workers * SHARE)
  return math.min(math.max(share, self.least), self.size, self.most)
end

-- Takes into account that a chunk of `count` items took `seconds`. The pace is in items a second.
-- It follows fast chunks at once and slow ones slowly, since slow items are rare.
function methods:measured(count, seconds)
  if not self.measures or count == 0 then return end
  local pace = seconds > 0 and count / seconds or math.huge
  self.pace = math.max(pace, self.pace * FADING)
  local fits = math.min(self.most, TARGET * self.pace)
  self.size = math.max(1, math.min(fits // 1 | 0, self.size * GROWTH))
end

return chunk_size
