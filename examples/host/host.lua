-- host.lua: the script of host.c. It gets the program's pool as its argument, and the readings
-- through the module "host", which every worker has too.
-- SPDX-License-Identifier: MIT

local pool = ...
local host = require "host"

-- Runs in a worker: `host` is a module, so it travels by its name.
local function sum_of_day(day)
  local sum, first = 0, (day - 1) * host.per_day
  for i = first + 1, first + host.per_day do
    sum = sum + host.reading(i)
  end
  return sum
end

local days = {}
for day = 1, host.days do
  days[day] = day
end

local total, coldest, lowest = 0, 0, math.huge
for day, sum in pool:map(sum_of_day, days) do
  total = total + sum
  if sum < lowest then coldest, lowest = day, sum end
end
print(("  day %d was the coldest: %.1f degrees on average"):format(
  coldest, lowest / host.per_day / 1000))
return total
