-- sleeps.lua: 200 tasks that sleep 10 ms in C, on 50 workers whose threads have all started.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local native = require "bench_native"

local TASKS, WORKERS = 200, 50

local ex <close> = tidepool.executor(WORKERS)
measure.park(ex, WORKERS)()

local function sleeps()
  local futures = {}
  for i = 1, TASKS do
    futures[i] = ex:submit(native.sleep, 0.010)
  end
  for i = 1, TASKS do
    futures[i]:result()
  end
end

sleeps()
measure.emit("sleeps", measure.median(measure.times(measure.pick(3, 7), sleeps)))
