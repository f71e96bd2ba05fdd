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
for _ in ex:map(next_to, { 1, 2, 3 }) do end
collectgarbage()

local start, sum = measure.now(), 0
for _, y in ex:map(next_to, items) do
  sum = sum + y
end
local took = measure.now() - start
assert(sum == ITEMS * (ITEMS + 3) // 2, "a wrong sum")
measure.emit("items_per_second", ITEMS / took)
