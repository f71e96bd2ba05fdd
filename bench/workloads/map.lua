-- map.lua: a million tiny items through map, with default options; two workers.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local ITEMS = 1000000

local function next_to(x)
  return x + 1
end

local items = {}
for i = 1, ITEMS do
  items[i] = i
end

local ex <close> = tidepool.executor(2)

local function all()
  local sum = 0
  for _, y in ex:map(next_to, items) do
    sum = sum + y
  end
  assert(sum == ITEMS * (ITEMS + 3) // 2, "a wrong sum")
end

all()
local samples = measure.times(measure.pick(1, 3), all)
measure.emit("items_per_second", ITEMS / measure.median(samples))
