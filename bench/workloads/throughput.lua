-- throughput.lua MODE WORKERS: 100,000 no-ops submitted, then all collected in order.
--
-- One whole round in this process is not counted. The figure is the median of those after it.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local TASKS = 100000

local workers = math.tointeger(tonumber(arg[2]))
local ex <close> = tidepool.executor(workers)

local function submit_and_collect()
  measure.submit_and_collect(ex, TASKS)
end

measure.park(ex, workers)() -- all threads have started
submit_and_collect()
local samples = measure.times(measure.pick(2, 7), submit_and_collect)
measure.emit("tasks_per_second_" .. workers, TASKS / measure.median(samples))
