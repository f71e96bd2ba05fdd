-- cpu.lua: 64 tasks of 20 ms of Lua on two workers, over the same in plain sequential Lua.
--
-- The work is calibrated first. Both ways are run twice and in turn, so that a machine that slows
-- down or speeds up meanwhile favours neither.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local TASKS, SECONDS = 64, 0.020

local function work(steps)
  local x = 1
  for _ = 1, steps do
    x = (x * 1103515245 + 12345) & 0x7fffffff
  end
  return x
end

local function calibrate()
  local steps = 1000000
  local took = measure.quantile(measure.times(9, function() work(steps) end), 0.5)
  return math.floor(steps * SECONDS / took)
end

local steps = calibrate()
local ex <close> = tidepool.executor(2)
ex:submit(work, 1):result()

local function sequential()
  for _ = 1, TASKS do
    work(steps)
  end
end

local function parallel()
  local futures = {}
  for i = 1, TASKS do
    futures[i] = ex:submit(work, steps)
  end
  for i = 1, TASKS do
    futures[i]:result()
  end
end

local alone, together = 0, 0
for _ = 1, 2 do
  alone = alone + measure.times(1, sequential)[1]
  together = together + measure.times(1, parallel)[1]
end
measure.emit("cpu_sequential", alone / 2)
measure.emit("cpu_parallel", together / 2)
