-- curve_live.lua MODE MOST: the cost of a no-op against how many futures are alive.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local MOST = math.tointeger(tonumber(arg[2]))
local BATCH, BATCHES = 1000, 30

local function noop() end

local ex <close> = tidepool.executor(1)

local function batch()
  measure.submit_and_collect(ex, BATCH)
end

local live = {}
measure.times(BATCHES, batch)
local number = 1
while number <= MOST do
  for i = #live + 1, number do
    live[i] = ex:submit(noop)
  end
  tidepool.wait(live)
  collectgarbage()
  local took = measure.median(measure.times(BATCHES, batch))
  measure.point("live_no_op", number, took / BATCH)
  number = number * 10
end
