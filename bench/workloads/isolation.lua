-- isolation.lua: what a no-op costs in a state of its own, one after the other and 1,000 at once.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local function noop() end

for _, isolation in ipairs { "worker", "task" } do
  local ex <close> = tidepool.executor { max_workers = 2, isolation = isolation }
  local function round_trip() ex:submit(noop):result() end
  local function many()
    local futures = {}
    for i = 1, 1000 do futures[i] = ex:submit(noop) end
    for i = 1, 1000 do futures[i]:result() end
  end
  measure.times(3, round_trip)
  measure.emit("isolation_round_trip_" .. isolation,
    measure.median(measure.times(measure.pick(50, 300), round_trip)))
  measure.times(1, many)
  measure.emit("isolation_many_" .. isolation,
    measure.median(measure.times(measure.pick(2, 5), many)) / 1000)
end
