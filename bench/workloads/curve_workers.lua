-- curve_workers.lua: the cost of a no-op against the number of workers, from 1 to 64.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local TASKS = measure.pick(5000, 50000)

local function noop() end

local workers = 1
while workers <= 64 do
  local ex <close> = tidepool.executor(workers)
  local function batch()
    measure.submit_and_collect(ex, TASKS)
  end
  measure.park(ex, workers)()
  batch()
  measure.point("workers_no_op", workers, measure.median(measure.times(3, batch)) / TASKS)
  local trips = measure.times(measure.pick(200, 2000), function() ex:submit(noop):result() end)
  measure.point("workers_round_trip", workers, measure.median(trips))
  workers = workers * 2
end
