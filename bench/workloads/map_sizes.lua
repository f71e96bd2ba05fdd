-- map_sizes.lua: map with default options against the best of chunksizes chosen by hand.
--
-- Items are of equal length, or eight of 50 ms are among many of 1 µs. Each way runs in turn, and
-- the best of its times counts. That favours the chunksizes by hand, of which there are several.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local REPEATS = measure.pick(1, 2)
local LONG, LONG_ITEMS = 50e-3, measure.pick(2, 8)

local function burn(steps)
  local x = 1
  for _ = 1, steps do
    x = (x * 1103515245 + 12345) & 0x7fffffff
  end
  return x
end

local per_step = measure.quantile(measure.times(9, function() burn(300000) end), 0.5) / 300000

local function steps_of(seconds)
  return math.floor(seconds / per_step)
end

local function equal(number, seconds)
  local items, steps = {}, steps_of(seconds)
  for i = 1, number do
    items[i] = steps
  end
  return items
end

-- Returns many items of 1 µs, and a few of 50 ms: those for which is_long is true.
local function mix(is_long)
  local number = measure.pick(5000, 20000)
  local items = equal(number, 1e-6)
  for i = 1, number do
    if is_long(i, number) then items[i] = steps_of(LONG) end
  end
  return items
end

local function every(i, number)
  return i % (number // LONG_ITEMS) == 0
end

local kinds = {
  { "tiny", equal(measure.pick(100000, 400000), 0.1e-6), { 16, 64, 256, 1024, 4096, 16384 } },
  { "10us", equal(measure.pick(5000, 20000), 10e-6), { 1, 4, 16, 64, 256, 1024 } },
  { "1ms", equal(measure.pick(100, 200), 1e-3), { 1, 4, 16, 64 } },
  { "mix_spread", mix(every), { 1, 16, 64, 256, 1024 } },
  { "mix_first", mix(function(i) return i <= LONG_ITEMS end), { 1, 16, 64, 256, 1024 } },
  { "mix_last", mix(function(i, n) return i > n - LONG_ITEMS end), { 1, 16, 64, 256, 1024 } },
}

local ex <close> = tidepool.executor(2)
measure.park(ex, 2)()

-- Returns the seconds of one map. chunksize nil is the default.
local function map_once(items, chunksize, expected)
  local view = chunksize and ex:with { chunksize = chunksize } or ex
  local sum, start = 0, measure.now()
  for _, x in view:map(burn, items) do
    sum = sum + x
  end
  local took = measure.now() - start
  assert(sum == expected, "a wrong sum")
  return took
end

for _, kind in ipairs(kinds) do
  local name, items, sizes = table.unpack(kind)
  local known, expected = {}, 0
  for _, steps in ipairs(items) do
    known[steps] = known[steps] or burn(steps)
    expected = expected + known[steps]
  end
  local default, by_hand, best_size = math.huge, math.huge, nil
  for _ = 1, REPEATS do
    default = math.min(default, map_once(items, nil, expected))
    for _, size in ipairs(sizes) do
      local took = map_once(items, size, expected)
      if took < by_hand then by_hand, best_size = took, size end
    end
  end
  measure.emit("map_default_" .. name, default)
  measure.emit("map_by_hand_" .. name, by_hand)
  measure.emit("map_best_size_" .. name, best_size)
end
